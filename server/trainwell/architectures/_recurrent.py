"""Recurrent networks: what `rnn`, `lstm` and `gru` share. They differ in the cell alone.

Rows of unequal length are packed, so that no step behind an end is computed or read. Packing needs the lengths on the
host: on a GPU that is one wait a forward pass, and the only one; with equal lengths there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from trainwell.architectures._steps import StepNetwork, layout, step_notes
from trainwell.contract.specs import Recipe, Spec

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
        """Map (B, T, D) to (B, T, W), zeros behind the end of a row.

        On a CPU the cells stay in full precision: oneDNN has no bf16 LSTM for processors without bf16 units.
        """
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return self.states(run, x.float(), lengths)
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


def settle_recurrent(config: RecurrentConfig, shapes: Shapes) -> tuple[dict[str, object], list[str]]:
    """What was left open, from the shapes: changes to the config, and what was chosen in words."""
    forecasts = shapes.task == "forecasting"
    chosen: dict[str, object] = {}
    notes = [f"Reads {step_notes(shapes)}."]
    if config.hidden_size is None:
        chosen["hidden_size"] = HIDDEN
        notes.append(f"hidden_size {HIDDEN}: the default; twice that for more than some 20,000 rows of rich steps.")
    if config.num_layers is None:
        chosen["num_layers"] = LAYERS
    if config.bidirectional is None:
        chosen["bidirectional"] = not forecasts
        what = "a forecast goes on from the last step" if forecasts else "the whole row is known"
        notes.append(f"bidirectional {'off' if forecasts else 'on'}: {what}.")
    if config.pooling == "auto":
        chosen["pooling"] = "last" if forecasts else "max"
        notes.append(f"pooling {chosen['pooling']}: {'the newest state' if forecasts else 'any step may decide'}.")
    if config.dropout is None:
        chosen["dropout"] = DROPOUT
        notes.append(f"dropout {DROPOUT}: the default; raise it towards 0.3 to 0.5 when the run overfits.")
    if config.init == "auto":
        chosen["init"] = "orthogonal"
    if forecasts and config.relative:
        notes.append("relative: forecasts start from the last known values and a linear map beside the network.")
    return chosen, notes


def build_recurrent(config: RecurrentConfig, shapes: Shapes, kind: type[RNN | LSTM | GRU], **cell: Any) -> nn.Module:
    """The network around cells of one kind, from a settled config."""
    hidden, layers = config.hidden_size or HIDDEN, config.num_layers or LAYERS
    two_ways, dropout = bool(config.bidirectional), config.dropout or 0.0
    body = kind(
        layout(shapes).width, hidden, layers, batch_first=True, bidirectional=two_ways,
        dropout=dropout if layers > 1 else 0.0, **cell,
    )  # fmt: skip
    initialise(body, config.init, GATES[kind])
    return StepNetwork(
        shapes, body, hidden * (2 if two_ways else 1), pooling="last" if config.pooling == "auto" else config.pooling,
        two_ways=two_ways, dropout=dropout, relative=config.relative,
    )  # fmt: skip


GATES: dict[type[nn.RNNBase], int] = {RNN: 1, LSTM: 4, GRU: 3}


def recipe(shapes: Shapes) -> Recipe:
    """How recurrent networks are trained best; see the families' docstrings for what it reached."""
    return Recipe(epochs=30, lr=4e-3) if shapes.task == "forecasting" else Recipe(epochs=20, lr=4e-3)
