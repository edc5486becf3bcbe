"""Averages of the weights over the steps or epochs of a run; where there is one, it is what is judged and kept.

| asked | average |
|---|---|
| ema | exponential, after every step, batch norm's statistics with it |
| swa | plain, of the weights at the end of each of the last epochs (Izmailov et al. 2018, arXiv 1803.05407) |
| optimizer schedule_free | the optimizer's own |

The network trains on as if nobody averaged: the average takes its place only while it is judged. Batch norm's running
statistics belong to the weights they were gathered under, so for swa and schedule_free they are gathered again from
training rows, in both cases with dropout off, as the network will be used.
"""

# torch has no public name for its list operations.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from trainwell.training.schedule_free import ScheduleFree

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainwell.contract.specs import TrainConfig
    from trainwell.training.batches import Batches
    from trainwell.training.optimizers import Optimizer
    from trainwell.training.streams import Streamed

# While fewer steps were made than the decay looks back on, it is (1 + n) / (10 + n), so that a short run forgets its
# start (as in TensorFlow's ExponentialMovingAverage).
WARMUP = 10
# Batches that batch norm's statistics are gathered from.
STATISTICS_BATCHES = 50
UPDATES = "updates"


class Average(Protocol):
    """What the loop needs of an average.

    Attributes:
        each_step: Whether `after_step` does anything.
        gathers: Whether batch norm's statistics must be gathered for the averaged weights.
    """

    each_step: bool
    gathers: bool

    def after_step(self) -> None:
        """Take in the weights after an optimizer step."""
        ...

    def after_epoch(self, epoch: int) -> None:
        """Take in the weights after an epoch, from 1."""
        ...

    def values(self) -> dict[str, Tensor]:
        """The averaged tensors by name; empty where there is no average yet."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that `load` needs. Not copied."""
        ...

    def load(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""
        ...


class Ema:
    """Exponential moving average.

    Args:
        live: Weights and buffers by name, the tensors themselves.
        decay: The share of the old average that stays.
    """

    each_step = True
    gathers = False

    def __init__(self, live: dict[str, Tensor], decay: float) -> None:
        self.names = [name for name, tensor in live.items() if tensor.is_floating_point()]
        self.live = [live[name] for name in self.names]
        self.average = [tensor.clone() for tensor in self.live]
        self.decay = decay
        self.updates = 0

    def after_step(self) -> None:
        """See `Average`."""
        decay = min(self.decay, (1 + self.updates) / (WARMUP + self.updates))
        torch._foreach_lerp_(self.average, self.live, 1 - decay)
        self.updates += 1

    def after_epoch(self, epoch: int) -> None:
        """See `Average`."""

    def values(self) -> dict[str, Tensor]:
        """See `Average`."""
        return dict(zip(self.names, self.average, strict=True)) if self.updates else {}

    def state(self) -> dict[str, Tensor]:
        """See `Average`."""
        return self.values() | {UPDATES: torch.tensor(self.updates)}

    def load(self, state: dict[str, Tensor]) -> None:
        """See `Average`."""
        self.updates = int(state[UPDATES])
        for name, tensor in self.values().items():
            tensor.copy_(state[name])


class Swa(Ema):
    """Plain average over the last epochs.

    Args:
        live: As in `Ema`.
        first: The first epoch whose weights are averaged, from 1.
    """

    each_step = False
    gathers = True

    def __init__(self, live: dict[str, Tensor], first: int) -> None:
        super().__init__(live, 0.0)
        self.first = first

    def after_epoch(self, epoch: int) -> None:
        """See `Average`."""
        if epoch >= self.first:
            self.updates += 1
            torch._foreach_lerp_(self.average, self.live, 1 / self.updates)


class OfOptimizer:
    """The average that schedule-free AdamW keeps by itself."""

    each_step = False
    gathers = True

    def __init__(self, optimizer: ScheduleFree) -> None:
        self.optimizer = optimizer

    def after_step(self) -> None:
        """See `Average`."""

    def after_epoch(self, epoch: int) -> None:
        """See `Average`."""

    def values(self) -> dict[str, Tensor]:
        """See `Average`."""
        return dict(zip(self.optimizer.names, self.optimizer.averaged(), strict=True))

    def state(self) -> dict[str, Tensor]:
        """See `Average`."""
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        """See `Average`."""


def averaged_epochs(config: TrainConfig) -> int:
    """The last epochs that swa averages; 0 where it does not."""
    if not config.swa or config.optimizer == "schedule_free":
        return 0
    return max(1, math.floor(config.swa * config.epochs + 0.5))


def make(config: TrainConfig, module: nn.Module, optimizer: Optimizer) -> Average | None:
    """The average that a config asks for, or None."""
    live = cast("dict[str, Tensor]", module.state_dict())
    if isinstance(optimizer, ScheduleFree):
        return OfOptimizer(optimizer)
    if config.swa:
        return Swa(live, config.epochs - averaged_epochs(config) + 1)
    return Ema(live, config.ema) if config.ema else None


def told(config: TrainConfig) -> list[str]:
    """What follows for the averages that a config asks for, in sentences."""
    if config.optimizer == "schedule_free":
        asked = [name for name, value in (("ema", config.ema), ("swa", config.swa)) if value]
        return [f"{name} off: schedule_free averages by itself" for name in asked]
    if not config.swa:
        return []
    last = averaged_epochs(config)
    words = [f"swa: the weights of the last {last} epochs are averaged; the rate stays what it was before them"]
    return words + (["ema off: swa is the other average that was asked for"] if config.ema else [])


def gather_statistics(module: nn.Module, batches: Batches | Streamed) -> None:
    """Set batch norm's running statistics to those of the weights at hand. Leaves the module in evaluation mode."""
    norms = [layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    module.eval()
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for *inputs, _ in islice(batches.epoch(0), STATISTICS_BATCHES):
            module(*inputs)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    module.eval()
