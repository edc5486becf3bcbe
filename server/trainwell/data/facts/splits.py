"""Facts of training beside validation rows: copies, and how far the two lie apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trainwell.data.facts.sample import Array, Sample

# A difference of means counts from this many of its standard errors on.
CERTAIN = 6.0
# And from this many standard deviations of the training rows.
SHIFTED = 0.5
# Copies have the same target in at least this share.
AGREEING = 0.9
# A column whose deviation is this many times larger or smaller is on another scale.
RESCALED = 5.0
# Rows that can take fewer values than this many times their number meet by chance.
ROOM = 50.0


def facts(train: Sample, validation: Sample) -> dict[str, Any]:
    """What the two splits show side by side."""
    if not len(train.rows) or not len(validation.rows):
        return {}
    return {**_copies(train, validation), **_moments(train.numbers, validation.numbers)}


def _copies(train: Sample, validation: Sample) -> dict[str, Any]:
    """`copies`: share of validation rows that occur in training to the last bit, where that is no chance.

    Rows that are alike because they say little (few values, texts cut short) differ in their targets.
    """
    if _room(train) < math.log(ROOM * len(train.rows)):
        return {}
    known = dict(zip(_keys(train), train.target.reshape(len(train.rows), -1)[:, 0].tolist(), strict=True))
    own = zip(_keys(validation), validation.target.reshape(len(validation.rows), -1)[:, 0].tolist(), strict=True)
    same = [known[key] == target for key, target in own if key in known]
    agreeing = sum(same)
    if not same or agreeing < AGREEING * len(same):
        return {"data.copies": 0.0}
    return {"data.copies": agreeing / len(validation.rows)}


def _room(sample: Sample) -> float:
    """Log of how many different rows there could be, by the values that each column takes."""
    room = 0.0
    for _, _, values in sample.parts:
        flat = values[:2000].reshape(min(len(values), 2000), -1)[:, :64]
        room += sum(math.log(max(1, len(np.unique(column)))) for column in flat.T)
    return room


def _keys(sample: Sample) -> list[bytes]:
    joined = [np.ascontiguousarray(values.reshape(len(values), -1)).view(np.uint8) for _, _, values in sample.parts]
    whole = np.concatenate([part.reshape(len(part), -1) for part in joined], axis=1)
    return [row.tobytes() for row in whole]


def _without_tails(part: Array) -> Array:
    """Finite, and each column cut to its middle 98 %: a few wild rows are no other kind of rows."""
    known = np.where(np.isfinite(part), part, 0.0)
    low, high = np.quantile(known, [0.01, 0.99], axis=0)
    return np.clip(known, low, high)


def _moments(train: Array, validation: Array) -> dict[str, Any]:
    """How far the columns' means lie apart in deviations of training, and how the deviations compare."""
    if not train.shape[1]:
        return {}
    whole = np.where(np.isfinite(train), train, 0.0).std(axis=0)
    train, validation = (_without_tails(part) for part in (train, validation))
    spread, other = train.std(axis=0), validation.std(axis=0)
    moving = spread > 0
    if not moving.any():
        return {}
    apart = np.abs(validation.mean(axis=0) - train.mean(axis=0))[moving] / whole[moving]
    ratio = other[moving] / spread[moving]
    error = np.sqrt(1 / len(train) + np.maximum(ratio, 0.1) ** 2 / len(validation))
    certain = (apart > SHIFTED) & (apart > CERTAIN * error)
    return {
        "data.shift": float(np.where(certain, apart, 0.0).max()),
        "data.shifted_columns": float(certain.mean()),
        "data.scale_ratio": float(np.median(ratio)),
        "data.rescaled_columns": float(((ratio < 1 / RESCALED) | (ratio > RESCALED)).mean()),
    }
