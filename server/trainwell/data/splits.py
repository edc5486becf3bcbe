"""Which rows train, validate and test: seeded, and alike in their classes where that is asked."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwell.contract.errors import TrainwellError

Rows = np.ndarray[Any, np.dtype[np.int64]]

FEWEST_ROWS = 10
# Validation and test together; the rest trains.
_MOST_HELD_OUT = 0.9
_QUANTILE_GROUPS = 10


def split_rows(
    count: int, groups: Rows | None, *, validation_fraction: float, test_fraction: float, seed: int
) -> dict[str, Rows]:
    """Cut `count` rows into train, validation and test.

    Args:
        count: Rows to split, at least `FEWEST_ROWS`.
        groups: (count,) group of each row, such as its class; each split gets its share of every group
            and at least one row of every group trains. None splits at random.
        validation_fraction: Of all rows.
        test_fraction: Of all rows.
        seed: The same seed gives the same split.

    Returns:
        Row numbers by split, ascending, each at least one.

    Raises:
        TrainwellError: `too_few_rows`, `fractions_too_large`.
    """
    if count < FEWEST_ROWS:
        raise TrainwellError(
            "too_few_rows", f"There are {count} usable rows.", argument="source", allowed=f"at least {FEWEST_ROWS} rows"
        )
    if validation_fraction + test_fraction > _MOST_HELD_OUT + 1e-9:
        raise TrainwellError(
            "fractions_too_large",
            f"Validation and test would take {validation_fraction + test_fraction:.2f} of the rows.",
            argument="validation_fraction",
            allowed=f"validation_fraction + test_fraction <= {_MOST_HELD_OUT}",
        )
    random = np.random.default_rng(seed)
    place = random.permutation(count) / count if groups is None else _spread(groups, random)
    order = np.argsort(place, kind="stable").astype(np.int64)
    test = max(1, round(count * test_fraction))
    validation = max(1, round(count * validation_fraction))
    parts = {"train": order[test + validation :], "validation": order[test : test + validation], "test": order[:test]}
    return {name: np.sort(rows) for name, rows in parts.items()}


def quantile_groups(values: np.ndarray[Any, np.dtype[np.float64]]) -> Rows:
    """Ten groups of equal size along the values, so that a numeric target can be split alike."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _QUANTILE_GROUPS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def _spread(groups: Rows, random: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A place in [0, 1) for each row, so that every group is spread evenly; the last of each group comes last."""
    count = len(groups)
    shuffled = random.permutation(count)
    order = shuffled[np.argsort(groups[shuffled], kind="stable")]
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    rank = np.arange(count) - np.repeat(starts, sizes)
    place = np.empty(count)
    place[order] = (rank + np.repeat(random.random(len(sizes)), sizes)) / np.repeat(sizes, sizes)
    place[order[starts + sizes - 1]] = 2.0
    return place
