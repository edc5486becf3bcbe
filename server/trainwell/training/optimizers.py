"""Optimizers: one call of torch's fused kernel for the decayed and one for the undecayed parameters.

The kernels take a divisor of the gradients and a flag that skips the whole update, both as tensors. So clipping,
loss scaling and the refusal of a non-finite gradient cost no pass over the weights and no wait for the device.
Calling the kernel ourselves leaves out 27 of the 35 us that `torch.optim.AdamW.step` takes for a small net, and the
import of `torch._dynamo` (2.4 CPU seconds) that the first `torch.optim` object brings along.
"""

# torch has no public name for its list and fused kernels.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
MOMENTUM = 0.9


class Optimizer(Protocol):
    """What the step needs of an optimizer. `parameters` fixes the order of the gradients."""

    parameters: list[nn.Parameter]
    weights: list[Tensor]

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


class _Base:
    """Order of the parameters (decayed ones first) and named state."""

    # The names of the per-parameter state, each a list of tensors.
    slots: tuple[str, ...] = ()

    def __init__(self, module: nn.Module, weight_decay: float, fused: bool) -> None:
        named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
        # Matrices are decayed; biases and the scales of norms are vectors and are not.
        named.sort(key=lambda item: item[1].ndim < 2)
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        # The same memory, but free of autograd, so that an update in place needs no guard.
        self.weights = [parameter.detach() for parameter in self.parameters]
        self.fused = fused
        decayed = sum(parameter.ndim >= 2 for parameter in self.parameters)
        parts = [(slice(0, decayed), weight_decay), (slice(decayed, None), 0.0)]
        self.groups = [(part, decay) for part, decay in parts if self.parameters[part]]
        self.moments = {slot: [torch.zeros_like(weight) for weight in self.weights] for slot in self.slots}
        device = self.weights[0].device if self.weights else None
        self.updates = torch.zeros((), dtype=torch.float32, device=device)

    def state(self) -> dict[str, Tensor]:
        """Moments by slot and parameter name, and the number of updates made."""
        tensors = {
            f"{slot}.{name}": moment
            for slot, moments in self.moments.items()
            for name, moment in zip(self.names, moments, strict=True)
        }
        return {"updates": self.updates, **tensors}

    def load(self, state: dict[str, Tensor]) -> None:
        """Copy a state in.

        Raises:
            KeyError: When the state belongs to another network or optimizer.
        """
        for key, tensor in self.state().items():
            tensor.copy_(state[key])


class AdamW(_Base):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    slots = ("mean", "square")

    def step(self, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor, take: Tensor) -> None:
        """See `Optimizer.step`."""
        if not self.fused:
            self._plain(lr, gradients, divisor, skip)
            return
        self.updates.add_(take)
        mean, square = self.moments["mean"], self.moments["square"]
        for part, decay in self.groups:
            torch._fused_adamw_(
                self.weights[part],
                gradients[part],
                mean[part],
                square[part],
                [],
                [self.updates] * len(mean[part]),
                amsgrad=False,
                lr=lr,
                beta1=BETA1,
                beta2=BETA2,
                weight_decay=decay,
                eps=EPSILON,
                maximize=False,
                grad_scale=divisor,
                found_inf=skip,
            )

    def _plain(self, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor) -> None:
        """The same from list operations. It waits for the device, once, to know whether to skip."""
        if skip.item():
            return
        self.updates.add_(1)
        count = self.updates.item()
        mean, square = self.moments["mean"], self.moments["square"]
        if divisor is not None:
            torch._foreach_div_(gradients, divisor)
        torch._foreach_lerp_(mean, gradients, 1 - BETA1)
        torch._foreach_mul_(square, BETA2)
        torch._foreach_addcmul_(square, gradients, gradients, 1 - BETA2)
        root = torch._foreach_sqrt(square)
        torch._foreach_div_(root, (1 - BETA2**count) ** 0.5)
        torch._foreach_add_(root, EPSILON)
        for part, decay in self.groups:
            torch._foreach_mul_(self.weights[part], 1 - lr * decay)
        torch._foreach_addcdiv_(self.weights, mean, root, -lr / (1 - BETA1**count))


class SGD(_Base):
    """Stochastic gradient descent with momentum 0.9; the decay is part of the gradient, as in torch."""

    slots = ("momentum",)

    def step(self, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor, take: Tensor) -> None:
        """See `Optimizer.step`."""
        if not self.fused:
            self._plain(lr, gradients, divisor, skip)
            return
        self.updates.add_(take)
        momentum = self.moments["momentum"]
        for part, decay in self.groups:
            torch._fused_sgd_(
                self.weights[part],
                gradients[part],
                momentum[part],
                weight_decay=decay,
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

    def _plain(self, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor) -> None:
        if skip.item():
            return
        self.updates.add_(1)
        momentum = self.moments["momentum"]
        if divisor is not None:
            torch._foreach_div_(gradients, divisor)
        for part, decay in self.groups:
            torch._foreach_add_(gradients[part], self.weights[part], alpha=decay)
        torch._foreach_mul_(momentum, MOMENTUM)
        torch._foreach_add_(momentum, gradients)
        torch._foreach_add_(self.weights, momentum, alpha=-lr)


def make(name: str, module: nn.Module, *, weight_decay: float, fused: bool) -> Optimizer:
    """The optimizer of this name (adamw or sgd) for the parameters of a module that need a gradient."""
    kinds = {"adamw": AdamW, "sgd": SGD}
    return kinds[name](module, weight_decay, fused)


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
