"""From tokens, steps or numbers to vectors of one width, and what tells a network where in a row they stand."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from trainwell.contract.specs import Shapes, TensorSpec

Encoding = Literal["learned", "sinusoidal", "rotary", "none"]

TOKEN_STD = 0.1  # tokens are few and small networks learn them from scratch: larger than the 0.02 of large ones
POSITION_STD = 0.02
_LONGEST_WAVE = 10_000.0


class Steps(nn.Module):
    """One input as a row of vectors: (B, T) tokens, (B, T, C) steps, or (B, T) numbers. Returns: (B, T, width)."""

    def __init__(self, spec: TensorSpec, width: int) -> None:
        super().__init__()
        self.tokens = spec.role == "tokens"
        if self.tokens:
            self.layer: nn.Module = nn.Embedding(spec.sizes[0], width, padding_idx=0)
            nn.init.normal_(self.layer.weight, std=TOKEN_STD)  # pyright: ignore[reportArgumentType]
            with torch.no_grad():
                self.layer.weight[0] = 0  # pyright: ignore[reportIndexIssue]
        else:
            self.layer = nn.Linear(channels(spec), width)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.tokens:
            return self.layer(x)
        x = x if x.is_floating_point() else x.float()
        return self.layer(x if x.ndim > 2 else x.unsqueeze(-1))


class Positions(nn.Module):
    """Adds to each vector where it stands. x: (B, T, width), T at most `longest`. Returns: the same shape."""

    table: Tensor | None

    def __init__(self, how: Encoding, longest: int, width: int) -> None:
        super().__init__()
        if how == "learned":
            self.table = nn.Parameter(POSITION_STD * torch.randn(longest, width))
        else:
            self.register_buffer("table", _waves(longest, width) if how == "sinusoidal" else None)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x if self.table is None else x + self.table[: x.shape[1]]


def steps_of(spec: TensorSpec) -> int:
    """How many vectors an input becomes."""
    return spec.shape[0] if spec.shape else 1


def channels(spec: TensorSpec) -> int:
    """Numbers of one step."""
    return spec.shape[1] if len(spec.shape) > 1 else 1


def real_steps(shapes: Shapes, inputs: tuple[Tensor, ...]) -> Tensor | None:
    """(B, T) bool, True at the steps of the first input that are not padding; None where all are real."""
    first = inputs[0]
    lengths = [x for spec, x in zip(shapes.inputs, inputs, strict=True) if spec.role == "length"]
    if lengths:
        return torch.arange(first.shape[1], device=first.device) < lengths[0].unsqueeze(1)
    return first != 0 if shapes.inputs[0].role == "tokens" else None


def _waves(longest: int, width: int) -> Tensor:
    """Sines and cosines of falling frequency, (longest, width)."""
    places = torch.arange(longest).unsqueeze(1)
    rates = _LONGEST_WAVE ** (-torch.arange(0, width, 2) / width)
    table = torch.zeros(longest, width)
    table[:, 0::2] = torch.sin(places * rates)
    table[:, 1::2] = torch.cos(places * rates)[:, : width // 2]
    return table
