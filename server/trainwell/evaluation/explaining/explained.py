"""What is told of a network's reasons, whatever the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.text import plain, rounded
from trainwell.data.parts import SplitArrays
from trainwell.evaluation.numbers import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.evaluation.metrics import Floats

MOST_TOLD = 15
RESAMPLES = 500


@dataclass(frozen=True)
class Feature:
    """Something that answers may rest on.

    Attributes:
        name: A column, a channel, a window of time, a region, a word.
        importance: In the unit of the explanation; below 0 the network does better without.
        low: Of the 95 % interval; None where too little was seen for one.
        high: The other end.
        seen: How often it was seen, where that differs.
    """

    name: str
    importance: float
    low: float | None = None
    high: float | None = None
    seen: int | None = None

    @property
    def counts(self) -> bool:
        """Whether its importance is above 0 beyond doubt."""
        return self.low is not None and self.low > 0

    def told(self) -> str:
        """In a few words."""
        return f"{plain(self.name, 40)} {self.measured()}"

    def measured(self) -> str:
        """The importance with its interval."""
        between = f" (95% {rounded(self.low, 2)} to {rounded(self.high, 2)})" if self.low is not None else ""
        return f"{rounded(self.importance, 3)}{between}"

    def to_json(self) -> dict[str, Any]:
        """For a report."""
        told = {"name": plain(self.name), "importance": short(self.importance, 4)}
        told |= {"low": short(self.low, 4), "high": short(self.high, 4)} if self.low is not None else {}
        return told | ({"seen": self.seen} if self.seen is not None else {})


@dataclass(frozen=True)
class Explained:
    """The reasons.

    Attributes:
        method: How they were found, in words.
        unit: What an importance is.
        rows: How many rows were looked at.
        features: The most important first.
        notes: What a reader must know.
        examples: Single rows.
        columns: Whether the features are raw columns, by which a score can be broken down.
    """

    method: str
    unit: str
    rows: int
    features: list[Feature]
    notes: list[str] = field(default_factory=list[str])
    examples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    columns: bool = False

    def told(self) -> str:
        """One or two sentences."""
        top = [one for one in self.features[:3] if one.importance > 0]
        if not top:
            return f"Nothing that was tried matters to these {self.rows} rows ({self.method})."
        silent = sum(not one.counts for one in self.features)
        tail = f" {silent} of {len(self.features)} matter less than can be measured here." if silent else ""
        return f"{self.unit} over {self.rows} rows: {', '.join(one.told() for one in top)}.{tail}"

    def to_json(self) -> dict[str, Any]:
        """For a report: at most 15 features."""
        return {
            "method": self.method,
            "unit": self.unit,
            "rows": self.rows,
            "features": [one.to_json() for one in self.features[:MOST_TOLD]],
            "features_left_out": max(0, len(self.features) - MOST_TOLD),
            "examples": self.examples,
            "notes": self.notes,
        }


def some_rows(arrays: SplitArrays, most: int) -> SplitArrays:
    """All rows, or as many drawn with a fixed seed, in memory of their own."""
    rows = np.arange(len(arrays.target))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    inputs = tuple(np.array(array[rows]) for array in arrays.inputs)
    return SplitArrays(inputs, np.array(arrays.target[rows]), np.array(arrays.rows[rows]))


def ranked(names: Sequence[str], values: Floats) -> list[Feature]:
    """Features by their mean over the rows, with the interval of drawing the rows again.

    Args:
        names: K names.
        values: (K, rows) what each row says.
    """
    rows = values.shape[1]
    generator = np.random.default_rng(0)
    draws = generator.multinomial(rows, np.full(rows, 1 / rows), RESAMPLES) / rows
    low, high = np.percentile(draws @ values.T, (2.5, 97.5), axis=0)
    means = values.mean(axis=1)
    order = [int(place) for place in np.argsort(-means, kind="stable")]
    return [Feature(names[one], float(means[one]), float(low[one]), float(high[one])) for one in order]
