"""The target of a table, and how its cells become classes, labels or values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data import target as targets
from trainwell.data.splits import FEWEST_ROWS
from trainwell.data.table.columns import read_as
from trainwell.data.table.multilabel import fit_columns, fit_listed, looks_multilabel, read_labels
from trainwell.data.table.names import require
from trainwell.data.target import Target, class_target, number_label, number_target
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import PreparedData, Warned
    from trainwell.data.table.columns import Column
    from trainwell.data.table.typed import TypedTable


@dataclass(frozen=True)
class LabelReader:
    """A target that was understood.

    Attributes:
        target: Of the usable rows.
        names: The columns that it comes from.
        reading: The JSON that `read_target` needs.
    """

    target: Target
    names: tuple[str, ...]
    reading: dict[str, Any]


def take_target(
    table: TypedTable, names: Sequence[str], task: str, found: list[Warned]
) -> tuple[LabelReader, TypedTable]:
    """Understand the target, and leave only the rows that have one.

    Args:
        table: What was read.
        names: Its columns; none to reconstruct the inputs.
        task: What was asked for, or `auto`.
        found: Warnings are added here.

    Raises:
        TrainwellError: `missing_column`, `mixed_target`, `several_targets`, or what understanding it raises.
    """
    if not names:
        nothing = np.zeros((len(table.rows), 0), np.uint8)
        return LabelReader(Target("its own inputs", "reconstruction", nothing), (), {}), table
    require(names, list(table.columns), "targets" if len(names) > 1 else "target")
    columns = [table.columns[name] for name in names]
    for column in columns:
        _check_read(table, column, "targets" if len(names) > 1 else "target")
    mask = np.zeros(table.frame.height, np.bool_)
    mask[table.rows] = True
    for name in names:
        mask &= table.frame[name].is_not_null().to_numpy()
    usable = len(table.rows)
    table = table.keep(mask)
    infinite = sum(column.infinite for column in columns)
    found += targets.check_present(", ".join(names), usable - len(table.rows) - infinite, infinite, usable)
    if len(table.rows) < FEWEST_ROWS:
        raise TrainwellError(
            "too_few_rows", f"There are {len(table.rows)} rows with a target.", argument="source",
            allowed=f"at least {FEWEST_ROWS} rows",
        )  # fmt: skip
    values = [table.frame[name].gather(table.rows) for name in names]
    if len(names) > 1 and task not in {"auto", "multilabel"}:
        raise TrainwellError(
            "several_targets", f"{len(names)} columns cannot be learnt by {task} at once.", argument="targets",
            allowed="task: multilabel for columns of 0 and 1, task: forecasting for series",
            hint="Prepare and train once for each, with target.",
        )  # fmt: skip
    if len(names) > 1:
        target, reading = fit_columns(columns, values)
        return LabelReader(target, tuple(names), reading), table
    return understand(columns[0], values[0], task), table


def read_target(prepared: PreparedData, frame: pl.DataFrame) -> np.ndarray[Any, Any] | None:
    """The target of raw rows as training takes it; -1 or NaN where it is missing or of no known class.

    None where the rows lack it.
    """
    reading = prepared.encoding["target"]
    if prepared.task == "multilabel":
        return read_labels(frame, reading, prepared.classes)
    if reading["name"] not in frame.columns:
        return None
    values = read_as(frame[reading["name"]], reading["reading"])
    if prepared.task == "regression":
        numbers = values.cast(pl.Float64).to_numpy().copy()
        numbers[~np.isfinite(numbers)] = np.nan
        return ((numbers - prepared.target_mean) / prepared.target_std).astype(np.float32)
    if values.dtype.is_float():
        labels = [None if value is None else number_label(float(value)) for value in values]
    else:
        labels = values.cast(pl.String).to_list()
    numbers_of = {label: number for number, label in enumerate(prepared.classes)}
    return np.array([-1 if label is None else numbers_of.get(label, -1) for label in labels], np.int64)


_WHAT = {"date": "dates", "nested": "lists or objects"}


def understand(column: Column, values: pl.Series, task: str) -> LabelReader:
    """The target in one column, without nulls."""
    asked = task == "multilabel"
    if asked or (task == "auto" and looks_multilabel(column, values)):
        note = "" if asked else " (pass task: classification if each is one class)"
        target, reading = fit_listed(column, values, note)
        return LabelReader(target, (column.name,), reading)
    if column.kind in {"date", "nested"}:
        raise TrainwellError(
            "target_not_usable", f"The target is a column of {_WHAT[column.kind]}.", argument="target",
            got=column.name, hint="Name a column of classes or numbers.",
        )  # fmt: skip
    reading = {"name": column.name, "reading": column.reading}
    if column.kind == "number":
        numbers = values.cast(pl.Int64 if values.dtype.is_integer() else pl.Float64).to_numpy()
        return LabelReader(number_target(column.name, numbers, task), (column.name,), reading)
    values = values.cast(pl.String)
    labels = values.unique().sort()
    codes = values.replace_strict(labels, range(len(labels)), return_dtype=pl.Int64).to_numpy()
    return LabelReader(class_target(column.name, labels.to_list(), codes, task), (column.name,), reading)


def _check_read(table: TypedTable, column: Column, argument: str) -> None:
    if column.first_unread is None:
        return
    row, cell = column.first_unread
    raise TrainwellError(
        "mixed_target",
        f"The target {quoted(column.name)} reads as a {column.kind}, but not in {counted(column.unread, 'cell')}, "
        f"first {table.file.locate(row)}.",
        argument=argument, got=cell, hint="Mend these cells, or leave them empty: such rows are left out.",
    )  # fmt: skip
