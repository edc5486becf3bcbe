"""A bounded sample of a split as tables: of plain numbers as the network gets them, and of points to be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainwell.contract.specs import PreparedData, TensorSpec
    from trainwell.data.parts import SplitArrays

Array = np.ndarray[Any, Any]

# Rows whose numbers are looked at, and columns; of more, some that lie evenly.
MOST_ROWS, MOST_COLUMNS = 20_000, 1024
# Values in all: of wide rows fewer are taken.
MOST_VALUES = 4_000_000
# Cells of the table that tokens are counted in.
BAG = 256
# Standardised values are cut here, so that one outlier does not decide what is near.
FAR = 5.0
_NUMBERS = ("features", "image", "sequence")


@dataclass(frozen=True)
class Sample:
    """Some rows of a split.

    Attributes:
        numbers: (rows, columns) float64 as the network gets them; no columns where there are no numbers.
        names: Of the columns.
        parts: The inputs themselves, cut to these rows, by role.
        target: (rows, ...) as in `SplitArrays`.
        rows: (rows,) places of these rows in the split.
    """

    numbers: Array
    names: tuple[str, ...]
    parts: tuple[tuple[str, TensorSpec, Array], ...]
    target: Array
    rows: Array


def draw(prepared: PreparedData, arrays: SplitArrays, *, ordered: bool) -> Sample:
    """Rows of a split, in their order; evenly drawn where there are too many, the first ones if order matters."""
    count = len(arrays.target)
    width = max(1, sum(int(np.prod(column.shape[1:], dtype=np.int64)) for column in arrays.inputs))
    most = min(MOST_ROWS, max(256, MOST_VALUES // min(width, MOST_COLUMNS)))
    rows = np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)
    rows = np.arange(min(count, most)) if ordered else rows
    taken = [np.asarray(column[rows]) for column in arrays.inputs]
    parts = tuple((spec.role, spec, column) for spec, column in zip(prepared.inputs, taken, strict=True))
    columns = [_flat(column) for role, _, column in parts if role in _NUMBERS]
    names = [name for role, spec, _ in parts if role in _NUMBERS for name in _names(prepared, spec)]
    numbers = np.concatenate(columns, axis=1) if columns else np.zeros((len(rows), 0))
    return Sample(numbers, tuple(names), parts, np.asarray(arrays.target[rows]), rows)


def _places(width: int) -> Array:
    """Which of so many columns are looked at."""
    return np.arange(width) if width <= MOST_COLUMNS else np.linspace(0, width - 1, MOST_COLUMNS).astype(np.int64)


def _flat(column: Array) -> Array:
    flat = column.reshape(len(column), -1)
    return np.asarray(flat[:, _places(flat.shape[1])], np.float64)


def _names(prepared: PreparedData, spec: TensorSpec) -> Iterator[str]:
    known = _column_names(prepared) if spec.role == "features" and len(spec.shape) == 1 else []
    width = int(np.prod(spec.shape, dtype=np.int64))
    for place in _places(width):
        yield known[place] if len(known) == width else f"{spec.name}[{place}]"


def _column_names(prepared: PreparedData) -> list[str]:
    """The columns of a table by their encoding: a category takes as many cells as it has levels."""
    entries = prepared.encoding.get("columns")
    names: list[str] = []
    for entry in cast("Sequence[dict[str, Any]]", entries) if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or "name" not in entry:  # pyright: ignore[reportUnnecessaryIsInstance]
            return []
        levels = cast("Sequence[Any]", entry.get("levels") or entry.get("categories") or ())
        names += [str(entry["name"])] * max(1, len(levels))
    return names


@dataclass(frozen=True)
class Comparable:
    """How rows become points whose distance means something; fitted on training rows."""

    center: Array
    scale: Array

    def __call__(self, sample: Sample, rows: Array) -> Array:
        """(rows, columns) float32, standardised and cut."""
        raw = _points(sample, rows)
        with np.errstate(all="ignore"):
            scaled = (raw - self.center) * self.scale
        return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=FAR, neginf=-FAR), -FAR, FAR).astype(np.float32)


def comparable(sample: Sample, rows: Array) -> Comparable:
    """Fit on some rows of a training sample. Columns of one kind of input share the width of that input."""
    raw = _points(sample, rows)
    known = np.where(np.isfinite(raw), raw, np.nan)
    with np.errstate(all="ignore"):
        center = np.nan_to_num(_quiet(np.nanmean, known))
        spread = np.nan_to_num(_quiet(np.nanstd, known))
    return Comparable(center, np.where(spread > 0, 1 / np.where(spread > 0, spread, 1.0), 0.0))


def _quiet(function: Any, values: Array) -> Array:
    """A statistic by column; columns without any number give 0."""
    empty = ~np.isfinite(values).any(axis=0)
    result = function(np.where(empty, 0.0, values), axis=0)
    return np.where(empty, 0.0, result)


def _points(sample: Sample, rows: Array) -> Array:
    """Numbers, marks of categories, how often tokens occur, and of sequences what does not depend on the place."""
    columns = [sample.numbers[rows]]
    for role, spec, values in sample.parts:
        some = values[rows]
        if role == "categories":
            columns += [np.eye(min(size, 32))[np.minimum(some[:, place], 31)] for place, size in enumerate(spec.sizes)]
        elif role == "tokens":
            columns.append(_bag(some))
        elif role == "sequence":
            columns.append(_summary(np.asarray(some, np.float64)))
    return np.concatenate(columns, axis=1)


def _bag(tokens: Array) -> Array:
    """(rows, BAG) how often tokens occur, by their number modulo BAG; padding does not count."""
    bags = np.zeros((len(tokens), BAG))
    rows = np.repeat(np.arange(len(tokens)), tokens.shape[1])
    flat = tokens.reshape(-1)
    real = flat > 0
    np.add.at(bags, (rows[real], flat[real] % BAG), 1.0)
    return np.log1p(bags)


def _summary(series: Array) -> Array:
    """(rows, 3 x channels) level, spread and mean step of each channel."""
    steps = np.abs(np.diff(series, axis=1)).mean(axis=1) if series.shape[1] > 1 else series[:, 0] * 0
    return np.concatenate([series.mean(axis=1), series.std(axis=1), steps], axis=1)
