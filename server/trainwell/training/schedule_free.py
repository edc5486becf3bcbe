"""Schedule-free AdamW (Defazio et al. 2024, arXiv 2405.15682): an average of the weights takes the schedule's place.

Gradients are taken at y, between the fast weights z and their average x: y = (1 - beta) z + beta x. While it trains
the network holds y; x is what is judged and kept. Constants and weighting are those of the authors' code
(`schedulefree` 1.4): beta 0.9, and a step counts in the average by the square of its rate.
"""

# torch has no public name for its list and fused kernels.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainwell.training.updates import BETA2, EPSILON, Base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainwell.training.groups import Group, Learning

BETA = 0.9


class ScheduleFree(Base):
    """AdamW without momentum of its own; `fast` is z, the weights are y."""

    slots = ("fast", "square")

    def __init__(self, module: nn.Module, weight_decay: float, fused: bool) -> None:
        super().__init__(module, weight_decay, fused)
        # Sum of the squared rates so far, of the parameters that began together.
        self.sums = {first: torch.zeros_like(count) for first, count in self.updates.items()}

    def moment(self, slot: str, weight: Tensor, learning: Learning) -> Tensor:  # noqa: ARG002 - as in Base
        """See `Base.moment`."""
        return weight.clone() if slot == "fast" else torch.zeros_like(weight)

    def step(self, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor, take: Tensor) -> None:
        """See `Optimizer.step`. Scalars stay on the device, so that nobody waits for it."""
        self.count(take)
        if divisor is not None:
            torch._foreach_div_(gradients, divisor)
        keep = skip == 0
        # A gradient that is not finite must not get as far as a product; times 0 it would still be NaN.
        gradients = [torch.where(keep, gradient, 0.0) for gradient in gradients]
        shares: dict[int, Tensor] = {}
        for group in self.groups:
            if group.first not in shares:
                total = self.sums[group.first].add_(lr * lr * take)
                shares[group.first] = lr * lr * take / total.clamp_min(1e-30)
            self._move(group, lr * group.factor, gradients[group.part], shares[group.first], take)

    def _move(self, group: Group, lr: float, gradients: list[Tensor], share: Tensor, take: Tensor) -> None:
        """Update one group; `share` is how much of the new average the new fast weights are."""
        part = group.part
        weights, fast, square = self.weights[part], self.moments["fast"][part], self.moments["square"][part]
        fresh = (1 - BETA2) * take
        squares = torch._foreach_mul(gradients, gradients)
        torch._foreach_mul_(squares, fresh)
        torch._foreach_mul_(square, 1 - fresh)
        torch._foreach_add_(square, squares)
        # At least one update, so that a first step that is skipped divides by no zero.
        correction = 1 - BETA2 ** self.updates[group.first].clamp_min(1)
        root = torch._foreach_div(square, correction)
        torch._foreach_sqrt_(root)
        torch._foreach_add_(root, EPSILON)
        torch._foreach_div_(gradients, root)
        if group.weight_decay:
            torch._foreach_add_(gradients, weights, alpha=group.weight_decay)
        torch._foreach_mul_(gradients, lr * take)
        # y moves towards z by the new share of the average, and along the gradient by what is not averaged yet.
        towards = torch._foreach_sub(fast, weights)
        torch._foreach_mul_(towards, share)
        torch._foreach_add_(weights, towards)
        torch._foreach_sub_(fast, gradients)
        torch._foreach_mul_(gradients, 1 - BETA * (1 - share))
        torch._foreach_sub_(weights, gradients)

    def averaged(self) -> list[Tensor]:
        """The averages x, one for each of `names`."""
        return list(torch._foreach_lerp(self._weights, self.moments["fast"], 1 - 1 / BETA))

    def state(self) -> dict[str, Tensor]:
        """See `Optimizer.state`."""
        return super().state() | {f"sum.{first}": total for first, total in self.sums.items()}
