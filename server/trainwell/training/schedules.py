"""Learning rate schedules: the rate of every step is a pure function of the step, so resuming needs no object.

| name | behind the warm-up |
|---|---|
| onecycle | falls along a half cosine to almost nothing (Smith 2018; form and constants of torch's OneCycleLR) |
| cosine | the same, behind a straight and shorter warm-up (Loshchilov and Hutter 2017, arXiv 1608.03983) |
| cosine_restarts | cosines, each twice as long as the one before (SGDR, same paper) |
| linear | falls along a straight line to zero |
| step | times a tenth after half, and again after three quarters of the steps (He et al. 2015, arXiv 1512.03385) |
| plateau | constant, times a factor that falls when the validation loss has stopped falling |
| constant | stays |
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# onecycle starts at peak/25 and ends at peak/250,000.
START_DIVISOR = 25.0
END_DIVISOR = 1e4
DEFAULT_WARMUP = 0.05
ONECYCLE_WARMUP = 0.3
# cosine_restarts: the cycles' lengths are 1, 2 and 4 parts of all steps, so that the last one ends with the run.
CYCLES, CYCLE_GROWTH = 3, 2
# step: at these shares of all steps the rate is multiplied by this.
DROPS, DROP_FACTOR = (0.5, 0.75), 0.1
# Schedules that are low at their end, where most of the gain comes.
FALLING = frozenset({"onecycle", "cosine", "cosine_restarts", "linear", "step"})
# plateau: this many epochs without a lower validation loss, then the rate times this, never below this share.
PLATEAU_PATIENCE = 5
PLATEAU_FACTOR = 0.3
PLATEAU_FLOOR = 1e-3
# A loss counts as lower only when it is lower by this share.
PLATEAU_MARGIN = 1e-4


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a function of the step.

    Args:
        name: One of the table above.
        peak: The highest rate.
        total_steps: Optimizer steps in the whole run.
        warmup: Share of all steps in which the rate rises, in [0, 0.9]; None takes the schedule's own.
        held_from: The step from which on the rate stays what it was then, for averages over the end of a run.
    """

    name: str
    peak: float
    total_steps: int
    warmup: float | None = None
    held_from: int | None = None

    @property
    def warmup_share(self) -> float:
        """The share of steps that the rate rises, after defaults."""
        if self.warmup is not None:
            return self.warmup
        return ONECYCLE_WARMUP if self.name == "onecycle" else DEFAULT_WARMUP

    @property
    def rising(self) -> float:
        """Steps in which the rate rises."""
        return self.warmup_share * self.total_steps

    def between(self, first: int, last: int) -> list[float]:
        """The rates of steps first, first + 1, ... last - 1."""
        steps = np.arange(first, last, dtype=np.float64)
        if self.held_from is not None:
            steps = np.minimum(steps, self.held_from)
        if self.name == "onecycle":
            return (self.peak * self._onecycle(steps)).tolist()
        # The first step already moves, and the first step after the warm-up is at the peak.
        ramp = np.minimum(1.0, (steps + 1) / (self.rising + 1))
        return (self.peak * ramp * self._behind(steps)).tolist()

    def _behind(self, steps: np.ndarray) -> np.ndarray:
        """Shares of the peak behind the warm-up, in (0, 1]."""
        done = np.clip((steps - self.rising) / max(1.0, self.total_steps - self.rising), 0.0, 1.0)
        if self.name == "linear":
            return 1 - done
        if self.name == "cosine":
            return (1 + np.cos(np.pi * done)) / 2
        if self.name == "cosine_restarts":
            return (1 + np.cos(np.pi * _within_cycle(done))) / 2
        if self.name == "step":
            return DROP_FACTOR ** np.sum([steps >= share * self.total_steps for share in DROPS], axis=0)
        return np.ones_like(steps)

    def _onecycle(self, steps: np.ndarray) -> np.ndarray:
        top = self.rising - 1
        low = 1 / START_DIVISOR
        end = low / END_DIVISOR
        rise = np.clip((steps / top) if top > 0 else np.ones_like(steps), 0.0, 1.0)
        fall = np.clip((steps - top) / max(1.0, self.total_steps - 1 - top), 0.0, 1.0)
        up = low + (1 - low) * (1 - np.cos(np.pi * rise)) / 2
        down = end + (1 - end) * (1 + np.cos(np.pi * fall)) / 2
        return np.where(steps < top, up, down)


def _within_cycle(done: np.ndarray) -> np.ndarray:
    """Share done of the cycle at hand, from the share done of all."""
    lengths = CYCLE_GROWTH ** np.arange(CYCLES, dtype=np.float64)
    ends = np.cumsum(lengths) / lengths.sum()
    cycle = np.minimum(np.searchsorted(ends, done, side="right"), CYCLES - 1)
    starts = np.concatenate([[0.0], ends[:-1]])
    return (done - starts[cycle]) / (ends - starts)[cycle]


@dataclass
class Plateau:
    """Lowers the rate by a factor when the validation loss has stopped falling."""

    factor: float = 1.0
    best: float | None = None
    waited: int = 0

    def judge(self, val_loss: float) -> bool:
        """Take in one epoch's loss; True when the rate was lowered."""
        if self.best is None or val_loss < self.best * (1 - PLATEAU_MARGIN):
            self.best, self.waited = val_loss, 0
            return False
        self.waited += 1
        if self.waited < PLATEAU_PATIENCE or self.factor <= PLATEAU_FLOOR:
            return False
        self.factor, self.waited = max(PLATEAU_FLOOR, self.factor * PLATEAU_FACTOR), 0
        return True
