"""The layers that a stack may hold: a plain table from a name to a class and its options.

Sizes that follow from what comes in (`in_features`, `in_channels`, `num_features`) are inferred; an agent that gives
them all the same gets them checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from trainwell.architectures import _layer_options as o
from trainwell.architectures._layer_modules import (
    GlobalPool,
    PositionalEmbedding,
    Recurrent,
    SelfAttention,
    Transpose,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainwell.contract.specs import Spec

Shape = tuple[int, ...]
# How the sizes of a row lie where that is known: tokens (T,), steps (T, C) or channels (C, T).
Layout = Literal["tokens", "steps", "channels"] | None


@dataclass(frozen=True)
class LayerType:
    """One allowed layer.

    Attributes:
        options: What an agent may say about it.
        make: The module from its options, completed for the shape (without rows) of what comes in.
        takes: The shapes it takes, by their letters; () for any.
        inferred: The option that follows from what comes in, if there is one: from its first size, or in a layer
            of steps (T, C) from its last.
        flat: Needs (F,), and gets it by flattening.
        layout: What it needs of a sequence, and gets by swapping its sizes; None takes either and keeps it.
    """

    options: type[Spec]
    make: Callable[[Any, Shape], nn.Module]
    takes: tuple[str, ...] = ()
    inferred: str | None = None
    flat: bool = False
    layout: Layout = None

    def accepts(self, shape: Shape) -> bool:
        """Whether the number of sizes is right."""
        return not self.takes or len(shape) in {sum(map(str.isalpha, letters)) for letters in self.takes}

    def channels(self, shape: Shape) -> int:
        """The size that `inferred` stands for."""
        return shape[-1] if self.layout == "steps" else shape[0]


def _kept(options: Spec, *without: str) -> dict[str, Any]:
    return options.model_dump(exclude=set(without))


def _plain(kind: Callable[..., nn.Module], options: type[Spec] = o.NoOptions) -> LayerType:
    return LayerType(options, lambda chosen, _shape: kind(**_kept(chosen)))


def _pool(kind: Callable[..., nn.Module], options: type[Spec], takes: str) -> LayerType:
    return LayerType(options, lambda chosen, _shape: kind(**_kept(chosen)), (takes,), layout="channels")


def _global(how: Literal["mean", "max"], takes: str) -> LayerType:
    return LayerType(o.NoOptions, lambda _chosen, _shape: GlobalPool(how), (takes,), layout="channels")


def _conv(kind: Callable[..., nn.Module], options: type[Spec], takes: str) -> LayerType:
    def make(chosen: Any, shape: Shape) -> nn.Module:
        return kind(in_channels=shape[0], **_kept(chosen, "in_channels"))

    return LayerType(options, make, (takes,), "in_channels", layout="channels")


def _norm(
    kind: Callable[..., nn.Module], options: type[Spec], takes: tuple[str, ...], inferred: str = "num_features"
) -> LayerType:
    def make(chosen: Any, shape: Shape) -> nn.Module:
        return kind(**{inferred: shape[0]}, **_kept(chosen, inferred))

    return LayerType(options, make, takes, inferred, layout="channels")


def _row_norm(kind: Callable[..., nn.Module], options: type[Spec]) -> LayerType:
    def make(chosen: Any, shape: Shape) -> nn.Module:
        return kind(list(chosen.normalized_shape or shape), **_kept(chosen, "normalized_shape"))

    return LayerType(options, make)


def _recurrent(kind: Callable[..., nn.RNNBase]) -> LayerType:
    def make(chosen: o.RecurrentOptions, shape: Shape) -> nn.Module:
        dropout = chosen.dropout if chosen.num_layers > 1 else 0.0  # torch has none behind the last layer
        rest = _kept(chosen, "input_size", "last", "dropout")
        return Recurrent(kind(shape[-1], batch_first=True, dropout=dropout, **rest), last=chosen.last)

    return LayerType(o.RecurrentOptions, make, ("(T, C)",), "input_size", layout="steps")


def _linear(options: o.LinearOptions, shape: Shape) -> nn.Module:
    return nn.Linear(prod(shape), options.out_features, bias=options.bias)


def _unflatten(options: o.UnflattenOptions, _shape: Shape) -> nn.Module:
    return nn.Unflatten(1, options.unflattened_size)


def _embedding(options: o.EmbeddingOptions, _shape: Shape) -> nn.Module:
    return nn.Embedding(options.num_embeddings or 2, options.embedding_dim, padding_idx=0)


def _attention(options: o.AttentionOptions, shape: Shape) -> nn.Module:
    return SelfAttention(shape[-1], options.num_heads, dropout=options.dropout, bias=options.bias)


def _encoder_layer(options: o.EncoderLayerOptions, shape: Shape) -> nn.Module:
    return nn.TransformerEncoderLayer(shape[-1], batch_first=True, **_kept(options, "d_model"))


_LINE, _PLANE = "(C, T)", "(C, H, W)"
_BOTH = (_LINE, _PLANE)

LAYERS: dict[str, LayerType] = {
    "Linear": LayerType(o.LinearOptions, _linear, ("(F,)",), "in_features", flat=True),
    "Conv1d": _conv(nn.Conv1d, o.Conv1dOptions, _LINE),
    "Conv2d": _conv(nn.Conv2d, o.Conv2dOptions, _PLANE),
    "ConvTranspose1d": _conv(nn.ConvTranspose1d, o.ConvTranspose1dOptions, _LINE),
    "ConvTranspose2d": _conv(nn.ConvTranspose2d, o.ConvTranspose2dOptions, _PLANE),
    "BatchNorm1d": _norm(nn.BatchNorm1d, o.BatchNormOptions, ("(F,)", _LINE)),
    "BatchNorm2d": _norm(nn.BatchNorm2d, o.BatchNormOptions, (_PLANE,)),
    "InstanceNorm1d": _norm(nn.InstanceNorm1d, o.InstanceNormOptions, (_LINE,)),
    "InstanceNorm2d": _norm(nn.InstanceNorm2d, o.InstanceNormOptions, (_PLANE,)),
    "GroupNorm": _norm(nn.GroupNorm, o.GroupNormOptions, ("(F,)", *_BOTH), "num_channels"),
    "LayerNorm": _row_norm(nn.LayerNorm, o.LayerNormOptions),
    "RMSNorm": _row_norm(nn.RMSNorm, o.RMSNormOptions),
    "Dropout": _plain(nn.Dropout, o.DropoutOptions),
    "AlphaDropout": _plain(nn.AlphaDropout, o.DropoutOptions),
    "Dropout1d": _pool(nn.Dropout1d, o.DropoutOptions, _LINE),
    "Dropout2d": _pool(nn.Dropout2d, o.DropoutOptions, _PLANE),
    "Flatten": _plain(nn.Flatten),
    "Unflatten": LayerType(o.UnflattenOptions, _unflatten, ("(F,)",), flat=True),
    "Transpose": LayerType(o.NoOptions, lambda _chosen, _shape: Transpose(), ("(A, B)",)),
    "Upsample": LayerType(
        o.UpsampleOptions,
        lambda chosen, _shape: nn.Upsample(scale_factor=chosen.scale_factor, mode=chosen.mode),
        _BOTH,
        layout="channels",
    ),
    "MaxPool1d": _pool(nn.MaxPool1d, o.Pool1dOptions, _LINE),
    "MaxPool2d": _pool(nn.MaxPool2d, o.Pool2dOptions, _PLANE),
    "AvgPool1d": _pool(nn.AvgPool1d, o.Pool1dOptions, _LINE),
    "AvgPool2d": _pool(nn.AvgPool2d, o.Pool2dOptions, _PLANE),
    "AdaptiveAvgPool1d": _pool(nn.AdaptiveAvgPool1d, o.AdaptivePool1dOptions, _LINE),
    "AdaptiveAvgPool2d": _pool(nn.AdaptiveAvgPool2d, o.AdaptivePool2dOptions, _PLANE),
    "AdaptiveMaxPool1d": _pool(nn.AdaptiveMaxPool1d, o.AdaptivePool1dOptions, _LINE),
    "AdaptiveMaxPool2d": _pool(nn.AdaptiveMaxPool2d, o.AdaptivePool2dOptions, _PLANE),
    "GlobalAvgPool1d": _global("mean", _LINE),
    "GlobalAvgPool2d": _global("mean", _PLANE),
    "GlobalMaxPool1d": _global("max", _LINE),
    "GlobalMaxPool2d": _global("max", _PLANE),
    "Embedding": LayerType(o.EmbeddingOptions, _embedding, ("(T,)",), layout="tokens"),
    "PositionalEmbedding": LayerType(
        o.NoOptions, lambda _chosen, shape: PositionalEmbedding(*shape), ("(T, C)",), layout="steps"
    ),
    "RNN": _recurrent(nn.RNN),
    "LSTM": _recurrent(nn.LSTM),
    "GRU": _recurrent(nn.GRU),
    "MultiheadAttention": LayerType(o.AttentionOptions, _attention, ("(T, C)",), "embed_dim", layout="steps"),
    "TransformerEncoderLayer": LayerType(o.EncoderLayerOptions, _encoder_layer, ("(T, C)",), "d_model", layout="steps"),
    "ReLU": _plain(nn.ReLU),
    "ReLU6": _plain(nn.ReLU6),
    "LeakyReLU": _plain(nn.LeakyReLU, o.SlopeOptions),
    "PReLU": _plain(nn.PReLU),
    "GELU": _plain(nn.GELU),
    "SiLU": _plain(nn.SiLU),
    "ELU": _plain(nn.ELU, o.AlphaOptions),
    "CELU": _plain(nn.CELU, o.AlphaOptions),
    "SELU": _plain(nn.SELU),
    "Tanh": _plain(nn.Tanh),
    "Sigmoid": _plain(nn.Sigmoid),
    "Softplus": _plain(nn.Softplus),
    "Softsign": _plain(nn.Softsign),
    "Mish": _plain(nn.Mish),
    "Hardswish": _plain(nn.Hardswish),
    "Hardtanh": _plain(nn.Hardtanh),
    "Identity": _plain(nn.Identity),
}

# Layers that leave logits what they are, when they stand behind the layer that made them.
HARMLESS_BEHIND_LOGITS = frozenset(
    {"Flatten", "Unflatten", "Identity", "Transpose", "AvgPool1d", "AvgPool2d", "AdaptiveAvgPool1d",
     "AdaptiveAvgPool2d", "GlobalAvgPool1d", "GlobalAvgPool2d"}
)  # fmt: skip

REFUSED: dict[str, str] = {
    "Softmax": (
        "Leave Softmax out: the loss (cross entropy) takes logits and applies it itself, and so does predict. "
        "Behind a second softmax the gradients nearly vanish and training stalls."
    ),
    "LogSoftmax": "Leave LogSoftmax out: the loss (cross entropy) takes logits and applies it itself.",
    "Reshape": 'Use {"type": "Unflatten", "unflattened_size": [1, 8, 8]} for a new shape, or "Flatten".',
}
