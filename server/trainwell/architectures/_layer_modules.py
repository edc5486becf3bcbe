"""Modules that a stack needs beside PyTorch's own: sequences in and out of layers, shortcuts and branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

POSITION_STD = 0.02


class Transpose(nn.Module):
    """Swaps the two sizes of a row: (B, T, C) to (B, C, T) and back."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.transpose(1, 2)


class GlobalPool(nn.Module):
    """One number a channel. x: (B, C, ...). Returns: (B, C)."""

    def __init__(self, how: Literal["mean", "max"]) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        flat = x.flatten(2)
        return flat.mean(2) if self.how == "mean" else flat.amax(2)


class PositionalEmbedding(nn.Module):
    """A learnt vector for each step, added. x: (B, T, C)."""

    def __init__(self, steps: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(steps, channels))
        nn.init.normal_(self.weight, std=POSITION_STD)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x + self.weight


class Recurrent(nn.Module):
    """A recurrent layer that gives its outputs alone. x: (B, T, C).

    Returns: (B, T, directions * hidden), or with `last` the state behind the last step, (B, directions * hidden).
    """

    def __init__(self, layer: nn.RNNBase, *, last: bool) -> None:
        super().__init__()
        self.layer = layer
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        outputs, state = self.layer(x)
        if not self.last:
            return outputs
        hidden = state[0] if isinstance(self.layer, nn.LSTM) else state
        return torch.cat([hidden[-2], hidden[-1]], dim=1) if self.layer.bidirectional else hidden[-1]


class SelfAttention(nn.Module):
    """Each step looks at all steps. x: (B, T, C). Returns: the same shape."""

    def __init__(self, channels: int, heads: int, *, dropout: float, bias: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, heads, dropout=dropout, bias=bias, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.attention(x, x, x, need_weights=False)[0]


class Residual(nn.Module):
    """What comes in is added to what the layers make of it, through a projection where the shapes differ."""

    def __init__(self, body: nn.Sequential, projection: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.projection = projection

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.body(x) + (x if self.projection is None else self.projection(x))


class Branch(nn.Module):
    """Several ways side by side, joined over dimension `along`, or added where it is None."""

    def __init__(self, ways: Sequence[nn.Sequential], along: int | None) -> None:
        super().__init__()
        self.ways = nn.ModuleList(ways)
        self.along = along

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        made = [way(x) for way in self.ways]
        return torch.stack(made).sum(0) if self.along is None else torch.cat(made, dim=self.along)
