"""Intervals of shares and of differences: what can be said of a number that few rows or few runs gave."""

from __future__ import annotations

import math
from typing import NamedTuple

Z_95 = 1.959963984540054
# 97.5 % quantiles of Student's t by degrees of freedom (any statistics textbook's table).
_T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def wilson(successes: float, total: float) -> Interval:
    """95 % interval of a share (Wilson 1927), honest for few rows and for shares near 0 and 1."""
    share, square = successes / total, Z_95**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = Z_95 / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def student(degrees: float) -> float:
    """How many standard errors a 95 % interval reaches to either side, by degrees of freedom (at least 1)."""
    whole = int(degrees)
    return _T_95[whole - 1] if whole <= len(_T_95) else Z_95 + 2.5 / whole


def of_difference(first: float, second: float, around: tuple[Interval, Interval]) -> Interval:
    """95 % interval of first - second from the intervals around each; of two Wilson intervals it is Newcombe's (1998).

    Args:
        first: A value.
        second: One that was measured on its own.
        around: The 95 % intervals of both.
    """
    one, two = around
    down = math.hypot(first - one.low, two.high - second)
    up = math.hypot(one.high - first, second - two.low)
    return Interval(first - second - down, first - second + up)
