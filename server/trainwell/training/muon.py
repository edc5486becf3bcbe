"""Muon (Keller Jordan 2024, kellerjordan.github.io/posts/muon): hidden matrices move by orthogonalised momentum.

Embeddings, the head, biases and norms move by AdamW, as its author has it. The constants are those of torch.optim.Muon
with `match_rms_adamw` (Liu et al. 2025, arXiv 2502.16982): an update has the size of one of AdamW's, so that one
learning rate serves both. A convolution's kernel counts as a matrix (out channels, all else).
"""

# torch has no public name for its list and fused kernels.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from trainwell.training.updates import AdamW

if TYPE_CHECKING:
    from torch import Tensor

    from trainwell.training.groups import Group, Learning

MOMENTUM = 0.95
# The polynomial of the Newton-Schulz iteration, how often it is applied, and the smallest norm.
COEFFICIENTS, ITERATIONS, SMALLEST = (3.4445, -4.7750, 2.0315), 5, 1e-7
# Size of an entry of AdamW's update, as a share of the rate.
ADAMW_SIZE = 0.2
# What each kind of device multiplies fast in.
_DTYPES = {"cuda": torch.bfloat16}


class Muon(AdamW):
    """Hidden matrices by orthogonalised momentum (kept in `mean`), all else by AdamW."""

    by_hidden = True

    def moment(self, slot: str, weight: Tensor, learning: Learning) -> Tensor:
        """See `Base.moment`."""
        return weight.new_zeros(0) if slot == "square" and learning.hidden else torch.zeros_like(weight)

    def move(self, group: Group, lr: float, gradients: list[Tensor], divisor: Tensor | None, skip: Tensor) -> None:
        """See `AdamW.move`."""
        if not group.hidden:
            super().move(group, lr, gradients, divisor, skip)
            return
        if divisor is not None:
            torch._foreach_div_(gradients, divisor)
        keep = skip == 0
        take = 1 - skip
        for weight, momentum, gradient in zip(
            self.weights[group.part], self.moments["mean"][group.part], gradients, strict=True
        ):
            # A gradient that is not finite must not get as far as a product.
            finite = torch.where(keep, gradient, 0.0)
            momentum.lerp_(finite, (1 - MOMENTUM) * take)
            update = orthogonal(finite.lerp(momentum, MOMENTUM).flatten(1))
            size = ADAMW_SIZE * math.sqrt(max(update.shape))
            weight.mul_(1 - lr * group.weight_decay * take)
            weight.sub_(update.view_as(weight) * (lr * size * take))


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix (R, C) with its singular values moved near 1 by Newton-Schulz steps, in the device's fast precision."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    wide: Tensor = (matrix.T if tall else matrix).to(_DTYPES.get(matrix.device.type, torch.float32))
    found = wide * (wide * wide).sum().sqrt().clamp_min(SMALLEST).reciprocal()
    for _ in range(ITERATIONS):
        gram: Tensor = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return (found.T if tall else found).to(matrix.dtype)
