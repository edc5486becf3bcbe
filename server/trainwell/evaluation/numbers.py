"""Numbers for a report: short, and null where they are not finite."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trainwell.evaluation.metrics import Interval

Statistics = dict[str, float | None]


def short(value: float | None, digits: int = 5) -> float | None:
    """The value with so many significant digits; None where it is not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}")


def shorts(values: Iterable[float | None], digits: int = 5) -> list[float | None]:
    """Each value as `short` has it."""
    return [short(value, digits) for value in values]


def with_intervals(values: Statistics, intervals: Mapping[str, Interval | None]) -> dict[str, Any]:
    """Metrics as a report has them: `name`, and `name_interval` as [low, high] or None where there is one."""
    told: dict[str, Any] = {}
    for name, value in values.items():
        told[name] = short(value)
        if name in intervals:
            interval = intervals[name]
            told[f"{name}_interval"] = shorts(interval) if interval else None
    return told
