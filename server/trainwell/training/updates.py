"""AdamW and SGD: one call of torch's fused kernel for each group of parameters that learn alike.

The kernels take a divisor of the gradients and a flag that skips the whole update, both as tensors. So clipping,
loss scaling and the refusal of a non-finite gradient cost no pass over the weights and no wait for the device.
Calling the kernel ourselves leaves out 27 of the 35 us that `torch.optim.AdamW.step` takes for a small net, and the
import of `torch._dynamo` (2.4 CPU seconds) that the first `torch.optim` object brings along.
"""

# torch has no public name for its list and fused kernels.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainwell.training.groups import grouped, learnings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainwell.training.groups import Group, Learning

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
MOMENTUM = 0.9


class Base:
    """Order of the parameters, their groups, and named state."""

    # The names of the per-parameter state, each a list of tensors.
    slots: tuple[str, ...] = ()
    # Whether hidden matrices are moved in another way than all else.
    by_hidden = False

    def __init__(self, module: nn.Module, weight_decay: float, fused: bool) -> None:
        learning = learnings(module)
        self.names = [one.name for one in learning]
        self._parameters = [one.parameter for one in learning]
        # The same memory, but free of autograd, so that an update in place needs no guard.
        self._weights = [parameter.detach() for parameter in self._parameters]
        self._firsts = [one.first for one in learning]
        self._groups = grouped(learning, weight_decay, by_hidden=self.by_hidden)
        self.fused = fused
        self.moments = {slot: [self.moment(slot, *pair) for pair in zip(self._weights, learning, strict=True)]
                        for slot in self.slots}  # fmt: skip
        device = self._weights[0].device if self._weights else None
        # Parameters that begin later have made fewer updates, and Adam's correction for the start goes by them.
        self.updates = {
            first: torch.zeros((), dtype=torch.float32, device=device) for first in sorted({1, *self._firsts})
        }
        self.thaw(1)

    def moment(self, slot: str, weight: Tensor, learning: Learning) -> Tensor:  # noqa: ARG002 - some want to know
        """The first value of a slot; one without elements is none."""
        return torch.zeros_like(weight)

    def thaw(self, epoch: int) -> None:
        """See `Optimizer.thaw`."""
        active = sum(first <= epoch for first in self._firsts)
        for number, parameter in enumerate(self._parameters):
            if self._firsts[number] > 1:
                parameter.requires_grad_(number < active)
        self.parameters, self.weights = self._parameters[:active], self._weights[:active]
        self.groups = [group for group in self._groups if group.first <= epoch]
        self._counts = [count for first, count in self.updates.items() if first <= epoch]

    def count(self, take: Tensor) -> None:
        """One more update, if it is taken."""
        for count in self._counts:
            count.add_(take)

    def state(self) -> dict[str, Tensor]:
        """Moments by slot and parameter name, and the number of updates made."""
        tensors = {
            f"{slot}.{name}": moment
            for slot, moments in self.moments.items()
            for name, moment in zip(self.names, moments, strict=True)
            if moment.numel()
        }
        counts = {"updates" if first == 1 else f"updates.{first}": count for first, count in self.updates.items()}
        return counts | tensors

    def load(self, state: dict[str, Tensor]) -> None:
        """Copy a state in.

        Raises:
            KeyError: When the state belongs to another network or optimizer.
        """
        for key, tensor in self.state().items():
            tensor.copy_(state[key])


class AdamW(Base):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    slots = ("mean", "square")

    def step(self, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor, take: Tensor) -> None:
        """See `Optimizer.step`."""
        self.count(take)
        if not self.fused and skip.item():
            return
        for group in self.groups:
            self.move(group, lr * group.factor, gradients[group.part], divisor, skip)

    def move(self, group: Group, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor) -> None:
        """Update one group."""
        if not self.fused:
            self._plain(group, lr, gradients, divisor)
            return
        part = group.part
        mean = self.moments["mean"][part]
        torch._fused_adamw_(
            self.weights[part],
            gradients,
            mean,
            self.moments["square"][part],
            [],
            [self.updates[group.first]] * len(mean),
            amsgrad=False,
            lr=lr,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=group.weight_decay,
            eps=EPSILON,
            maximize=False,
            grad_scale=divisor,
            found_inf=skip,
        )

    def _plain(self, group: Group, lr: float, gradients: list[Tensor], divisor: Tensor | None) -> None:
        """The same from list operations. It waits for the device to know how many updates were made."""
        part = group.part
        count = self.updates[group.first].item()
        weights, mean, square = self.weights[part], self.moments["mean"][part], self.moments["square"][part]
        if divisor is not None:
            torch._foreach_div_(gradients, divisor)
        torch._foreach_lerp_(mean, gradients, 1 - BETA1)
        torch._foreach_mul_(square, BETA2)
        torch._foreach_addcmul_(square, gradients, gradients, 1 - BETA2)
        root = torch._foreach_sqrt(square)
        torch._foreach_div_(root, (1 - BETA2**count) ** 0.5)
        torch._foreach_add_(root, EPSILON)
        torch._foreach_mul_(weights, 1 - lr * group.weight_decay)
        torch._foreach_addcdiv_(weights, mean, root, -lr / (1 - BETA1**count))


class SGD(Base):
    """Stochastic gradient descent with momentum 0.9; the decay is part of the gradient, as in torch."""

    slots = ("momentum",)

    def step(self, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor, take: Tensor) -> None:
        """See `Optimizer.step`."""
        self.count(take)
        if not self.fused and skip.item():
            return
        for group in self.groups:
            self._move(group, lr * group.factor, gradients[group.part], divisor, skip)

    def _move(self, group: Group, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor) -> None:
        part = group.part
        if not self.fused:
            self._plain(group, lr, gradients, divisor)
            return
        torch._fused_sgd_(
            self.weights[part],
            gradients,
            self.moments["momentum"][part],
            weight_decay=group.weight_decay,
            momentum=MOMENTUM,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            # The buffers start at zero, so the first step is like the others, also when it is skipped.
            is_first_step=False,
            grad_scale=divisor,
            found_inf=skip,
        )

    def _plain(self, group: Group, lr: float, gradients: list[Tensor], divisor: Tensor | None) -> None:
        weights, momentum = self.weights[group.part], self.moments["momentum"][group.part]
        if divisor is not None:
            torch._foreach_div_(gradients, divisor)
        if group.weight_decay:
            torch._foreach_add_(gradients, weights, alpha=group.weight_decay)
        torch._foreach_mul_(momentum, MOMENTUM)
        torch._foreach_add_(momentum, gradients)
        torch._foreach_add_(weights, momentum, alpha=-lr)
