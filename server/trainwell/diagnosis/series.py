"""Small statistics of a series of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def rank_correlation(values: Sequence[float]) -> float:
    """Spearman's correlation of the values with their order: 1 rises always, -1 falls always; ties share a rank."""
    count = len(values)
    if count < 2:
        return 0.0
    ordered = sorted(values)
    places = {value: ordered.index(value) + (ordered.count(value) - 1) / 2 for value in set(values)}
    ranks = [places[value] for value in values]
    middle = (count - 1) / 2
    spread = sum((rank - middle) ** 2 for rank in ranks)
    order = sum((place - middle) ** 2 for place in range(count))
    if spread <= 0:
        return 0.0
    return sum((rank - middle) * (place - middle) for place, rank in enumerate(ranks)) / (spread * order) ** 0.5
