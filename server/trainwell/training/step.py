"""One optimizer step, without a single wait for the device.

Loss and gradient norm stay on the device. The norm decides there, as a tensor, by how much the gradients are divided
(clipping, loss scale) and whether the update happens at all: a gradient that is not finite never touches a weight.
"""

# torch has no public name for its list and fused kernels.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainwell.training.device import is_out_of_memory, release_memory
from trainwell.training.seeding import random_state, restore_random_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from trainwell.training.device import Setup
    from trainwell.training.losses import Task
    from trainwell.training.optimizers import Optimizer

# The loss scale of fp16: as in torch's GradScaler.
SCALE_START, SCALE_GROWTH, SCALE_BACKOFF, SCALE_INTERVAL = 2.0**16, 2.0, 0.5, 2000

# How often the micro-batch is halved, in one attempt, when memory runs out.
MAX_HALVINGS = 6


class Stepper:
    """Makes optimizer steps.

    Args:
        module: In training mode, on the setup's device.
        task: Gives the loss.
        optimizer: Over the module's parameters.
        setup: Device decisions.
        clip: Largest gradient norm; 0 is off.
        parts: Micro-batches that a batch is cut into; their gradients add up to that of the whole batch.
        forward: What takes the module's place in the forward pass, a compiled one say.
    """

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        optimizer: Optimizer,
        setup: Setup,
        *,
        clip: float,
        parts: int,
        forward: Callable[..., Tensor] | None = None,
    ) -> None:
        self.module = module
        self.forward = forward or module
        self.task = task
        self.optimizer = optimizer
        self.parts = parts
        self.clip = clip
        # Without a listener nothing is halved: who measures how much fits must hear of it.
        self.on_halved: Callable[[], None] | None = None
        self._halvings = 0
        self._draws = _draws(module)
        self._device = device = setup.device
        self.autocast = None if setup.autocast is None else torch.autocast(device.type, setup.autocast)
        self.scale = torch.full((), SCALE_START if setup.scaler else 1.0, device=device)
        self.growth = torch.zeros((), dtype=torch.int32, device=device) if setup.scaler else None
        self._difference, self._skip, self._take, self._divisor = torch.zeros(4, device=device).unbind()
        self._divides = bool(clip) or setup.scaler
        # Of the last step, by parameter, before clipping; times the loss scale.
        self.gradient_norms = torch.zeros(0, device=device)
        # On a CPU the host may look at a number for 0.1 us, and no division saves the kernel a pass over memory.
        self._reads_free = device.type == "cpu" and not setup.scaler

    def __call__(self, inputs: Sequence[Tensor], target: Tensor, lr: float) -> tuple[Tensor, Tensor]:
        """Update the weights once.

        Args:
            inputs: Each (B, ...), on the device.
            target: (B, ...), on the device; (B, K) shares of the classes where rows were mixed.
            lr: Learning rate of this step.

        Returns:
            The loss () and the gradient norm before clipping (), both on the device, not yet known to the host.
            A norm that is not finite says that the update was skipped.
        """
        parameters = self.optimizer.parameters
        for parameter in parameters:
            parameter.grad = None
        loss = self._backward_in_memory(inputs, target)
        # A parameter that took no part in the loss has no gradient.
        gradients = [
            torch.zeros_like(parameter) if (gradient := parameter.grad) is None else gradient
            for parameter in parameters
        ]
        self.gradient_norms = norms(gradients)
        norm = together(self.gradient_norms)
        # x - x is 0 for a finite number and NaN for any other; NaN is the one value that differs from itself.
        torch.sub(norm, norm, out=self._difference)
        torch.ne(self._difference, self._difference, out=self._skip)
        torch.eq(self._difference, self._difference, out=self._take)
        self.optimizer.step(lr, gradients, self._division(norm), self._skip, self._take)
        if self.growth is None:
            return loss, norm
        norm = norm / self.scale
        torch._amp_update_scale_(self.scale, self.growth, self._skip, SCALE_GROWTH, SCALE_BACKOFF, SCALE_INTERVAL)
        return loss, norm

    def probed(self, inputs: Sequence[Tensor], target: Tensor, lr: float) -> tuple[Tensor, Tensor, Tensor]:
        """The same step, and how far it moved the weights: ||change|| / ||weights||, as a device tensor."""
        weights = self.optimizer.weights
        before = [weight.clone() for weight in weights]
        loss, norm = self(inputs, target, lr)
        size = _norm(before)
        torch._foreach_sub_(before, weights)
        return loss, norm, _norm(before) / size

    def state(self) -> dict[str, Tensor]:
        """Optimizer and loss scale, for a checkpoint. Not copied."""
        state = {f"optimizer.{name}": tensor for name, tensor in self.optimizer.state().items()}
        if self.growth is not None:
            state |= {"scaler.scale": self.scale, "scaler.growth": self.growth}
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave.

        Raises:
            KeyError: When the state belongs to another network, optimizer or precision.
        """
        prefix = "optimizer."
        self.optimizer.load({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})
        if self.growth is not None:
            self.scale.copy_(state["scaler.scale"])
            self.growth.copy_(state["scaler.growth"])

    def _division(self, norm: Tensor) -> Tensor | None:
        """What the gradients must be divided by: max(norm / clip, loss scale)."""
        if not self._divides:
            return None
        if not self.clip:
            return self.scale
        if self._reads_free and norm.item() <= self.clip:
            return None
        torch.mul(norm, 1 / self.clip, out=self._divisor)
        return torch.maximum(self._divisor, self.scale, out=self._divisor)

    def _backward_in_memory(self, inputs: Sequence[Tensor], target: Tensor) -> Tensor:
        """The gradients of these rows; where memory runs out, again in smaller parts, from the same random state.

        Raises:
            RuntimeError: Memory ran out, and smaller parts would not help or were tried often enough.
        """
        state = random_state(self._device) if self._draws else None
        before = self.parts
        while True:
            try:
                loss = self._backward(inputs, target)
                break
            except (RuntimeError, MemoryError) as error:
                # Out of memory is a RuntimeError, too.
                if not is_out_of_memory(error) or not self._halve(len(target)):
                    raise
            # Behind the handler: while the error lived, its frames held the memory.
            for parameter in self.optimizer.parameters:
                parameter.grad = None
            release_memory(self._device)
            if state is not None:
                restore_random_state(state, self._device)
        if self.parts != before and self.on_halved is not None:
            self.on_halved()
        return loss

    def _halve(self, rows: int) -> bool:
        """Cut batches into twice as many parts, if that makes the parts of this one smaller."""
        most = max(1, rows // 2)
        if (
            self.on_halved is None
            or self._halvings == MAX_HALVINGS
            or min(2 * self.parts, most) == min(self.parts, most)
        ):
            return False
        self.parts, self._halvings = 2 * self.parts, self._halvings + 1
        return True

    def _backward(self, inputs: Sequence[Tensor], target: Tensor) -> Tensor:
        # Micro-batches of one row would stop batch norm.
        parts = min(self.parts, max(1, len(target) // 2)) if self.parts > 1 else 1
        if parts > 1:
            return self._accumulate(inputs, target, parts)
        loss = self.loss(inputs, target)
        self._scaled(loss).backward()
        return loss.detach()

    def loss(self, inputs: Sequence[Tensor], target: Tensor) -> Tensor:
        """The forward pass: the mean loss of a batch, in the setup's precision."""
        if self.autocast is None:
            return self.task.loss(self.forward(*inputs), target)
        with self.autocast:
            return self.task.loss(self.forward(*inputs), target)

    def _accumulate(self, inputs: Sequence[Tensor], target: Tensor, parts: int) -> Tensor:
        """The mean over all rows, from sums over their parts: exact also when the parts differ in size."""
        total = torch.zeros((), device=target.device)
        columns = [column.tensor_split(parts) for column in (*inputs, target)]
        for *some, goal in zip(*columns, strict=True):
            if self.autocast is None:
                loss = self.task.loss_sum(self.forward(*some), goal) / len(target)
            else:
                with self.autocast:
                    loss = self.task.loss_sum(self.forward(*some), goal) / len(target)
            self._scaled(loss).backward()
            total += loss.detach()
        return total

    def _scaled(self, loss: Tensor) -> Tensor:
        # backward(gradient) would do the same for nothing, but its first call imports sympy (0.5 s).
        return loss if self.growth is None else loss * self.scale


def _draws(module: nn.Module) -> bool:
    """Whether a forward pass draws random numbers, as far as its layers tell."""
    return any(
        "drop" in type(layer).__name__.lower() or bool(getattr(layer, "dropout", 0)) for layer in module.modules()
    )


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """The norm of each: (n,)."""
    return torch.stack(torch._foreach_norm(tensors))  # pyright: ignore[reportUnknownVariableType, reportArgumentType]


def together(sizes: Tensor) -> Tensor:
    """The norm of all, from the norm of each: ()."""
    return torch.linalg.vector_norm(sizes)  # pyright: ignore[reportUnknownVariableType]


def _norm(tensors: list[Tensor]) -> Tensor:
    return together(norms(tensors))
