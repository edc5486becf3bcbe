"""The target column of a table, and how its cells become classes or values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.data.table.columns import read_as
from trainwell.data.target import Target, class_target, number_label, number_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.data.table.columns import Column


@dataclass(frozen=True)
class LabelReader:
    """A target that was understood, and the way it was read."""

    column: Column
    target: Target

    @classmethod
    def fit(cls, column: Column, values: pl.Series, task: str) -> LabelReader:
        """Understand a target without nulls.

        Raises:
            TrainwellError: `target_is_date`, `target_is_nested`, or what `class_target` and `number_target` raise.
        """
        if column.kind in {"date", "nested"}:
            raise TrainwellError(
                f"target_is_{column.kind}", f"The target is a column of {_WHAT[column.kind]}.", argument="target",
                got=column.name, hint="Name a column of classes or numbers.",
            )  # fmt: skip
        if column.kind == "number":
            return cls(column, number_target(column.name, values.to_numpy(), task))
        labels = values.unique().sort()
        codes = values.replace_strict(labels, range(len(labels)), return_dtype=pl.Int64).to_numpy()
        return cls(column, class_target(column.name, _as_labels(labels), codes, task))

    def reading(self) -> dict[str, Any]:
        """The JSON that `read_target` needs."""
        return {"name": self.column.name, "reading": self.column.reading}


def read_target(series: pl.Series, reading: dict[str, Any], classes: Sequence[str]) -> np.ndarray[Any, Any]:
    """A target column as class numbers or raw values; -1 or NaN where a cell is missing or of no known class.

    Args:
        series: The raw column.
        reading: How its cells were read when the target was understood.
        classes: Labels by number; empty for a quantity.
    """
    values = read_as(series, reading)
    if not classes:
        numbers = values.cast(pl.Float64).to_numpy().copy()
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers
    if values.dtype.is_float():
        labels = [None if value is None else number_label(float(value)) for value in values]
    else:
        labels = _as_labels(values)
    numbers_of = {label: number for number, label in enumerate(classes)}
    return np.array([-1 if label is None else numbers_of.get(label, -1) for label in labels], np.int64)


_WHAT = {"date": "dates", "nested": "lists or objects"}


def _as_labels(values: pl.Series) -> list[str]:
    return values.cast(pl.String).to_list()
