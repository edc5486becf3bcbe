"""The target of whole series: classes or values, one for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data.target import Target, class_target, number_target

if TYPE_CHECKING:
    from trainwell.data.table.columns import Column


def understand(column: Column, values: pl.Series, task: str) -> Target:
    """Classes or values from the target's column, read as `column` says, without nulls.

    Raises:
        TrainwellError: `target_not_usable`, or what `class_target` and `number_target` raise.
    """
    if column.kind not in {"number", "boolean", "category", "text"}:
        raise TrainwellError(
            "target_not_usable", f"Column {quoted(column.name)} holds a {column.kind}.", argument="target",
            got=column.name, hint="Name a column of classes or numbers.",
        )  # fmt: skip
    if column.kind == "number":
        return number_target(column.name, values.cast(pl.Float64).to_numpy(), task)
    texts = values.cast(pl.String)
    labels = texts.unique().sort()
    codes = texts.replace_strict(labels, range(len(labels)), return_dtype=pl.Int64).to_numpy()
    return class_target(column.name, labels.to_list(), codes, task)
