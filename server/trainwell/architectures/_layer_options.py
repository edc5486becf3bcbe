"""What an agent may say about each layer of a stack: PyTorch's names, with limits and PyTorch's defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from trainwell.contract.specs import Spec

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


class ConvTranspose1dOptions(Spec):
    """Options of ConvTranspose1d."""

    out_channels: Size
    kernel_size: _Some
    in_channels: Size | None = None
    stride: _Some = 1
    padding: _Any = 0
    output_padding: _Any = 0
    groups: Size = 1
    bias: bool = True
    dilation: _Some = 1


class ConvTranspose2dOptions(Spec):
    """Options of ConvTranspose2d; sizes are one number or [height, width]."""

    out_channels: Size
    kernel_size: Pair
    in_channels: Size | None = None
    stride: Pair = (1, 1)
    padding: PadPair = (0, 0)
    output_padding: PadPair = (0, 0)
    groups: Size = 1
    bias: bool = True
    dilation: Pair = (1, 1)


class GroupNormOptions(Spec):
    """Options of GroupNorm; num_groups must divide the channels."""

    num_groups: Size
    num_channels: Size | None = None
    eps: float = Field(default=1e-5, ge=1e-12, le=1)
    affine: bool = True


class InstanceNormOptions(Spec):
    """Options of InstanceNorm1d and InstanceNorm2d."""

    num_features: Size | None = None
    eps: float = Field(default=1e-5, ge=1e-12, le=1)
    affine: bool = False


class RMSNormOptions(Spec):
    """Options of RMSNorm, which goes over a whole row unless `normalized_shape` names its last sizes."""

    normalized_shape: tuple[Size, ...] | None = Field(default=None, min_length=1, max_length=8)
    eps: float = Field(default=1e-6, ge=1e-12, le=1)
    elementwise_affine: bool = True


class UpsampleOptions(Spec):
    """Options of Upsample, for images (C, H, W) and for (C, T)."""

    scale_factor: int = Field(ge=1, le=64)
    mode: Literal["nearest", "linear", "bilinear", "bicubic"] = "nearest"


class EmbeddingOptions(Spec):
    """Options of Embedding, the first layer where tokens come in; token 0 is padding and stays 0."""

    embedding_dim: Size
    num_embeddings: Size | None = None


class RecurrentOptions(Spec):
    """Options of RNN, LSTM and GRU on (T, C); `last` gives the state behind the last step alone."""

    hidden_size: Size
    input_size: Size | None = None
    num_layers: int = Field(default=1, ge=1, le=16)
    dropout: float = Field(default=0.0, ge=0, le=0.95)
    bidirectional: bool = False
    last: bool = False


class AttentionOptions(Spec):
    """Options of MultiheadAttention: each step looks at all steps; num_heads must divide the channels."""

    num_heads: int = Field(ge=1, le=4096)
    embed_dim: Size | None = None
    dropout: float = Field(default=0.0, ge=0, le=0.95)
    bias: bool = True


class EncoderLayerOptions(Spec):
    """Options of TransformerEncoderLayer; nhead must divide the channels."""

    nhead: int = Field(ge=1, le=4096)
    d_model: Size | None = None
    dim_feedforward: Size = 2048
    dropout: float = Field(default=0.1, ge=0, le=0.95)
    activation: Literal["relu", "gelu"] = "relu"
    norm_first: bool = False
