"""The plain recurrent network of Elman: one state, no gates.

The simplest and cheapest network that reads steps in order. It forgets what lies some tens of steps back: take `gru` or
`lstm` where that matters. Forecasts of the test part, 3 seeds, mean absolute error against the naive forecast: air
passengers 0.60, sales of a drug (a10) 0.78 of it.

Sources: Elman 1990; orthogonal recurrent weights: Saxe et al. 2014 (arXiv 1312.6120).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainwell.architectures import _recurrent, _steps
from trainwell.architectures._recurrent import RNN, RecurrentConfig, build_recurrent, settle_recurrent

if TYPE_CHECKING:
    from torch import nn

    from trainwell.contract.specs import Recipe, Shapes

ACCEPTS = _steps.ACCEPTS


class Config(RecurrentConfig):
    """Options of `rnn`."""

    activation: Literal["tanh", "relu"] = Field(default="tanh", description="Of the recurrent state")


def settle(config: Config, shapes: Shapes) -> tuple[Config, list[str]]:
    """Choose what was left out, from the shapes."""
    chosen, notes = settle_recurrent(config, shapes)
    return config.model_copy(update=chosen), notes


def build(config: Config, shapes: Shapes) -> nn.Module:
    """Make the network."""
    return build_recurrent(config, shapes, RNN, nonlinearity=config.activation)


def recipe(_config: Config, shapes: Shapes) -> Recipe:
    """How it is trained best."""
    return _recurrent.recipe(shapes)
