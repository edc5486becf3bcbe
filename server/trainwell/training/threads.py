"""CPU threads: start with one, take more only where it was measured to pay, go back when a neighbour wakes up.

OpenMP threads spin at every barrier: when one of them has to share its core, each operation waits for the scheduler
(46 to 128 times slower steps were measured with torch's default of all cores and one busy neighbour). No static
number is right, so the steps of the run itself are timed. The judgement is pure: times in, number of threads out.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

# Shorter steps (s) gain nothing from more threads: their time is dispatch, not arithmetic.
LONG_STEP = 0.005
# One thread is timed over this many steps and seconds before more are tried.
BASE_STEPS, BASE_SECONDS = 5, 0.3
# The first steps of a run are slow for other reasons.
SKIPPED_STEPS = 2
TRIAL_STEPS = 4
# A trial ends at once when a step takes this many times as long as the best count's.
ABORT_RATIO = 1.5
# More threads must be faster by this ratio to be kept ...
KEEP_RATIO = 0.93
# ... and are given up when the median of the last steps is slower than their trial by this one.
FALL_RATIO = 1.4
WATCH_STEPS = 5
# Seconds until more threads are tried again; doubled after each failure.
FIRST_REST, LONGEST_REST = 30.0, 960.0


class ThreadTuner:
    """Decides how many threads the next step takes.

    Attributes:
        threads: The number to use now.
        settled: True when more threads will never be tried, so that nobody needs to time the steps any more.
        words: What was decided, newest last.
    """

    def __init__(self, cores: int) -> None:
        self.cores = cores
        self.threads = 1
        self.settled = cores < 2
        self.words: list[str] = ["threads 1: this process may use one core"] if self.settled else []
        self._judge = self._measure
        self._times: list[float] = []
        self._skip = SKIPPED_STEPS
        self._best = (1, float("inf"))
        self._rest = FIRST_REST

    def observe(self, seconds: float, spare_cores: Callable[[], float]) -> int:
        """Take in the time of one step and return the threads of the next one.

        Args:
            seconds: Time of the step at the current number of threads.
            spare_cores: Cores that nobody used since it was last asked, our own first one not counted.
        """
        if self._skip:
            self._skip -= 1
        else:
            self._times.append(seconds)
            self._judge(spare_cores)
        return self.threads

    def _measure(self, spare_cores: Callable[[], float]) -> None:
        """One thread is being timed."""
        if len(self._times) < BASE_STEPS or sum(self._times) < BASE_SECONDS:
            return
        self._best = (1, median(self._times))
        if self._best[1] < LONG_STEP:
            self.settled = True
            self.words.append(f"threads 1: a step takes {self._best[1] * 1e3:.2g} ms, too short to share")
            return
        self._try_more(spare_cores)

    def _try_more(self, spare_cores: Callable[[], float]) -> None:
        """Start a trial of twice as many threads, if as many cores stand idle."""
        more = min(self.cores, self._best[0] * 2)
        # Our current threads are busy anyway; only the cores beyond them must be idle.
        if more == self._best[0] or spare_cores() < 0.8 * (more - 1):
            self._keep_best()
            return
        self._go(more, self._trial)

    def _trial(self, spare_cores: Callable[[], float]) -> None:
        """More threads are being timed."""
        if self._times[-1] > ABORT_RATIO * self._best[1]:
            self._keep_best()
            return
        if len(self._times) < TRIAL_STEPS:
            return
        now = median(self._times)
        if now > KEEP_RATIO * self._best[1]:
            self._keep_best()
            return
        self._best = (self.threads, now)
        self._try_more(spare_cores)

    def _keep_best(self) -> None:
        threads, seconds = self._best
        self.words.append(f"threads {threads}: {seconds * 1e3:.3g} ms a step, the best of those tried")
        self._go(threads, self._watch if threads > 1 else self._wait)

    def _watch(self, _spare_cores: Callable[[], float]) -> None:
        """More threads are in use: is that still good?"""
        del self._times[:-WATCH_STEPS]
        if len(self._times) < WATCH_STEPS or median(self._times) <= FALL_RATIO * self._best[1]:
            return
        self.words.append("threads 1: the steps had become slower, somebody else needs the cores")
        self._go(1, self._wait)

    def _wait(self, spare_cores: Callable[[], float]) -> None:
        """One thread for some time, then everything again."""
        if sum(self._times) < self._rest:
            return
        self._rest = min(LONGEST_REST, 2 * self._rest)
        spare_cores()
        self._go(1, self._measure)

    def _go(self, threads: int, judge: Callable[[Callable[[], float]], None]) -> None:
        self.threads, self._judge, self._times = threads, judge, []


class SpareCores:
    """Counts the cores that nobody used since the last call."""

    def __init__(self, cores: int) -> None:
        self.cores = cores
        self._process = psutil.Process()
        self._last = self._read()

    def __call__(self) -> float:
        """Idle cores, our own first one not counted; an average since the last call."""
        before, self._last = self._last, self._read()
        wall, busy, own = (now - then for now, then in zip(self._last, before, strict=True))
        return spare(self.cores, psutil.cpu_count() or self.cores, wall, max(0.0, busy - own))

    def _read(self) -> tuple[float, float, float]:
        machine = psutil.cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        own = self._process.cpu_times()
        return time.monotonic(), sum(machine) - idle, own.user + own.system


def spare(cores: int, all_cores: int, wall: float, others: float) -> float:
    """Cores beyond our first that nobody used.

    Args:
        cores: Cores that this process may use.
        all_cores: Cores of the machine.
        wall: Seconds that were watched.
        others: CPU seconds that other processes used in that time.
    """
    if wall <= 0:
        return 0.0
    return max(0.0, min(cores, all_cores - others / wall) - 1)
