"""A plain stack of layers behind one or more inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections import OrderedDict


class Stack(nn.Sequential):
    """Layers one behind the other; the state dict has their names without a prefix.

    Args:
        entry: From the inputs to what the first layer takes.
        layers: The layers by name.
    """

    def __init__(self, entry: nn.Module, layers: OrderedDict[str, nn.Module]) -> None:
        super().__init__()
        self.add_module("entry", entry)
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, *inputs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Map inputs (B, ...) to the last layer's output."""
        entry, *layers = self._modules.values()
        x = entry(*inputs)  # pyright: ignore[reportOptionalCall]
        for layer in layers:
            x = layer(x)  # pyright: ignore[reportOptionalCall]
        return x
