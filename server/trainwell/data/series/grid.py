"""Series on a grid of steps without gaps: what is missing is filled from before, never from what comes after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.data.parts import Array
from trainwell.data.series.clock import Clock, fit_clock

if TYPE_CHECKING:
    from trainwell.data.series.table import Steps

# Steps for each row of a table that is laid on a known grid; a gap beyond is a wrong date.
MOST_STRETCHED = 20


@dataclass(frozen=True)
class Grid:
    """All groups behind each other, each from its first to its last step.

    Attributes:
        clock: Counts the steps.
        starts: (G + 1,) where each group begins; the last is the number of all steps, R.
        ticks: (R,) step numbers; with a clock of the unit `order` from 0 in each group.
        times: (R,) as `Steps.times`, interpolated for steps without a row.
        place: (R,) which row of the table a step is, -1 for one without.
        groups: (G,) number of each group in `Steps.names`.
    """

    clock: Clock
    starts: Array
    ticks: Array
    times: Array
    place: Array
    groups: Array
    regular: bool

    @property
    def gaps(self) -> int:
        """Steps without a row."""
        return int((self.place < 0).sum())

    def spread(self, values: Array) -> Array:
        """From rows (n, C) to steps (R, C), NaN where there is no row."""
        wide = np.full((len(self.place), *values.shape[1:]), np.nan)
        known = self.place >= 0
        wide[known] = values[self.place[known]]
        return wide

    def filled(self, values: Array) -> Array:
        """Steps (R, C) with what is missing taken from the step before in the group; NaN where there is none."""
        first = np.repeat(self.starts[:-1], np.diff(self.starts))
        filled = np.empty_like(values)
        steps = np.arange(len(values))
        for column in range(values.shape[1]):
            known = ~np.isnan(values[:, column])
            latest = np.maximum.accumulate(np.where(known, steps, -1))
            inside = latest >= first
            filled[:, column] = np.where(inside, values[np.where(inside, latest, 0), column], np.nan)
        return filled


def make_grid(steps: Steps, clock: Clock | None = None) -> Grid:
    """Lay sorted steps on a grid.

    Args:
        steps: Sorted by group and time, each time of a group once.
        clock: The one that was fitted before; None fits one.
    """
    regular = True
    if clock is None:
        clock, regular = fit_clock(steps.times, steps.groups, dates=steps.dates)
    count = len(steps.groups)
    begins = np.flatnonzero(np.r_[True, np.diff(steps.groups) != 0])
    lengths = np.diff(np.r_[begins, count])
    if clock.unit == "order":
        ticks = np.arange(count) - np.repeat(begins, lengths)
        starts = np.r_[begins, count]
        return Grid(clock, starts, ticks, steps.times, np.arange(count), steps.groups[begins], regular)
    ticks = clock.ticks(steps.times)
    ends = np.r_[begins[1:], count] - 1
    spans = ticks[ends] - ticks[begins] + 1
    starts = np.r_[0, np.cumsum(spans)]
    total = int(starts[-1])
    if bool(np.any(np.diff(ticks)[np.diff(steps.groups) == 0] < 1)) or total > MOST_STRETCHED * count + 1000:
        raise TrainwellError(
            "irregular_steps", f"The times do not have the step of {clock.frequency} that was learnt.",
            argument="options/time", hint="Give one row for each step, as in the data that was trained on.",
        )  # fmt: skip
    whole = np.arange(total) - np.repeat(starts[:-1], spans) + np.repeat(ticks[begins], spans)
    place = np.full(total, -1, np.int64)
    place[np.repeat(starts[:-1], lengths) + ticks - np.repeat(ticks[begins], lengths)] = np.arange(count)
    times = np.where(place >= 0, steps.times[place], clock.times(whole))
    return Grid(clock, starts, whole, times, place, steps.groups[begins], regular)
