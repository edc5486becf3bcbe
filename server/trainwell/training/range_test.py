"""The learning rate range test (Smith 2017, arXiv 1506.01186): raise the rate step by step and watch the loss.

The rate rises exponentially over about a hundred steps on the network and rows of the run, the whole ramp up to three
times on different batches. A ramp ends when its smoothed loss has risen far above its lowest.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError
from trainwell.reports.range_test import draw_range_test
from trainwell.training.trial import opened, seconds_of

if TYPE_CHECKING:
    from trainwell.store.workspace import Workspace
    from trainwell.training.trial import Trial

STEPS, FEWEST_STEPS, RAMPS = 100, 30, 3
# The ramp for AdamW; the others' is moved by what their rates usually are to AdamW's.
LOWEST, HIGHEST = 1e-5, 1.0
MOVED = {"adamw": 1.0, "muon": 1.0, "schedule_free": 1.0, "sgd": 10.0}
# Share of the old average in the smoothed loss.
SMOOTHING = 0.9
# The loss has diverged when it is this many times the lowest, or this far above it in units of the whole fall.
DIVERGED_RATIO, DIVERGED_FALLS = 4.0, 1.0
# The suggestion is the rate of the lowest smoothed loss, divided by this.
SAFETY = 10.0
# A loss that falls by less than this share of its start has not been moved.
LEAST_FALL = 0.02
POINTS = 16


@dataclass(frozen=True)
class Ramp:
    """One ramp, as far as it went: rates, and the smoothed loss after each."""

    rates: list[float]
    losses: list[float]
    diverged: bool

    @property
    def lowest(self) -> int:
        """The step of the lowest smoothed loss."""
        return min(range(len(self.losses)), key=self.losses.__getitem__)


def find_lr(workspace: Workspace, arguments: dict[str, Any]) -> dict[str, Any]:
    """Short work: a range test of a run that was not started.

    Args:
        workspace: The workspace.
        arguments: `spec` (see `trial.opened`), `seconds` to spend at most, `picture` (a path or None) and its `title`.

    Returns: JSON: `lr` (None when no rate moved the loss), `lowest_at` and `diverges_at` (rates; None when it never
        did), `ramps`, `steps`, `curve` (rate and smoothed loss), `optimizer`, `batch_size`, `usual_lr`.

    Raises:
        TrainwellError: `too_little_time`.
    """
    began = time.perf_counter()
    with opened(workspace, arguments["spec"]) as trial:
        ramps = _ramps(trial, began + arguments["seconds"], arguments["seconds"])
        config = trial.spec.config
        batch_size = trial.batches.batch_size
    limits = trial.spec.limits.get("lr", (0.0, math.inf))
    found = judge(ramps, limits)
    rates, losses = mean_curve(ramps)
    if arguments.get("picture"):
        draw_range_test(rates, losses, Path(arguments["picture"]), title=arguments["title"], suggested=found["lr"])
    return {
        **found,
        "ramps": len(ramps),
        "steps": sum(len(ramp.rates) for ramp in ramps),
        "curve": _brief(rates, losses),
        "optimizer": config.optimizer,
        "batch_size": batch_size,
        "usual_lr": config.lr,
    }


def judge(ramps: list[Ramp], limits: tuple[float, float] = (0.0, math.inf)) -> dict[str, float | None]:
    """What ramps say: the suggested rate, the rate of the lowest loss, and where it diverges (medians over ramps)."""
    moved = [ramp for ramp in ramps if ramp.losses[ramp.lowest] < (1 - LEAST_FALL) * ramp.losses[0]]
    ends = [ramp.rates[-1] for ramp in ramps if ramp.diverged]
    diverges = median(ends) if ends else None
    if not moved:
        return {"lr": None, "lowest_at": None, "diverges_at": diverges}
    lowest = median(ramp.rates[ramp.lowest] for ramp in moved)
    suggested = min(max(lowest / SAFETY, limits[0]), limits[1])
    return {"lr": float(f"{suggested:.2g}"), "lowest_at": lowest, "diverges_at": diverges}


def mean_curve(ramps: list[Ramp]) -> tuple[list[float], list[float]]:
    """Rates, and the mean smoothed loss of those ramps that got there."""
    longest = max((ramp.rates for ramp in ramps), key=len)
    there = [[ramp.losses[step] for ramp in ramps if step < len(ramp.losses)] for step in range(len(longest))]
    return longest, [sum(losses) / len(losses) for losses in there]


def _ramps(trial: Trial, until: float, seconds: float) -> list[Ramp]:
    """As many ramps as fit into the time, one at least."""
    stepper, batches = trial.stepper(), trial.endless()
    one = min(seconds_of(stepper, next(batches)) for _ in range(3))
    steps = min(STEPS, int((until - time.perf_counter()) / max(one, 1e-9)))
    if steps < FEWEST_STEPS:
        raise TrainwellError(
            "too_little_time", f"A step takes {one:.2g} s, and a range test needs {FEWEST_STEPS} of them.",
            argument="seconds", got=seconds, hint="Give more seconds or a smaller batch_size.",
        )  # fmt: skip
    ramps: list[Ramp] = []
    while len(ramps) < RAMPS:
        start = time.perf_counter()
        ramps.append(_ramp(trial, steps, first_epoch=1 + len(ramps) * steps))
        now = time.perf_counter()
        if now + (now - start) > until:
            break
    return ramps


def _ramp(trial: Trial, steps: int, first_epoch: int) -> Ramp:
    """Raise the rate over so many steps, on a fresh copy of the network."""
    moved = MOVED[trial.spec.config.optimizer]
    growth = (HIGHEST / LOWEST) ** (1 / (steps - 1))
    rates = [moved * LOWEST * growth**step for step in range(steps)]
    stepper, losses = trial.stepper(), list[float]()
    average = weight = 0.0
    for rate, (*inputs, target) in zip(rates, trial.endless(first_epoch), strict=False):
        loss = stepper(inputs, target, rate)[0].item()
        if not math.isfinite(loss):
            return Ramp(rates[: len(losses)], losses, diverged=True) if losses else Ramp([rate], [math.inf], True)
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        losses.append(average / weight)
        if _has_diverged(losses):
            return Ramp(rates[: len(losses)], losses, diverged=True)
    return Ramp(rates, losses, diverged=False)


def _has_diverged(losses: list[float]) -> bool:
    low, now = min(losses), losses[-1]
    return now > DIVERGED_RATIO * low and now > low + DIVERGED_FALLS * (losses[0] - low)


def _brief(rates: list[float], losses: list[float]) -> list[tuple[float, float]]:
    """About sixteen points of a curve, the last one among them, to three digits."""
    every = max(1, -(-len(rates) // POINTS))
    places = sorted({*range(0, len(rates), every), len(rates) - 1})
    return [(float(f"{rates[place]:.3g}"), float(f"{losses[place]:.4g}")) for place in places]
