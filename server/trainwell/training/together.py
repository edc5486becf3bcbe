"""Small perceptrons of one shape, trained together in one stacked computation.

Each has a rate, a decay, a dropout and first weights of its own, and learns what it would have learnt alone; the
batches are the same for all. One product of (M, B, F) by (M, F, H) costs much less than M products on their own, and
so does one AdamW over all.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from trainwell.architectures._members import side_by_side
from trainwell.architectures._stack import Stack
from trainwell.training.batches import Batches, Rows, choose_batch_size
from trainwell.training.groups import learnings
from trainwell.training.losses import make_task
from trainwell.training.preparing import make_schedule, make_setup
from trainwell.training.seeding import derive
from trainwell.training.updates import BETA1, BETA2, EPSILON
from trainwell.training.validation import MOST_ROWS, Best

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainwell.contract.specs import RunSpec, TrainConfig
    from trainwell.training.batches import Arrays
    from trainwell.training.losses import Task


@dataclass(frozen=True)
class Member:
    """One of the networks.

    Attributes:
        module: A plain stack of linear layers, batch norm, dropout and activations, with its first weights.
        lr: Its peak rate.
        weight_decay: Of its matrices.
    """

    module: Stack
    lr: float
    weight_decay: float


def fits(module: nn.Module, config: TrainConfig) -> bool:
    """Whether a network under this config could be one of several that are trained together."""
    plain = (nn.Linear, nn.BatchNorm1d, nn.Dropout)
    return (
        type(module) is Stack
        and all(isinstance(layer, plain) or not list(layer.parameters()) for layer in list(module.children()))
        and (config.optimizer, config.class_weights, config.accumulate) == ("adamw", "none", 1)
        and not (config.augment or config.ema or config.swa)
    )


def train_together(
    spec: RunSpec,
    members: Sequence[Member],
    train: Arrays,
    validation: Arrays,
    should_stop: Callable[[], object] = lambda: None,
) -> list[Best]:
    """Train all members for the epochs of the spec's config.

    Args:
        spec: The run that they are trials of; all of its config holds but lr and weight_decay.
        members: For which `fits` holds, of one shape; their weights stay as they are.
        train: Training rows on the host.
        validation: Validation rows on the host.
        should_stop: Asked after each epoch; anything true ends it.

    Returns: The best epoch of each, as `fit` would choose it. A member whose loss was never finite has no score.
    """
    config = spec.config
    batch_size, _ = choose_batch_size(len(train.target), config.batch_size, members[0].module)
    setup = make_setup(spec, config, members[0].module, train, batch_size, "fp32")
    task = make_task(spec.data, config, train.target, validation.target, setup.device)
    stacked = _Stacked(members, config).to(setup.device)
    batches, rows = Batches(Rows(train, setup), batch_size, config.seed), Rows(validation, setup)
    rates = make_schedule(config.model_copy(update={"lr": 1.0}), batches.count)
    best = [Best() for _ in members]
    for epoch in range(config.epochs):
        torch.manual_seed(derive(config.seed, "noise", epoch + 1))
        shares = rates.between(epoch * batches.count, (epoch + 1) * batches.count)
        for (*inputs, target), share in zip(batches.epoch(epoch + 1), shares, strict=True):
            stacked.step(inputs, target, task, share)
        for one, metrics in zip(best, _judged(stacked, task, rows), strict=True):
            if math.isfinite(metrics["val_loss"]):
                one.judge(task, metrics, epoch + 1, (epoch + 1) * batches.count, rows.count)
        if should_stop():
            break
    return best


def _judged(stacked: _Stacked, task: Task, rows: Rows) -> list[dict[str, float]]:
    """Validation metrics of each member."""
    stacked.network.eval()
    tallies: list[Tensor] = []
    with torch.no_grad():
        for first in range(0, rows.count, MOST_ROWS):
            *inputs, target = rows.part(first, min(first + MOST_ROWS, rows.count))
            tallies.append(torch.stack([task.tally(each, target) for each in stacked.network(*inputs)]))
    stacked.network.train()
    sums = cast("list[list[list[float]]]", torch.stack(tallies).transpose(0, 1).tolist())
    return [task.metrics(each, rows.count) for each in sums]


class _Stacked(nn.Module):
    """All members as one network, and AdamW with a rate and a decay for each."""

    rate: Tensor
    decay: Tensor

    def __init__(self, members: Sequence[Member], config: TrainConfig) -> None:
        super().__init__()
        layers = [OrderedDict(member.module.named_children()) for member in members]
        entries = [each.pop("entry") for each in layers]
        self.network = Stack(entries[0], side_by_side(layers)).train()
        self.count, self.clip = len(members), config.grad_clip
        self.register_buffer("rate", torch.tensor([[member.lr] for member in members]))
        self.register_buffer("decay", torch.tensor([[member.weight_decay] for member in members]))
        self.decays = [one.decays for one in learnings(self.network)]
        self.learnt = [one.parameter for one in learnings(self.network)]
        self.steps = 0
        for number, parameter in enumerate(self.learnt):
            for moment in ("mean", "square"):
                self.register_buffer(f"{moment}_{number}", torch.zeros_like(parameter).view(self.count, -1))

    def step(self, inputs: Sequence[Tensor], target: Tensor, task: Task, share: float) -> None:
        """One step of each member, at this share of its rate."""
        output = self.network(*inputs).flatten(0, 1)
        # The mean over members and rows, times the members: the sum of each member's own loss.
        gradients = torch.autograd.grad(task.loss(output, target) * self.count, self.learnt)
        rows = [gradient.reshape(self.count, -1) for gradient in gradients]
        if self.clip:
            norm = torch.stack([row.square().sum(1) for row in rows]).sum(0).sqrt().unsqueeze(1)
            factor = self.clip / norm.clamp_min(self.clip)
            rows = [row * factor for row in rows]
        self._update(rows, self.rate * share)

    @torch.no_grad()
    def _update(self, gradients: Sequence[Tensor], rate: Tensor) -> None:
        """AdamW as in `updates`. gradients: each (M, values); rate: (M, 1)."""
        self.steps += 1
        one, two = 1 - BETA1**self.steps, 1 - BETA2**self.steps
        for number, (parameter, gradient) in enumerate(zip(self.learnt, gradients, strict=True)):
            mean, square = self.get_buffer(f"mean_{number}"), self.get_buffer(f"square_{number}")
            mean.lerp_(gradient, 1 - BETA1)
            square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            change = mean / ((square / two).sqrt_().add_(EPSILON)) * (rate / one)
            weights = parameter.view(self.count, -1)
            if self.decays[number]:
                weights.mul_(1 - rate * self.decay)
            weights.sub_(change)
