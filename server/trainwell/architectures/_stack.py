"""A plain stack of layers behind one or more inputs."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections import OrderedDict

    from trainwell.contract.specs import Shapes


class Stack(nn.Sequential):
    """Layers one behind the other; the state dict has their names without a prefix.

    Args:
        layers: The layers by name.
        flat: Flatten each input to (B, F) and put them side by side first. Without it a single input keeps its shape.
    """

    def __init__(self, layers: OrderedDict[str, nn.Module], *, flat: bool) -> None:
        super().__init__(layers)
        self.flat = flat

    def forward(self, *inputs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Map inputs (B, ...) to the last layer's output; whole numbers are taken as float32."""
        x = inputs[0] if len(inputs) == 1 and not self.flat else join(inputs)
        x = x if x.is_floating_point() else x.float()
        for layer in self._modules.values():
            x = layer(x)  # pyright: ignore[reportOptionalCall]
        return x


def join(inputs: tuple[Tensor, ...]) -> Tensor:
    """Flatten inputs (B, ...) and put them side by side.

    Returns: (B, F).
    """
    flat = [x.flatten(1) if x.ndim > 1 else x.unsqueeze(1) for x in inputs]
    return flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)


def num_features(shapes: Shapes) -> int:
    """Numbers per row over all inputs.

    Raises:
        TrainwellError: `no_inputs`, when a row has none.
    """
    features = sum(prod(spec.shape) for spec in shapes.inputs)
    if features < 1:
        raise TrainwellError(
            "no_inputs",
            "The prepared data has no input values, so there is nothing to learn from.",
            argument="data",
            hint="Prepare the data again with more columns.",
        )
    return features
