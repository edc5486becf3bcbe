"""A table whose columns are recognised and read as values, given files beside it; held once and as small as it goes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data.table.columns import Column, missing_cells, read_as, recognise, recognise_plain
from trainwell.data.table.read import open_table
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trainwell.data.source import Source
    from trainwell.data.splits import Rows
    from trainwell.data.table.read import TableFile

# A category is held as numbers while so few of its cells differ.
_MOST_DIFFERENT = 0.5


@dataclass(frozen=True)
class TypedTable:
    """What was read.

    Attributes:
        file: The main source.
        frame: Every row of the main source, then those of the given ones.
        columns: What was found out about each column, over the main source.
        rows: (usable,) int64 places in the frame of the rows that hold any value.
        numbers: (all,) int64 row numbers, each within its own file.
        given: Places in the frame of each given part, usable ones.
        main: Rows of the main source that were read.
        height: Those of them that hold any value.
        absent: Columns of the main source that a given one lacks.
    """

    file: TableFile
    frame: pl.DataFrame
    columns: dict[str, Column]
    rows: Rows
    numbers: Rows
    notes: list[str]
    main: int
    height: int
    given: dict[str, Rows] = field(default_factory=dict)
    absent: dict[str, list[str]] = field(default_factory=dict)

    def keep(self, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> TypedTable:
        """Only the usable rows for which the mask, (all,), is set."""
        given = {split: rows[mask[rows]] for split, rows in self.given.items()}
        return replace(self, rows=self.rows[mask[self.rows]], given=given)

    def given_among_rows(self) -> dict[str, Rows]:
        """Where the given parts stand among the usable rows."""
        return {split: np.searchsorted(self.rows, rows).astype(np.int64) for split, rows in self.given.items()}

    def require_given(self, needed: Iterable[str]) -> None:
        """Every given file has the columns that are used.

        Raises:
            TrainwellError: `missing_column`, with the argument that named the file.
        """
        for split, lacking in self.absent.items():
            missing = [name for name in needed if name in set(lacking)]
            if missing:
                raise TrainwellError(
                    "missing_column",
                    f"The {split} file lacks {counted(len(missing), 'column')}: "
                    f"{', '.join(quoted(name, 40) for name in missing[:5])}{', ...' if len(missing) > 5 else ''}.",
                    argument=f"{split}_source", hint="It needs the columns of source; drop_columns leaves some out.",
                )  # fmt: skip


def read_typed(
    source: Source, given: Mapping[str, Source] | None = None, *, only: list[str] | None = None, sample: bool = False
) -> TypedTable:
    """Read group by group of columns, and let go of each as it was read.

    Args:
        source: The rows that columns are recognised by.
        given: More sources, read in the same way.
        only: Columns to read, where the format allows it.
        sample: Whether some rows of a large file are enough.

    Raises:
        TrainwellError: what `open_table` raises.
    """
    file = open_table(source, only=only, sample=sample)
    columns: dict[str, Column] = {}
    values: dict[str, pl.Series] = {}
    for frame in file.groups():
        plain = recognise_plain(frame)
        pending = frame.get_columns()[::-1]
        del frame
        while pending:
            raw = pending.pop()
            column, series = plain.pop(raw.name, None) or recognise(raw, decimal_comma=file.decimal_comma)
            del raw
            columns[column.name] = column
            if column.kind == "empty":
                series = pl.Series(column.name, [None] * len(series), pl.String)
            values[column.name] = slim(series.alias(column.name)).rechunk()
    sizes = [len(next(iter(values.values())))]
    notes, absent = list(file.notes), dict[str, list[str]]()
    for split, other in (given or {}).items():
        size, absent[split], said = _append(columns, values, other, split)
        sizes.append(size)
        notes += said
    whole = pl.DataFrame(list(values.values()))
    blank = whole.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
    ends = np.cumsum(sizes)
    gone = int(blank[: sizes[0]].sum())
    if gone:
        notes.append(f"Left out: {counted(gone, 'row')} without any value.")
        columns = {name: replace(column, missing=column.missing - gone) for name, column in columns.items()}
    places = [np.arange(end - size, end, dtype=np.int64) for size, end in zip(sizes, ends, strict=True)]
    return TypedTable(
        file, whole, columns,
        rows=np.flatnonzero(~blank).astype(np.int64),
        numbers=np.concatenate([place - place[0] if len(place) else place for place in places]),
        notes=notes, main=sizes[0], height=sizes[0] - gone,
        given={split: part[~blank[part]] for split, part in zip(given or {}, places[1:], strict=True)},
        absent=absent,
    )  # fmt: skip


def slim(values: pl.Series) -> pl.Series:
    """The same values in less memory: whole numbers in few bytes, categories as numbers."""
    if values.dtype.is_integer():
        return values.shrink_dtype()
    if values.dtype == pl.String and values.n_unique() <= _MOST_DIFFERENT * len(values):
        return values.cast(pl.Categorical)
    return values


def _append(
    columns: Mapping[str, Column], values: dict[str, pl.Series], source: Source, split: str
) -> tuple[int, list[str], list[str]]:
    """Put a given source's rows behind those there; returns its rows, the columns that it lacks, and notes."""
    file = open_table(source, only=list(columns))
    known, notes, seen = set(file.names), list[str](), set[str]()
    height = 0
    for frame in file.groups():
        height = frame.height
        for raw in frame.get_columns():
            if raw.name not in columns:
                continue
            seen.add(raw.name)
            column, before = columns[raw.name], values[raw.name]
            read = read_as(raw, column.reading)
            if read.dtype.is_float():
                read = read.set(read.is_infinite() | read.is_nan(), None)
            lost = int((read.is_null() & ~missing_cells(raw, among_numbers=column.kind != "boolean")).sum())
            if lost and column.kind in {"number", "boolean", "date"}:
                what = f"{counted(lost, 'cell')} of the {split} file cannot be read as a {column.kind}"
                notes.append(f"Column {quoted(raw.name)}: {what}, taken as missing.")
            values[raw.name] = _joined(before, read, column)
    absent = [name for name in columns if name not in known]
    for name in set(columns) - seen:
        values[name] = pl.concat([values[name], pl.Series(name, [None] * height, values[name].dtype)], rechunk=True)
    return height, absent, notes


def _joined(before: pl.Series, read: pl.Series, column: Column) -> pl.Series:
    """Both parts as one series of a type that holds either."""
    if column.kind in {"nested", "empty"}:
        read = pl.Series(before.name, [None] * len(read), before.dtype)
    elif before.dtype != read.dtype:
        wider = pl.Float64 if column.kind == "number" else before.dtype
        before, read = before.cast(wider), read.cast(wider)
    return pl.concat([before, read.alias(before.name)], rechunk=True)
