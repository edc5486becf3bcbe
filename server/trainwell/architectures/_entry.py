"""From prepared inputs to what layers take: images normalised, categories and tokens embedded, all side by side.

The normalisation and the embeddings are part of the network, so a checkpoint takes raw inputs as they were prepared.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from trainwell.contract.specs import Shapes, TensorSpec

# Width of a category's or a token's embedding where nothing else is said: the sixth root of their number, times 4
# (between 2 and 64), a rule of thumb of wide use that no trial here contradicted.
MOST_EMBEDDED = 64


class Normalise(nn.Module):
    """An image as numbers around 0. x: (B, C, H, W) of any dtype, in the units of `spec.mean`. Returns: float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, spec: TensorSpec) -> None:
        super().__init__()
        channels = spec.shape[0]
        self.register_buffer("mean", torch.tensor(spec.mean or (0.0,) * channels).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std or (1.0,) * channels).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return (x.float() - self.mean) / self.std


class Categories(nn.Module):
    """Every column's category as its embedding. x: (B, F) int64. Returns: (B, sum of widths)."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.columns = nn.ModuleList(nn.Embedding(size, embedded_width(size)) for size in sizes)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.cat([column(x[:, place]) for place, column in enumerate(self.columns)], dim=1)


class MeanToken(nn.Module):
    """The mean embedding of the tokens of a row, padding (0) left out. x: (B, T) int. Returns: (B, width)."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, width, padding_idx=0)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        known = (x != 0).sum(1, keepdim=True).clamp(min=1)
        return self.embedding(x).sum(1) / known


class Flat(nn.Module):
    """All inputs of a row as one vector, for networks of plain layers. Returns: (B, num_features(shapes))."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.parts = nn.ModuleList(entry_of(spec) for spec in shapes.inputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        """See the class. A length is left out: behind the end of a short row there are zeros."""
        flat = [
            part(x).flatten(1) if x.ndim > 1 else x.unsqueeze(1)
            for part, x in zip(self.parts, inputs, strict=True)
            if not isinstance(part, _Nothing)
        ]
        return flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)


class _Nothing(nn.Module):
    """An input that is not looked at."""


class Numbers(nn.Module):
    """Numbers as they are, as floating point. x: (B, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x if x.is_floating_point() else x.float()


class FlatNumbers(nn.Module):
    """The numbers of one input side by side. x: (B, ...). Returns: (B, F)."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = x if x.is_floating_point() else x.float()
        return x.flatten(1) if x.ndim > 1 else x.unsqueeze(1)


def flat(shapes: Shapes) -> nn.Module:
    """All inputs of a row as one vector: `Flat`, or its shortest form for a table of numbers."""
    only_numbers = len(shapes.inputs) == 1 and shapes.inputs[0].role in {"features", "sequence"}
    return FlatNumbers() if only_numbers else Flat(shapes)


def embedded_width(size: int) -> int:
    """Width of the embedding of so many categories or tokens."""
    return int(min(MOST_EMBEDDED, max(2, round(4 * size ** (1 / 6)))))


def num_features(shapes: Shapes) -> int:
    """Numbers per row that `Flat` gives.

    Raises:
        TrainwellError: `no_inputs`, when a row has none.
    """
    features = sum(map(_width, shapes.inputs))
    if features < 1:
        raise TrainwellError(
            "no_inputs",
            "The prepared data has no input values, so there is nothing to learn from.",
            argument="data",
            hint="Prepare the data again with more columns.",
        )
    return features


def _width(spec: TensorSpec) -> int:
    if spec.role == "length":
        return 0
    if spec.role == "categories":
        return sum(map(embedded_width, spec.sizes))
    return MOST_EMBEDDED if spec.role == "tokens" else prod(spec.shape)


def entry_of(spec: TensorSpec) -> nn.Module:
    """From one input to floating point, its shape kept where it holds numbers."""
    if spec.role == "length":
        return _Nothing()
    if spec.role == "categories":
        return Categories(spec.sizes)
    if spec.role == "tokens":
        return MeanToken(spec.sizes[0], MOST_EMBEDDED)
    return Normalise(spec) if spec.role == "image" else Numbers()
