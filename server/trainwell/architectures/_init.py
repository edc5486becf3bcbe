"""Weights at the start: as large as the activation behind them needs, so that signals keep their size with depth.

He et al. 2015 (arXiv 1502.01852) for the relu family, Glorot and Bengio 2010 for tanh and sigmoid, LeCun 1998 as in
Klambauer et al. 2017 (arXiv 1706.02515) for selu and where no activation follows.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Init = Literal["auto", "he", "glorot", "lecun", "orthogonal"]

Weighted = nn.Linear | nn.Conv1d | nn.Conv2d
RELU_FAMILY = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Mish, nn.Softplus)
SATURATING = (nn.Tanh, nn.Sigmoid)
# Standard deviation of the logits at the start: the loss is then ln K within about 1 %, and yet the layers below
# get a gradient at the first step, which a last layer of zeros would deny them.
OUTPUT_STD = 0.1


def initialise(stack: Iterable[nn.Module], how: Init = "auto") -> None:
    """Set the weights of every linear and convolutional layer of a plain stack, and its biases to 0.

    The last weighted layer is the output and starts small. On the meta device nothing is done.

    Args:
        stack: The layers in the order in which data passes them.
        how: `auto` fits each layer to the activation that follows it.
    """
    layers = list(stack)
    weighted = [index for index, layer in enumerate(layers) if isinstance(layer, Weighted)]
    for index, following in pairwise([*weighted, len(layers)]):
        layer = layers[index]
        if not isinstance(layer, Weighted) or layer.weight.is_meta:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if index == weighted[-1]:
            nn.init.normal_(layer.weight, std=OUTPUT_STD / layer.weight[0].numel() ** 0.5)
        else:
            _fill(layer, activation_of(layers[index + 1 : following]), how)


def activation_of(layers: Sequence[nn.Module]) -> nn.Module | None:
    """The first activation among some layers."""
    return next((layer for layer in layers if isinstance(layer, (*RELU_FAMILY, *SATURATING, nn.SELU))), None)


def scheme(activation: nn.Module | None) -> Init:
    """The initialisation that fits an activation."""
    if isinstance(activation, RELU_FAMILY):
        return "he"
    return "glorot" if isinstance(activation, SATURATING) else "lecun"


def _fill(layer: Weighted, activation: nn.Module | None, how: Init) -> None:
    chosen = scheme(activation) if how == "auto" else how
    if chosen == "orthogonal":
        nn.init.orthogonal_(layer.weight, gain=_gain(activation))
    elif chosen == "glorot":
        nn.init.xavier_normal_(layer.weight, gain=_gain(activation) if isinstance(activation, nn.Tanh) else 1.0)
    elif chosen == "lecun":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    else:
        slope = activation.negative_slope if isinstance(activation, nn.LeakyReLU) else 0.0
        nn.init.kaiming_normal_(layer.weight, a=slope, nonlinearity="leaky_relu")


def _gain(activation: nn.Module | None) -> float:
    if isinstance(activation, nn.Tanh):
        return nn.init.calculate_gain("tanh")
    return nn.init.calculate_gain("relu") if isinstance(activation, RELU_FAMILY) else 1.0
