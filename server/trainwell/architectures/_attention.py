"""Attention over steps: self-attention and the pre-norm block around it, for every family that is made of them.

Vaswani et al. 2017 (arXiv 1706.03762); the norm before each part: Xiong et al. 2020 (arXiv 2002.04745); rotary
positions: Su et al. 2021 (arXiv 2104.09864). `scaled_dot_product_attention` takes the fastest kernel of the device.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Standard deviation of weights at the start, as in BERT and GPT; the last layer of each branch starts smaller with
# depth, so that the sum of all branches keeps its size.
WEIGHT_STD = 0.02
_ROTARY_BASE = 10_000.0


class SelfAttention(nn.Module):
    """Every step looks at every real step. x: (B, T, width). Returns: the same shape.

    Args:
        width: Channels; a multiple of `heads`.
        heads: Looks at once.
        dropout: Share of the attention weights dropped in training.
        rotary: Whether queries and keys are turned by their position.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0, *, rotary: bool = False) -> None:
        super().__init__()
        self.heads, self.dropout, self.rotary = heads, dropout, rotary
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """See the class. mask: (B, T) bool, True at real steps; None when all are."""
        rows, steps, width = x.shape
        parts = self.project(x).view(rows, steps, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        if self.rotary:
            query, key = _turned(query), _turned(key)
        seen = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if mask is None else mask[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out(seen.transpose(1, 2).reshape(rows, steps, width))


class Block(nn.Module):
    """Attention and two linear layers, each behind a norm and beside a shortcut. x: (B, T, width), kept.

    Args:
        width: Channels.
        heads: Of the attention.
        hidden: Width between the two linear layers.
        dropout: Behind both branches, and on the attention weights.
        depth: Blocks of the whole network, for the size of the weights at the start.
        rotary: See `SelfAttention`.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, dropout: float, *, depth: int = 1, rotary: bool = False
    ) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, dropout, rotary=rotary)
        self.norm_2 = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.activation = nn.GELU()
        self.narrow = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)
        for layer in (self.attention.project, self.attention.out, self.widen, self.narrow):
            last = layer is self.attention.out or layer is self.narrow
            nn.init.trunc_normal_(layer.weight, std=WEIGHT_STD / (2 * depth) ** 0.5 if last else WEIGHT_STD)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """See the class. mask: (B, T) bool, True at real steps; None when all are."""
        x = x + self.drop(self.attention(self.norm_1(x), mask))
        return x + self.drop(self.narrow(self.activation(self.widen(self.norm_2(x)))))


def masked_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the real steps. x: (B, T, width); mask: (B, T) bool. Returns: (B, width)."""
    if mask is None:
        return x.mean(1)
    share = mask.to(x.dtype).unsqueeze(2)
    return (x * share).sum(1) / share.sum(1).clamp(min=1)


def _turned(x: Tensor) -> Tensor:
    """Pairs of channels turned by an angle that grows with the position. x: (B, heads, T, C), C even."""
    steps, channels = x.shape[-2:]
    rates = _ROTARY_BASE ** (-torch.arange(0, channels, 2, device=x.device, dtype=torch.float32) / channels)
    angles = torch.arange(steps, device=x.device, dtype=torch.float32).unsqueeze(1) * rates
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1).flatten(-2)
