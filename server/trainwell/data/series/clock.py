"""The steps of a time column: how far apart they are, their numbers, their dates, and what a calendar says of them.

Steps are counted by whole numbers (ticks), so that gaps show and times to come have a date. Months and working days
are of unequal length and are counted as what they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from trainwell.data.parts import Array

Unit = Literal["order", "number", "microsecond", "weekday", "month"]

_DAY = 86_400_000_000
_SHORTEST_MONTH = 28 * _DAY
# A step that is off by less than this share of itself is on time ...
_ON_TIME = 0.25
# ... and with more rows off than this share, steps are irregular.
_MOST_OFF = 0.1
# With more gaps than this, a grid would hold more invention than fact.
_MOST_GAPS = 0.5
_WEEKDAYS = 5
_CYCLES: tuple[tuple[str, float], ...] = (("hour of day", 1.0), ("day of week", 7.0), ("day of year", 365.25))


@dataclass(frozen=True)
class Clock:
    """How times become step numbers.

    Attributes:
        unit: What is counted; `order` where rows are steps in the order in which they come.
        size: Units of one step.
        start: Time of tick 0, in units since 1970 (or in the column's own numbers).
    """

    unit: Unit
    size: int = 1
    start: int = 0

    def as_json(self) -> dict[str, Any]:
        """For the encoding; `Clock(**...)` reads it."""
        return asdict(self)

    @property
    def frequency(self) -> str | None:
        """How far apart steps are, in short: `1mo`, `3600s`, `1 weekday`; None where only the order is known."""
        if self.unit == "order":
            return None
        if self.unit == "microsecond":
            days, rest = divmod(self.size, _DAY)
            return f"{days}d" if not rest else f"{self.size / 1e6:g}s"
        return f"{self.size}{ {'month': 'mo', 'weekday': ' weekday', 'number': ' of the time column'}[self.unit] }"

    def ticks(self, times: Array) -> Array:
        """Step numbers (n,) int64 of times (n,): int64 microseconds since 1970, or numbers."""
        return np.rint((self._units(times) - self.start) / self.size).astype(np.int64)

    def times(self, ticks: Array) -> Array:
        """Times (n,) of step numbers (n,), as `ticks` takes them."""
        units = self.start + ticks * self.size
        if self.unit == "month":
            return units.astype("M8[M]").astype("M8[us]").astype(np.int64)
        if self.unit == "weekday":
            days = np.busday_offset("1970-01-01", units, roll="forward")
            return days.astype("M8[us]").astype(np.int64)
        return units

    def labels(self, ticks: Array) -> list[str]:
        """Dates of step numbers, as text; `+1`, `+2`, ... for steps in order, where tick 0 is the last known."""
        if self.unit == "order":
            return [f"+{int(tick)}" for tick in ticks]
        times = self.times(ticks)
        if self.unit == "number":
            return [str(int(time)) for time in times]
        return [written(int(time)) for time in times]

    def _units(self, times: Array) -> Array:
        if self.unit == "month":
            return times.astype("M8[us]").astype("M8[M]").astype(np.int64)
        if self.unit == "weekday":
            return np.busday_count("1970-01-01", times.astype("M8[us]").astype("M8[D]"))
        return times


def written(time: int) -> str:
    """A time in microseconds since 1970 as ISO text, as short as it can be told."""
    moment = np.datetime64(time, "us")
    if time % _DAY == 0:
        return str(moment.astype("M8[D]"))
    return str(moment.astype("M8[s]")).replace("T", " ") if time % 1_000_000 == 0 else str(moment).replace("T", " ")


def fit_clock(times: Array, groups: Array, *, dates: bool) -> tuple[Clock, bool]:
    """Find the step between times that are sorted within each group and differ.

    Args:
        times: (n,) int64 microseconds since 1970, or numbers.
        groups: (n,) group of each row, sorted.
        dates: Whether times are dates.

    Returns: The clock, of the unit `order` where steps are irregular; and whether they are regular.
    """
    same = groups[1:] == groups[:-1]
    apart = np.diff(times)[same]
    if not len(apart):
        return Clock("order"), True
    for clock in _candidates(times, apart, dates=dates):
        if _fits(clock, times, groups, same):
            return clock, True
    return Clock("order"), False


def calendar(clock: Clock, ticks: Array, names: list[str]) -> Array:
    """Sine and cosine of the place in each cycle, (n, 2 * len(names)) float64."""
    if not names:
        return np.zeros((len(ticks), 0))
    days = clock.times(ticks) / _DAY
    columns: list[Array] = []
    for name, length in _CYCLES:
        if name in names:
            # 1970 began on a Thursday.
            turns = 2 * np.pi * ((days + 3 if length == 7 else days) % length) / length
            columns += [np.sin(turns), np.cos(turns)]
    return np.stack(columns, axis=1)


def cycles(clock: Clock, first: int, last: int) -> list[str]:
    """The cycles of the calendar that the steps resolve and that pass at least twice between two ticks."""
    if clock.unit not in {"microsecond", "weekday", "month"}:
        return []
    begin, end = clock.times(np.array([first, last])) / _DAY
    step = max((end - begin) / max(1, last - first), 1e-9)
    return [name for name, length in _CYCLES if step * 2 <= length and end - begin >= 2 * length]


def season_candidates(clock: Clock) -> list[int]:
    """Steps in a minute, an hour, a day, a week and a year, where they are whole numbers above one."""
    if clock.unit == "month":
        return [12 // clock.size] if 12 % clock.size == 0 and clock.size < 12 else []
    if clock.unit == "weekday":
        return [_WEEKDAYS, 261]
    if clock.unit != "microsecond":
        return []
    second = 1_000_000
    spans = (60 * second, 3600 * second, _DAY, 7 * _DAY, 365 * _DAY)
    found = [round(span / clock.size) for span in spans if span >= 2 * clock.size]
    if clock.size == 7 * _DAY:
        found = [52]
    return sorted(set(found))


def _candidates(times: Array, apart: Array, *, dates: bool) -> list[Clock]:
    values, counts = np.unique(apart, return_counts=True)
    step = int(values[counts.argmax()])
    if not dates:
        return [Clock("number", step, int(times[0]))] if step >= 1 and bool(np.all(times == np.rint(times))) else []
    found: list[Clock] = []
    if apart.min() >= _SHORTEST_MONTH and not np.all(apart % (7 * _DAY) == 0):
        months = times.astype("M8[us]").astype("M8[M]").astype(np.int64)
        steps, counts = np.unique(np.rint(apart / (30.44 * _DAY)).astype(np.int64), return_counts=True)
        found.append(Clock("month", max(1, int(steps[counts.argmax()])), int(months[0])))
    if step == _DAY and bool(np.all(np.is_busday(times.astype("M8[us]").astype("M8[D]")))):
        first = times[:1].astype("M8[us]").astype("M8[D]")
        found.append(Clock("weekday", 1, int(np.busday_count("1970-01-01", first)[0])))
    return [*found, Clock("microsecond", step, int(times[0]))]


def _fits(clock: Clock, times: Array, groups: Array, same: Array) -> bool:
    ticks = clock.ticks(times)
    if bool(np.any(np.diff(ticks)[same] < 1)):
        return False
    if clock.unit in {"microsecond", "number"}:
        off = np.abs(times - clock.times(ticks)) > _ON_TIME * clock.size
        if off.mean() > _MOST_OFF:
            return False
    starts = np.flatnonzero(np.r_[True, ~same])
    ends = np.r_[starts[1:], len(groups)] - 1
    whole = int((ticks[ends] - ticks[starts] + 1).sum())
    return whole <= (1 + _MOST_GAPS) * len(times) + 1
