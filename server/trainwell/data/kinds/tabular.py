"""Tables: CSV, TSV and other delimited text, Parquet, JSON Lines, inline rows, and the sets of scikit-learn.

Every usable column becomes numbers (see `table.encode`); the network gets one input `x` of shape (features,).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import Field

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Spec, TensorSpec, Warned
from trainwell.contract.text import quoted
from trainwell.data import target as targets
from trainwell.data.content import recognise_content
from trainwell.data.files import save_split, write_rows
from trainwell.data.memory import check_disk
from trainwell.data.parts import Draft, EncodedRows
from trainwell.data.splits import FEWEST_ROWS, split_rows
from trainwell.data.table.columns import Column
from trainwell.data.table.columns import recognise as recognise_column
from trainwell.data.table.encode import encode_frame, fit_column, input_names, width
from trainwell.data.table.labels import LabelReader
from trainwell.data.table.names import require
from trainwell.data.table.raw import encode_table, rows_table
from trainwell.data.table.read import Table, read_table
from trainwell.data.table.report import describe
from trainwell.data.table.suspicions import candidates, column_warnings, copies, leaks, useless
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData, Task
    from trainwell.data.parts import Request
    from trainwell.data.source import Source
    from trainwell.data.splits import Rows

KIND = "tabular"
TASKS: frozenset[Task] = frozenset({"classification", "multilabel", "regression", "reconstruction"})
INPUT = "x"
# A first layer of 256 units over this many inputs has 13 million weights.
MOST_INPUTS = 50_000


class Config(Spec):
    """Options of tables."""

    columns: tuple[str, ...] | None = Field(default=None, description="Use only these columns")
    drop_columns: tuple[str, ...] = Field(default=(), description="Leave these columns out")


@dataclass(frozen=True)
class _Read:
    """A table whose columns are recognised and read as values; rows without any value are gone."""

    table: Table
    frame: pl.DataFrame
    columns: dict[str, Column]
    rows: Rows
    notes: list[str]


def recognise(source: Source) -> int:
    """Whether the source is a table: anything but NumPy's formats and folders."""
    return 2 if source.path is None or recognise_content(source.path) in {"text", "parquet"} else 0


def inspect(source: Source, target: str | None) -> dict[str, Any]:
    """What the table holds, for an agent; see `data.inspect`."""
    read = _recognise_columns(read_table(source, sample=True))
    target = target or read.table.target
    features = [column for column in read.columns.values() if column.name != target]
    found: list[Warned] = []
    learnt = None
    if target is not None:
        require([target], list(read.columns), "target")
        labels, read = _take_target(read, target, "auto", found)
        learnt = labels.target
    dropped = [warned for column in features if (warned := useless(column, read.frame[column.name]))]
    found += dropped + column_warnings(features, read.frame.height, read.table.locate)
    if learnt is not None and target is not None:
        everything = np.arange(read.frame.height)
        found += targets.suspicions(learnt, None) + leaks(features, read.frame, learnt, everything)
        found += copies(read.frame, [column.name for column in features], target, None)
    guesses = candidates(list(read.columns.values()), read.frame.height)
    return describe(read.table, list(read.columns.values()), read.notes, guesses, target, learnt, found)


def prepare(source: Source, request: Request, folder: Path) -> Draft:
    """Read, split, fit on the training rows and write the arrays; see `Draft`.

    Raises:
        TrainwellError: what was wrong with the file, the columns or the target.
    """
    config = request.config
    assert isinstance(config, Config)  # noqa: S101 - the front door makes it from this module's Config
    wanted = None if config.columns is None else _with_target(config, request.target, source)
    read = _recognise_columns(read_table(source, only=wanted))
    name = request.target or read.table.target
    if name is None:
        shown = source.shown if source.path is not None else None
        raise targets.no_target(list(read.columns), candidates(list(read.columns.values()), read.frame.height), shown)
    require([name], list(read.columns), "target")
    found: list[Warned] = []
    labels, read = _take_target(read, name, request.task, found)
    features = _features(read, config, name)
    splits = split_rows(
        read.frame.height, targets.groups_for(labels.target, request.split),
        validation_fraction=request.validation_fraction, test_fraction=request.test_fraction, seed=request.seed,
    )  # fmt: skip
    encodings, dropped = _fit(read, features, config, splits["train"])
    found += dropped + column_warnings([read.columns[used] for used in features], read.frame.height, read.table.locate)
    found += targets.suspicions(labels.target, splits)
    found += leaks([read.columns[entry["name"]] for entry in encodings], read.frame, labels.target, splits["train"])
    found += copies(read.frame, [entry["name"] for entry in encodings], name, splits)
    scaling = _write(folder, read, labels, encodings, splits)
    names = input_names(encodings)
    encoding = {
        "version": 1,
        "columns": encodings,
        "order": features,
        "source_columns": list(read.columns),
        "target": labels.reading(),
        "inputs": names if len(names) <= 1000 else [],
    }
    notes = [*read.notes, *filter(None, [labels.target.note])]
    notes += [note for name in features for note in read.columns[name].notes]
    return Draft(
        task=labels.target.task,
        inputs=(TensorSpec(name=INPUT, shape=(len(names),)),),
        target=name,
        classes=labels.target.classes,
        class_counts=targets.class_counts(labels.target),
        target_mean=scaling[0],
        target_std=scaling[1],
        splits={split: len(rows) for split, rows in splits.items()},
        baseline=targets.baseline_of(labels.target, splits),
        encoding=encoding,
        warnings=tuple(found),
        notes=tuple(notes),
    )


def encode(prepared: PreparedData, rows: list[Any] | None, source: Source | None) -> EncodedRows:
    """Raw rows, or a file of them, as network inputs.

    Raises:
        TrainwellError: `missing_column`, `bad_row`, `bad_value`, or what reading the file raises.
    """
    if rows is not None:
        return encode_table(prepared, rows_table(prepared, rows), strict=True)
    if source is None:
        raise TrainwellError("missing_argument", "There are no rows to encode.", argument="rows")
    return encode_table(prepared, read_table(source), strict=False)


def _with_target(config: Config, target: str | None, source: Source) -> list[str] | None:
    """The columns to read; None when the target is not known before reading."""
    if target is None or source.shipped is not None:
        return None
    return list(dict.fromkeys([*(config.columns or ()), *config.drop_columns, target]))


def _recognise_columns(table: Table) -> _Read:
    """Recognise column by column, letting go of each as it was read, so that only one copy is held."""
    columns: dict[str, Column] = {}
    values: list[pl.Series] = []
    count = table.frame.height
    pending = table.frame.get_columns()[::-1]
    table = replace(table, frame=pl.DataFrame())
    while pending:
        column, series = recognise_column(pending.pop(), decimal_comma=table.decimal_comma)
        columns[column.name] = column
        values.append(series.alias(column.name))
    whole = pl.DataFrame(values)
    blank = whole.select(pl.all_horizontal(pl.all().is_null())).to_series()
    notes = list(table.notes)
    rows = np.arange(count, dtype=np.int64)
    if blank.any():
        rows, whole = rows[~blank.to_numpy()], whole.filter(~blank)
        gone = int(blank.sum())
        notes.append(f"Left out: {counted(gone, 'row')} without any value.")
        columns = {name: replace(column, missing=column.missing - gone) for name, column in columns.items()}
    return _Read(table, whole, columns, rows, notes)


def _take_target(read: _Read, name: str, task: str, found: list[Warned]) -> tuple[LabelReader, _Read]:
    """The target of the rows that have one, and those rows."""
    column, values = read.columns[name], read.frame[name]
    if column.first_unread is not None:
        row, cell = column.first_unread
        raise TrainwellError(
            "mixed_target",
            f"The target reads as a {column.kind}, but not in {counted(column.unread, 'cell')}, "
            f"first {read.table.locate(row)}.",
            argument="target", got=cell, hint="Mend these cells, or leave them empty: such rows are left out.",
        )  # fmt: skip
    found += targets.check_present(name, column.missing - column.infinite, column.infinite, read.frame.height)
    if values.null_count():
        known = values.is_not_null()
        read = replace(read, frame=read.frame.filter(known), rows=read.rows[known.to_numpy()])
    if read.frame.height < FEWEST_ROWS:
        raise TrainwellError(
            "too_few_rows", f"There are {read.frame.height} rows with a target.", argument="source",
            allowed=f"at least {FEWEST_ROWS} rows",
        )  # fmt: skip
    return LabelReader.fit(column, read.frame[name], task), read


def _features(read: _Read, config: Config, target: str) -> list[str]:
    """The columns asked for, without the target."""
    known = list(read.columns)
    require(config.columns or (), known, "columns")
    require(config.drop_columns, known, "drop_columns")
    chosen = config.columns if config.columns is not None else known
    return [name for name in dict.fromkeys(chosen) if name != target and name not in config.drop_columns]


def _fit(read: _Read, features: list[str], config: Config, train: Rows) -> tuple[list[dict[str, Any]], list[Warned]]:
    encodings: list[dict[str, Any]] = []
    dropped: list[Warned] = []
    for name in features:
        column, values = read.columns[name], read.frame[name]
        warned = useless(column, values)
        if warned is not None and not (warned.code == "id_column" and name in (config.columns or ())):
            dropped.append(warned)
            continue
        encoding = fit_column(column, values.gather(train))
        if encoding is None:
            message = f"Column {quoted(name)} has one value only in the training rows and is left out."
            dropped.append(Warned(code="constant_column", message=message, column=quoted(name)[1:-1]))
        else:
            encodings.append(encoding)
    total = sum(map(width, encodings))
    if not encodings:
        raise TrainwellError(
            "no_features", "No column is left to predict from.", argument="columns" if config.columns else "source",
            hint="; ".join(warned.message for warned in dropped[:3]) or "The table needs more than the target.",
        )  # fmt: skip
    if total > MOST_INPUTS:
        raise TrainwellError(
            "too_wide", f"The columns would make {total:,} inputs.", argument="drop_columns",
            allowed=f"at most {MOST_INPUTS:,}", hint="Leave out columns of many categories.",
        )  # fmt: skip
    return encodings, dropped


def _write(
    folder: Path, read: _Read, labels: LabelReader, encodings: list[dict[str, Any]], splits: dict[str, Rows]
) -> tuple[float, float]:
    """Write inputs, targets, row numbers and raw rows; returns the target's mean and deviation."""
    inputs = sum(map(width, encodings))
    check_disk(read.frame.height * inputs * 4, folder)
    mean, deviation = targets.scaling_of(labels.target, splits["train"])
    used = read.frame.select([entry["name"] for entry in encodings])
    for split, rows in splits.items():
        write_rows(folder / f"{split}_{INPUT}.npy", rows, (inputs,), lambda part: encode_frame(encodings, used[part]))
        save_split(folder, split, targets.encoded(labels.target, rows, mean, deviation), read.rows[rows])
    plain_columns = [name for name, column in read.columns.items() if column.kind != "nested"]
    for split in ("validation", "test"):
        read.frame.select(plain_columns)[splits[split]].write_parquet(folder / f"raw_{split}.parquet")
    return mean, deviation
