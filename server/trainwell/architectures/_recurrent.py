"""Recurrent networks: what `rnn`, `lstm` and `gru` share. They differ in the cell alone.

Rows of unequal length are packed, so that no step behind an end is computed or read. Packing needs the lengths on the
host: on a GPU that is one wait a forward pass, and the only one; with equal lengths there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from trainwell.architectures._steps import Pooling, StepNetwork, layout, step_notes
from trainwell.contract.specs import Spec

if TYPE_CHECKING:
    from trainwell.contract.specs import Shapes

HIDDEN, LAYERS, DROPOUT = 64, 1, 0.1


class RecurrentConfig(Spec):
    """Options that all recurrent families have."""

    hidden_size: int | None = Field(default=None, ge=1, le=1_000_000, description="Width of the state")
    num_layers: int | None = Field(default=None, ge=1, le=32, description="Layers one above the other")
    bidirectional: bool | None = Field(default=None, description="Also read backwards; off for forecasts if left out")
    pooling: Literal["auto", "last", "mean", "max", "attention"] = Field(
        default="auto", description="From the states of all steps to one"
    )
    dropout: float | None = Field(default=None, ge=0, le=0.9, description="Between layers and before the output")
    relative: bool = Field(default=True, description="Forecast relative to the last known values")
    init: Literal["auto", "orthogonal", "glorot"] = Field(default="auto", description="Recurrent weights at the start")


class _Packed:
    """Run a recurrent module over padded rows and give the states alone."""

    def states(self, run: Any, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Map (B, T, D) to (B, T, W), zeros behind the end of a row."""
        if lengths is None or lengths.is_meta:
            return run(x)[0]
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(run(packed)[0], batch_first=True, total_length=x.shape[1])[0]


class RNN(_Packed, nn.RNN):
    """`torch.nn.RNN` that takes lengths and gives the states alone."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Map (B, T, D) and lengths (B,) to (B, T, W)."""
        return self.states(super().forward, x, lengths)


class LSTM(_Packed, nn.LSTM):
    """`torch.nn.LSTM` that takes lengths and gives the states alone."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Map (B, T, D) and lengths (B,) to (B, T, W)."""
        return self.states(super().forward, x, lengths)


class GRU(_Packed, nn.GRU):
    """`torch.nn.GRU` that takes lengths and gives the states alone."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Map (B, T, D) and lengths (B,) to (B, T, W)."""
        return self.states(super().forward, x, lengths)


def initialise(cells: nn.RNNBase, how: str, gates: int) -> None:
    """Orthogonal (or Glorot) recurrent weights gate by gate, Glorot input weights, biases 0; an LSTM's forget gate 1.

    Orthogonal: Saxe et al. 2014 (arXiv 1312.6120); the forget gate: Jozefowicz et al. 2015. On the meta device nothing
    is done.
    """
    for name, parameter in cells.named_parameters():
        if parameter.is_meta:
            return
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
            if isinstance(cells, nn.LSTM) and name.startswith("bias_ih"):
                nn.init.ones_(parameter.detach()[cells.hidden_size : 2 * cells.hidden_size])
            continue
        fill = nn.init.orthogonal_ if name.startswith("weight_hh") and how != "glorot" else nn.init.xavier_uniform_
        for gate in parameter.detach().chunk(gates):
            fill(gate)
