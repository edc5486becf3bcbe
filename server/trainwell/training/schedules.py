"""Learning rate schedules: the rate of every step is a pure function of the step, so resuming needs no object.

onecycle (Smith 2018, with the cosine form and the constants of torch's OneCycleLR), cosine, constant, and plateau,
which is constant times a factor that falls when the validation loss does.
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
        name: onecycle, cosine, plateau or constant.
        peak: The highest rate.
        total_steps: Optimizer steps in the whole run.
        warmup: Share of all steps in which the rate rises, in [0, 0.9]; None takes the schedule's own.
    """

    name: str
    peak: float
    total_steps: int
    warmup: float | None = None

    @property
    def warmup_share(self) -> float:
        """The share of steps that the rate rises, after defaults."""
        if self.warmup is not None:
            return self.warmup
        return ONECYCLE_WARMUP if self.name == "onecycle" else DEFAULT_WARMUP

    def between(self, first: int, last: int) -> list[float]:
        """The rates of steps first, first + 1, ... last - 1."""
        steps = np.arange(first, last, dtype=np.float64)
        if self.name == "onecycle":
            return (self.peak * self._onecycle(steps)).tolist()
        rising = self.warmup_share * self.total_steps
        # The first step already moves, and the first step after the warm-up is at the peak.
        ramp = np.minimum(1.0, (steps + 1) / (rising + 1))
        if self.name == "cosine":
            fallen = np.clip((steps - rising) / max(1.0, self.total_steps - rising), 0.0, 1.0)
            return (self.peak * ramp * (1 + np.cos(np.pi * fallen)) / 2).tolist()
        return (self.peak * ramp).tolist()

    def _onecycle(self, steps: np.ndarray) -> np.ndarray:
        top = self.warmup_share * self.total_steps - 1
        low = 1 / START_DIVISOR
        end = low / END_DIVISOR
        rise = np.clip((steps / top) if top > 0 else np.ones_like(steps), 0.0, 1.0)
        fall = np.clip((steps - top) / max(1.0, self.total_steps - 1 - top), 0.0, 1.0)
        up = low + (1 - low) * (1 - np.cos(np.pi * rise)) / 2
        down = end + (1 - end) * (1 + np.cos(np.pi * fall)) / 2
        return np.where(steps < top, up, down)


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
