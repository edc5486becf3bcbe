"""Optimizers: what the step needs of them, which there are, and whether torch's fused kernels work here."""

# torch has no public name for its list and fused kernels.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from trainwell.training.muon import Muon
from trainwell.training.schedule_free import ScheduleFree
from trainwell.training.updates import BETA1, BETA2, EPSILON, MOMENTUM, SGD, AdamW

if TYPE_CHECKING:
    from torch import Tensor, nn


class Optimizer(Protocol):
    """What the step needs of an optimizer.

    Attributes:
        names: Of all parameters, those that learn at present first.
        parameters: Those that learn at present; they fix the order of the gradients.
        weights: The same memory, free of autograd.
    """

    names: list[str]
    parameters: list[nn.Parameter]
    weights: list[Tensor]

    def thaw(self, epoch: int) -> None:
        """Let the parameters learn that do so in this epoch (from 1); the others and their state stay as they are."""
        ...

    def step(self, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor, take: Tensor) -> None:
        """Update the weights once.

        Args:
            lr: Learning rate of this step.
            gradients: One for each of `parameters`.
            divisor: () float32, the gradients are divided by it first; None is 1.
            skip: () float32, 1 leaves weights and state as they are, 0 lets the update happen.
            take: () float32, 1 - skip.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """All that a later `load` needs to go on as if nothing had happened. Not copied."""
        ...

    def load(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""
        ...


_KINDS = {"adamw": AdamW, "sgd": SGD, "muon": Muon, "schedule_free": ScheduleFree}


def make(name: str, module: nn.Module, *, weight_decay: float, fused: bool) -> Optimizer:
    """The optimizer of this name (adamw, sgd, muon, schedule_free) for the parameters that need a gradient."""
    return _KINDS[name](module, weight_decay, fused)


def fused_works(device: torch.device) -> bool:
    """Whether torch has the fused kernels for this device; found by running them on one number."""
    number = [torch.zeros(1, device=device) for _ in range(5)]
    step, zero, one = torch.ones((), device=device), torch.zeros((), device=device), torch.ones((), device=device)
    weight, gradient, mean, square, momentum = ([tensor] for tensor in number)
    try:
        torch._fused_adamw_(
            weight, gradient, mean, square, [], [step],
            amsgrad=False, lr=0.0, beta1=BETA1, beta2=BETA2, weight_decay=0.0, eps=EPSILON,
            maximize=False, grad_scale=one, found_inf=zero,
        )  # fmt: skip
        torch._fused_sgd_(
            weight, gradient, momentum,
            weight_decay=0.0, momentum=MOMENTUM, lr=0.0, dampening=0.0, nesterov=False, is_first_step=False,
            maximize=False, grad_scale=one, found_inf=zero,
        )  # fmt: skip
    except (NotImplementedError, RuntimeError):
        return False
    return True
