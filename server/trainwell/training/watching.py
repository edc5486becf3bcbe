"""Steps that are looked at closely: gradients, updates and units, tensor by tensor and layer by layer.

The first eight steps of a run, then one in fifty or fewer. A looked-at step is made by the same calls as any other and
draws no random number, so the losses are the same, bit for bit, with and without. What is measured waits on the device.
"""

# torch has no public name for its list operations.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch

from trainwell.contract.trace import SignalRecord
from trainwell.training.activations import Activations, spread
from trainwell.training.opening import facts_of, facts_of_target, loss_name, opening_of
from trainwell.training.step import norms, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from trainwell.training.fit import FitJob
    from trainwell.training.preparing import Loop
    from trainwell.training.step import Stepper

# The first steps of a run show most, one after the other.
FIRST_STEPS = 8
# Steps between two later looks, at least; and about how many looks a whole run gets, at most.
INTERVAL, MOST_LOOKS = 50, 128
# Looks may take this share of the training time.
COST_SHARE = 0.02


@dataclass(frozen=True)
class Look:
    """One step, not yet read. `values` is one vector: loss, norm, scale, then by tensor, then by layer."""

    step: int
    epoch: int
    lr: float
    names: list[str]
    layers: list[str]
    values: Tensor


@dataclass
class Watcher:
    """Looks at steps and remembers what it saw until the host reads it.

    Attributes:
        stepper: Makes the steps.
        at: The next step to look at, counted over the run.
        interval: Steps between two looks.
        activations: Listens to the units; None where the step is compiled, for a hook would compile it anew.
        facts: What the network showed before its first step, until they are told.
    """

    stepper: Stepper
    at: int
    interval: int
    activations: Activations | None
    facts: dict[str, Any] | None = None
    _no_gradient: list[str] = field(default_factory=list[str])
    _waiting: list[Look] = field(default_factory=list[Look])
    _left_at: tuple[int, float] | None = None

    def look(self, inputs: Sequence[Tensor], target: Tensor, lr: float, *, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Make the step as `Stepper` does and see what it did.

        Returns:
            The loss, the gradient norm, and ||change|| / ||weights|| over all weights, each () on the device.
        """
        began = time.perf_counter()
        stepper, optimizer = self.stepper, self.stepper.optimizer
        before = [weight.clone() for weight in optimizer.weights]
        scale = stepper.scale.clone()
        heard: dict[str, Tensor] = {}
        with nullcontext() if self.activations is None else self.activations.listening(heard):
            loss, norm = stepper(inputs, target, lr)
        sizes = norms(before)
        torch._foreach_sub_(before, optimizer.weights)
        changes = norms(before)
        parts = [torch.stack([loss.float(), norm.float(), scale]), stepper.gradient_norms / scale, sizes, changes]
        names = optimizer.names[: len(before)]
        self._waiting.append(Look(self.at, epoch, lr, names, list(heard), torch.cat([*parts, *heard.values()])))
        if self.facts is not None:
            self._no_gradient = [
                name for name, weight in zip(names, optimizer.parameters, strict=True) if weight.grad is None
            ]
        self._looked(began, time.perf_counter())
        return loss, norm, together(changes) / together(sizes)

    def _looked(self, began: float, ended: float) -> None:
        """Choose the next step, later where looks are dear beside the steps between them (times in s)."""
        if self._left_at is not None and self.at >= FIRST_STEPS:
            step, since = self._left_at
            usual = (began - since) / max(1, self.at - step)
            while ended - began - usual > COST_SHARE * usual * self.interval:
                self.interval *= 2
        self._left_at = (self.at + 1, ended)
        self.at += 1 if self.at + 1 < FIRST_STEPS else self.interval

    def tell(self, job: FitJob) -> None:
        """Hand on what was seen since the last time; the one wait for the device."""
        if not self._waiting:
            return
        looks, self._waiting = self._waiting, []
        values = cast("list[float]", torch.cat([look.values for look in looks]).tolist())
        records: list[SignalRecord] = []
        for look in looks:
            mine, values = values[: look.values.numel()], values[look.values.numel() :]
            records.append(record_of(look, mine, self._matrices(look.names), scaled=self.stepper.growth is not None))
        if self.facts is not None:
            job.on_facts(self.facts | opening_of(records[0], self._no_gradient))
            self.facts = None
        job.on_signals(records)

    def _matrices(self, names: list[str]) -> list[int]:
        """The numbers of the tensors that are told of: matrices, for biases and norms follow them."""
        weights = self.stepper.optimizer.weights
        chosen = [number for number in range(len(names)) if number < len(weights) and weights[number].ndim > 1]
        return spread(chosen or list(range(len(names))))


def watch(loop: Loop) -> Watcher:
    """A watcher that looks at the next step first."""
    interval = max(INTERVAL, math.ceil(loop.total_steps / MOST_LOOKS))
    return Watcher(loop.stepper, loop.step, interval, None if loop.setup.compile else Activations(loop.module))


def next_close(loop: Loop, number: int, probe_at: int) -> int:
    """The first step of this epoch, from `number` on, that is not made as any other; -1 when there is none."""
    looked = [] if loop.watcher is None else [loop.watcher.at - loop.epoch * loop.batches.count]
    return min((at for at in (probe_at, *looked) if at >= number), default=-1)


def step_closely(
    loop: Loop, inputs: Sequence[Tensor], target: Tensor, rate: float, number: int, probe_at: int
) -> tuple[Tensor, Tensor]:
    """Make a step and measure: all that a watcher sees, or only how far the weights moved, once an epoch."""
    watcher, at = loop.watcher, loop.epoch * loop.batches.count + number
    if watcher is None or watcher.at != at:
        loss, norm, loop.update_ratio = loop.stepper.probed(inputs, target, rate)
        return loss, norm
    if at == 0:
        watcher.facts = _meet(loop, inputs, target)
    loss, norm, moved = watcher.look(inputs, target, rate, epoch=loop.epoch + 1)
    if number == probe_at:
        loop.update_ratio = moved
    return loss, norm


def _meet(loop: Loop, inputs: Sequence[Tensor], target: Tensor) -> dict[str, Any] | None:
    """What the network shows before its first step; a network that cannot be asked shows nothing."""
    some = max(1, len(target) // loop.stepper.parts)
    try:
        found = facts_of(loop.module, loss_name(loop.task), [column[:some] for column in inputs])
        return found | facts_of_target(target[:some])
    except Exception as error:  # noqa: BLE001 - a foreign module may raise anything, and will again in its step
        loop.job.log(f"The network was not looked at before its first step ({type(error).__name__}).")
        return None


def record_of(look: Look, values: list[float], chosen: list[int], *, scaled: bool) -> SignalRecord:
    """A look as it is recorded.

    Args:
        look: For its names.
        values: Its vector, read.
        chosen: Numbers of the tensors to tell of.
        scaled: Whether there is a loss scale.
    """
    count = len(look.names)
    loss, norm, scale = values[:3]
    gradients, sizes, changes = (values[3 + part * count : 3 + (part + 1) * count] for part in range(3))
    units = values[3 + 3 * count :]
    layers = {name: units[3 * number : 3 * number + 3] for number, name in enumerate(look.layers)}
    ratios = [change / size if size else math.nan for change, size in zip(changes, sizes, strict=True)]
    return SignalRecord(
        step=look.step,
        epoch=look.epoch,
        loss=loss,
        lr=look.lr,
        grad_norm=norm,
        loss_scale=scale if scaled else None,
        grad_norms={look.names[number]: _short(gradients[number]) for number in chosen},
        update_ratios={look.names[number]: _short(ratios[number]) for number in chosen if sizes[number]},
        weight_norms={look.names[number]: _short(sizes[number]) for number in chosen},
        **{kind: _known(layers, place) for place, kind in enumerate(("dead", "saturated", "scales"))},
    )


def _known(layers: dict[str, list[float]], place: int) -> dict[str, Any]:
    return {name: _short(values[place]) for name, values in layers.items() if not math.isnan(values[place])}


def _short(value: float) -> float:
    return float(f"{value:.5g}")
