"""A table of steps: its columns recognised, its rows in the order of group and time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Warned
from trainwell.contract.text import quoted
from trainwell.data.parts import Array
from trainwell.data.table.columns import Column, missing_cells, read_as
from trainwell.data.table.columns import recognise as recognise_column
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.data.table.read import Table

USABLE = ("number", "boolean", "category")
# Categories beyond so many are one.
_MOST_LEVELS = 12


@dataclass(frozen=True)
class Steps:
    """Rows in the order of group and time.

    Attributes:
        frame: The columns as values, see `table.columns`.
        columns: What each is.
        groups: (n,) int64, number of each row's group; all 0 without a group column.
        names: Of the groups, by number; empty without a group column.
        times: (n,) int64 microseconds since 1970, float64 numbers, or the row number.
        rows: (n,) int64 row numbers in the source.
        dates: Whether times are dates.
    """

    frame: pl.DataFrame
    columns: dict[str, Column]
    groups: Array
    names: list[str]
    times: Array
    rows: Array
    dates: bool
    warnings: list[Warned] = field(default_factory=list)

    def some(self, kept: Array) -> Steps:
        """Only the rows where `kept` (n,) holds."""
        return replace(
            self, frame=self.frame.filter(pl.Series(kept)), groups=self.groups[kept], times=self.times[kept],
            rows=self.rows[kept],
        )  # fmt: skip


def recognise_all(table: Table) -> tuple[pl.DataFrame, dict[str, Column]]:
    """Every column as values, and what it is."""
    columns: dict[str, Column] = {}
    values: list[pl.Series] = []
    for series in table.frame.get_columns():
        column, read = recognise_column(series, decimal_comma=table.decimal_comma)
        columns[column.name] = column
        values.append(read.alias(column.name))
    return pl.DataFrame(values), columns


def read_again(table: Table, readings: dict[str, dict[str, Any]]) -> tuple[pl.DataFrame, list[str]]:
    """Columns of another table, read as they were before; infinite numbers and what cannot be read become missing.

    Returns: The columns of `readings` that the table has, and what was odd, in sentences.
    """
    values: list[pl.Series] = []
    notes: list[str] = []
    for name, reading in readings.items():
        if name not in table.frame.columns:
            continue
        raw = table.frame[name]
        read = read_as(raw, reading)
        if read.dtype.is_float():
            read = read.set(read.is_infinite() | read.is_nan(), None)
        lost = int((read.is_null() & ~missing_cells(raw, among_numbers=True)).sum())
        if lost and reading["kind"] in {"number", "date", "boolean"}:
            notes.append(
                f"Column {quoted(name, 40)}: {counted(lost, 'cell')} cannot be read as a {reading['kind']}, "
                "taken as missing."
            )
        values.append(read.alias(name))
    return pl.DataFrame(values), notes


def order(frame: pl.DataFrame, columns: dict[str, Column], time: str | None, group: str | None) -> Steps:
    """Sort by group and time; rows without one of them are left out with a warning.

    Raises:
        TrainwellError: `not_a_time`, `too_few_rows`.
    """
    warnings: list[Warned] = []
    rows = np.arange(frame.height, dtype=np.int64)
    for name in filter(None, (time, group)):
        gaps = frame[name].is_null()
        if gaps.any():
            message = f"{counted(int(gaps.sum()), 'row')} without a value in column {quoted(name)} left out."
            warnings.append(Warned(code="missing_values", message=message, column=quoted(name, 80)[1:-1]))
            rows, frame = rows[~gaps.to_numpy()], frame.filter(~gaps)
    if not frame.height:
        raise TrainwellError("too_few_rows", "There are no rows with a time.", argument="source")
    times, dates = _times(frame, columns, time)
    names: list[str] = []
    groups = np.zeros(frame.height, np.int64)
    if group is not None:
        text = frame[group].cast(pl.String)
        names = text.unique().sort().to_list()
        groups = text.replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    places = np.lexsort((times, groups))
    return Steps(frame[places], columns, groups[places], names, times[places], rows[places], dates, warnings)


def refuse_duplicates(steps: Steps, group: str | None, likely: Sequence[str]) -> Steps:
    """Steps with one row for each time of a group: a few double ones are dropped but for the last.

    Raises:
        TrainwellError: `duplicate_times`, when there are too many for an accident.
    """
    again = (np.diff(steps.times) == 0) & (np.diff(steps.groups) == 0)
    count = int(again.sum())
    if not count:
        return steps
    if count > 0.02 * len(steps.times):
        raise TrainwellError(
            "duplicate_times",
            f"{count:,} of {len(steps.times):,} rows have the same time as another"
            f"{'' if group is None else ' of their group'}.",
            argument="options/group" if group is None else "options/time",
            hint=f"If the table holds several series, name their column: options {{group: {likely[0]}}}."
            if group is None and likely else "Keep one row for each time.",
        )  # fmt: skip
    message = f"{counted(count, 'row')} with the time of another left out: the last of them counts."
    steps.warnings.append(Warned(code="duplicate_times", message=message))
    return steps.some(~np.r_[again, False])


def numbers(series: pl.Series) -> Array:
    """A column of numbers or booleans as (n,) float64, NaN where it is missing."""
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def levels_of(values: pl.Series) -> list[str]:
    """The commonest categories, in order of their names."""
    counts = values.drop_nulls().cast(pl.String).value_counts(sort=True)
    return sorted(counts.to_series(0).head(_MOST_LEVELS).to_list())


def channels(values: pl.Series, levels: list[str] | None) -> Array:
    """(n, 1) numbers, or (n, levels) with 1 at the category; NaN where a number is missing."""
    if levels is None:
        return numbers(values)[:, None]
    text = values.cast(pl.String)
    return np.stack([(text == level).fill_null(value=False).to_numpy() for level in levels], axis=1).astype(np.float64)


def _times(frame: pl.DataFrame, columns: dict[str, Column], time: str | None) -> tuple[Array, bool]:
    if time is None:
        return np.arange(frame.height, dtype=np.int64), False
    kind = columns[time].kind
    if kind == "date":
        return frame[time].cast(pl.Datetime("us")).to_physical().to_numpy(), True
    if kind == "number":
        values = numbers(frame[time])
        whole = bool(np.all(values == np.rint(values)))
        return values.astype(np.int64) if whole else values, False
    raise TrainwellError(
        "not_a_time", f"Column {quoted(time)} holds a {kind}, not times.", argument="options/time",
        got=time, allowed="a column of dates or numbers", hint="Write dates as 2024-01-31 or 2024-01-31 18:00.",
    )  # fmt: skip
