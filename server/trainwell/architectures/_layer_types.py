"""The layers that a stack may hold: a plain table from a name to a class and its options.

Sizes that follow from what comes in (`in_features`, `in_channels`, `num_features`) are inferred; an agent that gives
them all the same gets them checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from torch import nn

from trainwell.contract.specs import Spec

if TYPE_CHECKING:
    from collections.abc import Callable

Shape = tuple[int, ...]
Size = Annotated[int, Field(ge=1, le=1_000_000_000)]


def _both(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return (value, value) if type(value) is int else value


def _pair(least: int) -> Any:
    number = {"type": "integer", "minimum": least}
    pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    return WithJsonSchema({"anyOf": [number, pair]})


_Some = Annotated[int, Field(ge=1, le=1_000_000)]
_Any = Annotated[int, Field(ge=0, le=1_000_000)]
Pair = Annotated[tuple[_Some, _Some], BeforeValidator(_both), _pair(1)]
PadPair = Annotated[tuple[_Any, _Any], BeforeValidator(_both), _pair(0)]


class NoOptions(Spec):
    """A layer without options."""


class LinearOptions(Spec):
    """Options of Linear."""

    out_features: Size
    in_features: Size | None = None
    bias: bool = True


class Conv1dOptions(Spec):
    """Options of Conv1d."""

    out_channels: Size
    kernel_size: _Some
    in_channels: Size | None = None
    stride: _Some = 1
    padding: _Any = 0
    dilation: _Some = 1
    groups: Size = 1
    bias: bool = True


class Conv2dOptions(Spec):
    """Options of Conv2d; sizes are one number or [height, width]."""

    out_channels: Size
    kernel_size: Pair
    in_channels: Size | None = None
    stride: Pair = (1, 1)
    padding: PadPair = (0, 0)
    dilation: Pair = (1, 1)
    groups: Size = 1
    bias: bool = True


class BatchNormOptions(Spec):
    """Options of BatchNorm1d and BatchNorm2d."""

    num_features: Size | None = None
    eps: float = Field(default=1e-5, ge=1e-12, le=1)  # less is 0 beside a float32 variance
    momentum: float = Field(default=0.1, gt=0, le=1)
    affine: bool = True


class LayerNormOptions(Spec):
    """Options of LayerNorm, which goes over a whole row unless `normalized_shape` names its last sizes."""

    normalized_shape: tuple[Size, ...] | None = Field(default=None, min_length=1, max_length=8)
    eps: float = Field(default=1e-5, ge=1e-12, le=1)  # less is 0 beside a float32 variance
    elementwise_affine: bool = True
    bias: bool = True


class DropoutOptions(Spec):
    """Options of Dropout."""

    p: float = Field(default=0.5, ge=0, le=0.95)


class Pool1dOptions(Spec):
    """Options of MaxPool1d and AvgPool1d; the stride is the kernel size if left out."""

    kernel_size: _Some
    stride: _Some | None = None
    padding: _Any = 0


class Pool2dOptions(Spec):
    """Options of MaxPool2d and AvgPool2d; the stride is the kernel size if left out."""

    kernel_size: Pair
    stride: Pair | None = None
    padding: PadPair = (0, 0)


class AdaptivePool1dOptions(Spec):
    """Options of AdaptiveAvgPool1d."""

    output_size: _Some


class AdaptivePool2dOptions(Spec):
    """Options of AdaptiveAvgPool2d."""

    output_size: Pair


class UnflattenOptions(Spec):
    """Options of Unflatten: the new shape of a row, such as [1, 8, 8]."""

    unflattened_size: tuple[Size, ...] = Field(min_length=1, max_length=8)


class SlopeOptions(Spec):
    """Options of LeakyReLU."""

    negative_slope: float = Field(default=0.01, ge=0, le=1)


class AlphaOptions(Spec):
    """Options of ELU."""

    alpha: float = Field(default=1.0, gt=0, le=10)


@dataclass(frozen=True)
class LayerType:
    """One allowed layer.

    Attributes:
        options: What an agent may say about it.
        make: The module from its options, completed for the shape (without rows) of what comes in.
        takes: The shapes it takes, by their letters; () for any.
        inferred: The option that follows from the first size of what comes in, if there is one.
        flat: Needs (F,), and gets it by flattening.
    """

    options: type[Spec]
    make: Callable[[Any, Shape], nn.Module]
    takes: tuple[str, ...] = ()
    inferred: str | None = None
    flat: bool = False

    def accepts(self, shape: Shape) -> bool:
        """Whether the number of sizes is right."""
        return not self.takes or len(shape) in {sum(map(str.isalpha, letters)) for letters in self.takes}


def _kept(options: Spec, *without: str) -> dict[str, Any]:
    return options.model_dump(exclude=set(without))


def _plain(kind: Callable[..., nn.Module], options: type[Spec] = NoOptions, takes: tuple[str, ...] = ()) -> LayerType:
    return LayerType(options, lambda chosen, _shape: kind(**_kept(chosen)), takes)


def _conv(kind: Callable[..., nn.Module], options: type[Spec], takes: str) -> LayerType:
    def make(chosen: Any, shape: Shape) -> nn.Module:
        return kind(in_channels=shape[0], **_kept(chosen, "in_channels"))

    return LayerType(options, make, (takes,), "in_channels")


def _norm(kind: Callable[..., nn.Module], takes: tuple[str, ...]) -> LayerType:
    def make(chosen: Any, shape: Shape) -> nn.Module:
        return kind(num_features=shape[0], **_kept(chosen, "num_features"))

    return LayerType(BatchNormOptions, make, takes, "num_features")


def _linear(options: LinearOptions, shape: Shape) -> nn.Module:
    return nn.Linear(prod(shape), options.out_features, bias=options.bias)


def _layer_norm(options: LayerNormOptions, shape: Shape) -> nn.Module:
    return nn.LayerNorm(list(options.normalized_shape or shape), **_kept(options, "normalized_shape"))


def _unflatten(options: UnflattenOptions, _shape: Shape) -> nn.Module:
    return nn.Unflatten(1, options.unflattened_size)


LAYERS: dict[str, LayerType] = {
    "Linear": LayerType(LinearOptions, _linear, ("(F,)",), "in_features", flat=True),
    "Conv1d": _conv(nn.Conv1d, Conv1dOptions, "(C, T)"),
    "Conv2d": _conv(nn.Conv2d, Conv2dOptions, "(C, H, W)"),
    "BatchNorm1d": _norm(nn.BatchNorm1d, ("(F,)", "(C, T)")),
    "BatchNorm2d": _norm(nn.BatchNorm2d, ("(C, H, W)",)),
    "LayerNorm": LayerType(LayerNormOptions, _layer_norm),
    "Dropout": _plain(nn.Dropout, DropoutOptions),
    "Flatten": _plain(nn.Flatten),
    "Unflatten": LayerType(UnflattenOptions, _unflatten, ("(F,)",), flat=True),
    "MaxPool1d": _plain(nn.MaxPool1d, Pool1dOptions, ("(C, T)",)),
    "MaxPool2d": _plain(nn.MaxPool2d, Pool2dOptions, ("(C, H, W)",)),
    "AvgPool1d": _plain(nn.AvgPool1d, Pool1dOptions, ("(C, T)",)),
    "AvgPool2d": _plain(nn.AvgPool2d, Pool2dOptions, ("(C, H, W)",)),
    "AdaptiveAvgPool1d": _plain(nn.AdaptiveAvgPool1d, AdaptivePool1dOptions, ("(C, T)",)),
    "AdaptiveAvgPool2d": _plain(nn.AdaptiveAvgPool2d, AdaptivePool2dOptions, ("(C, H, W)",)),
    "ReLU": _plain(nn.ReLU),
    "LeakyReLU": _plain(nn.LeakyReLU, SlopeOptions),
    "GELU": _plain(nn.GELU),
    "SiLU": _plain(nn.SiLU),
    "ELU": _plain(nn.ELU, AlphaOptions),
    "SELU": _plain(nn.SELU),
    "Tanh": _plain(nn.Tanh),
    "Sigmoid": _plain(nn.Sigmoid),
    "Softplus": _plain(nn.Softplus),
    "Mish": _plain(nn.Mish),
    "Identity": _plain(nn.Identity),
}

# Layers that leave logits what they are, when they stand behind the layer that made them.
HARMLESS_BEHIND_LOGITS = frozenset(
    {"Flatten", "Unflatten", "Identity", "AvgPool1d", "AvgPool2d", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d"}
)

REFUSED: dict[str, str] = {
    "Softmax": (
        "Leave Softmax out: the loss (cross entropy) takes logits and applies it itself, and so does predict. "
        "Behind a second softmax the gradients nearly vanish and training stalls."
    ),
    "LogSoftmax": "Leave LogSoftmax out: the loss (cross entropy) takes logits and applies it itself.",
    "Reshape": 'Use {"type": "Unflatten", "unflattened_size": [1, 8, 8]} for a new shape, or "Flatten".',
}
