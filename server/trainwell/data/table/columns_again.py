"""A table's columns as trees like them, taken back out of a network's inputs.

The same rows and the same knowledge that the network has, in another dress: one column a column, categories as numbers
of categories, and NaN where a value is missing. Scaling is monotone, which trees do not notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import Array
    from trainwell.data.table.encode import Encoding

Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class PlainColumns:
    """Columns of some rows.

    Attributes:
        values: (rows, columns) float32; NaN where a value is missing or of an unknown category.
        levels: How many categories a column tells apart, by its place; the others are numbers.
    """

    values: Floats
    levels: dict[int, int]


def fits(prepared: PreparedData) -> bool:
    """Whether the inputs are those of a table: one column a value, and something to predict."""
    if prepared.task not in {"classification", "multilabel", "regression"}:
        return False
    plain = len(prepared.inputs) == 1 and prepared.inputs[0].role == "features" and len(prepared.inputs[0].shape) == 1
    return prepared.kind == "tabular" or (prepared.kind == "arrays" and plain)


def columns_again(prepared: PreparedData, inputs: Sequence[Array]) -> PlainColumns:
    """The columns of encoded rows.

    Args:
        prepared: Data that `fits`.
        inputs: One (rows, ...) array for each of `prepared.inputs`.
    """
    from trainwell.data.table.encode import embedded, width  # noqa: PLC0415 - polars starts threads

    encodings: list[Encoding] = prepared.encoding.get("columns", [])
    if prepared.kind != "tabular":
        return PlainColumns(np.array(inputs[0], np.float32), {})
    numbers = inputs[0] if prepared.inputs[0].role == "features" else np.zeros((len(inputs[0]), 0), np.float32)
    parts: list[Floats] = []
    levels: dict[int, int] = {}
    start = place = 0
    for encoding in encodings:
        stop = start + width(encoding)
        if stop > start:
            part, known = _column(encoding, np.array(numbers[:, start:stop], np.float32))
            levels |= {place: known} if known else {}
            parts.append(part)
            place += part.shape[1]
        start = stop
    many = embedded(encodings)
    if many:
        codes = np.array(inputs[-1], np.float32) - 1  # 0 is missing, rare or unseen
        parts.append(np.where(codes < 0, np.float32(np.nan), codes))
        levels |= {place + number: len(one["levels"]) for number, one in enumerate(many)}
    return PlainColumns(np.concatenate(parts, axis=1), levels)


def _column(encoding: Encoding, values: Floats) -> tuple[Floats, int]:
    """What was one column, (rows, 1) or (rows, parts of a date), and its number of categories (0 for numbers)."""
    from trainwell.data.table.encode import is_pair  # noqa: PLC0415 - polars starts threads

    if encoding["as"] == "category" and not is_pair(encoding):
        count = len(encoding["levels"]) + int(encoding["other"])
        flags = values[:, :count]
        code = np.where(flags.any(axis=1), flags.argmax(axis=1), np.nan).astype(np.float32)
        return code[:, None], count
    if encoding["missing"]:
        values = np.where(values[:, -1:] > 0.5, np.float32(np.nan), values[:, :-1])
    return values, 0
