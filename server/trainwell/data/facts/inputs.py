"""Facts of the inputs: numbers that are none, scale, columns that say nothing or say it twice, cut texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trainwell.data.facts.sample import Array, Sample


def facts(sample: Sample) -> dict[str, Any]:
    """What the training rows' inputs show."""
    return {**_finite(sample), **_scale(sample.numbers), **_columns(sample), **_cut(sample)}


def _finite(sample: Sample) -> dict[str, Any]:
    """`nonfinite_rows`, the share of rows with a number that is none, and the column with most of them."""
    bad = ~np.isfinite(sample.numbers)
    rows = bad.any(axis=1)
    if not rows.any():
        return {"data.nonfinite_rows": 0.0}
    worst = int(bad.sum(axis=0).argmax())
    return {
        "data.nonfinite_rows": float(rows.mean()),
        "data.nonfinite_column": sample.names[worst],
        "data.nonfinite_first": int(sample.rows[rows.argmax()]),
    }


def _scale(numbers: Array) -> dict[str, Any]:
    """How large the numbers are as they go in: all together, and from column to column."""
    known = np.where(np.isfinite(numbers), numbers, 0.0)
    if not known.size:
        return {}
    spread = known.std(axis=0)
    moving = spread[spread > 0]
    if not len(moving):
        return {}
    means = np.abs(known.mean(axis=0))
    return {
        "data.input_std": float(known.std()),
        "data.input_mean": float(known.mean()),
        "data.input_largest": float(np.abs(known).max()),
        "data.column_std_largest": float(moving.max()),
        "data.column_std_median": float(np.median(moving)),
        "data.column_offset": float(np.median(means[spread > 0] / moving)),
    }


def _columns(sample: Sample) -> dict[str, Any]:
    """How many columns hold one value, and how many repeat another one (up to scale and sign)."""
    numbers = np.where(np.isfinite(sample.numbers), sample.numbers, 0.0)
    if not numbers.shape[1] or len(numbers) < 2:
        return {}
    spread = numbers.std(axis=0)
    constant = spread <= 1e-12 * np.maximum(1.0, np.abs(numbers).max(axis=0))
    moving = np.flatnonzero(~constant)
    scaled = (numbers[:, moving] - numbers[:, moving].mean(axis=0)) / spread[moving]
    first: dict[bytes, int] = {}
    copies: list[tuple[int, int]] = []
    for place, column in zip(moving, scaled.T, strict=True):
        signed = column * (np.sign(column[np.flatnonzero(np.abs(column) > 1e-9)[:1]]) if len(column) else 1.0)
        key = np.round(signed, 4).tobytes()
        copies += [(int(place), first[key])] if key in first else []
        first.setdefault(key, int(place))
    found: dict[str, Any] = {
        "data.columns": int(numbers.shape[1]),
        "data.constant_columns": int(constant.sum()),
        "data.repeated_columns": len(copies),
    }
    if copies:
        found["data.repeated_example"] = [sample.names[place] for place in copies[0]]
    return found


def _cut(sample: Sample) -> dict[str, Any]:
    """`cut_rows`, the share of texts that fill all `places` there are, and how many different tokens occur."""
    for role, spec, tokens in sample.parts:
        if role == "tokens":
            return {
                "data.cut_rows": float((tokens[:, -1] > 0).mean()),
                "data.places": spec.shape[0],
                "data.distinct_tokens": len(np.unique(tokens[tokens > 0])),
            }
    return {}
