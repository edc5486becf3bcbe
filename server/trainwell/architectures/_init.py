"""Weights at the start: as large as the activation behind them needs, so that signals keep their size with depth.

He et al. 2015 (arXiv 1502.01852) for the relu family, Glorot and Bengio 2010 for tanh and sigmoid, LeCun 1998 as in
Klambauer et al. 2017 (arXiv 1706.02515) for selu and where no activation follows. Recurrent weights are orthogonal
(Saxe et al. 2013, arXiv 1312.6120), an LSTM's forget gate starts open (Jozefowicz et al. 2015), and the layers inside
n shortcuts end 1/sqrt(n) as large, so that their sum keeps its size (as in Radford et al. 2019). Attention and
embeddings start as PyTorch has them.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from trainwell.architectures._layer_modules import Branch, Recurrent, Residual

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

Init = Literal["auto", "he", "glorot", "lecun", "orthogonal"]

Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d
Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | Transposed
RELU_FAMILY = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.GELU, nn.SiLU, nn.ELU, nn.CELU, nn.Mish, nn.Softplus,
               nn.Hardswish)  # fmt: skip
SATURATING = (nn.Tanh, nn.Sigmoid, nn.Softsign, nn.Hardtanh)
# Standard deviation of the logits at the start: the loss is then ln K within about 1 %, and yet the layers below
# get a gradient at the first step, which a last layer of zeros would deny them.
OUTPUT_STD = 0.1


def initialise(stack: Iterable[nn.Module], how: Init = "auto") -> None:
    """Set the weights of every linear, convolutional and recurrent layer of a stack, and biases to 0.

    Shortcuts and branches are gone into. The last weighted layer is the output and starts small. On the meta device
    nothing is done.

    Args:
        stack: The layers in the order in which data passes them.
        how: `auto` fits each layer to the activation that follows it.
    """
    layers = list(stack)
    found = list(_with_activation(layers, None))
    for number, (layer, activation) in enumerate(found):
        if layer.weight.is_meta:
            return
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if number == 0:  # found from the end
            nn.init.normal_(layer.weight, std=OUTPUT_STD / _fan_in(layer) ** 0.5)
        else:
            _fill(layer, activation, how)
    inner = [module for layer in layers for module in layer.modules()]
    bodies = [module.body for module in inner if isinstance(module, Residual)]
    for body in bodies:
        last = next((layer for layer, _ in _with_activation(list(body), None)), None)
        if last is not None:
            with torch.no_grad():
                last.weight.mul_(len(bodies) ** -0.5)
    for module in inner:
        if isinstance(module, Recurrent):
            initialise_recurrent(module.layer)


def initialise_recurrent(layer: nn.RNNBase) -> None:
    """Orthogonal recurrent weights, Glorot's for the inputs, biases 0, an LSTM's forget gate at 1."""
    for name, parameter in layer.named_parameters():
        if parameter.is_meta:
            return
        if parameter.ndim < 2:
            nn.init.zeros_(parameter)
            if isinstance(layer, nn.LSTM) and name.startswith("bias_ih"):
                with torch.no_grad():
                    parameter[layer.hidden_size : 2 * layer.hidden_size] = 1.0
        else:
            for gate in torch.split(parameter.detach(), layer.hidden_size):
                (nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_)(gate)


def _with_activation(
    layers: Sequence[nn.Module], behind: nn.Module | None
) -> Generator[tuple[Weighted, nn.Module | None], None, nn.Module | None]:
    """Every weighted layer from the last to the first with the activation behind it.

    Returns: the activation that whatever stands before these layers runs into.
    """
    for layer in reversed(layers):
        if isinstance(layer, Weighted):
            yield layer, behind
            behind = None
        elif activation_of([layer]) is not None:
            behind = layer
        elif isinstance(layer, Residual):
            if isinstance(layer.projection, Weighted):
                yield layer.projection, behind
            behind = yield from _with_activation(list(layer.body), behind)
        elif isinstance(layer, Branch):
            runs_into = behind
            for way in layer.ways:
                into = yield from _with_activation(list(way.children()), behind)
                runs_into = runs_into or into
            behind = runs_into
    return behind


def _fan_in(layer: Weighted) -> int:
    """Inputs of one output value."""
    if isinstance(layer, Transposed):
        return max(1, layer.in_channels // layer.groups * prod(layer.kernel_size) // prod(layer.stride))
    return layer.weight[0].numel()


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
    if isinstance(layer, Transposed) and chosen != "orthogonal":
        nn.init.normal_(layer.weight, std=(_gain(activation) if chosen == "he" else 1.0) / _fan_in(layer) ** 0.5)
        return
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
