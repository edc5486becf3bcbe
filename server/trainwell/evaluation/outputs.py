"""A network's raw outputs: batches through it in evaluation mode, without gradients."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainwell.contract.errors import TrainwellError
from trainwell.evaluation.metrics import Floats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from trainwell.contract.specs import PreparedData

Array = NDArray[Any]
MOST_ROWS = 4096
MOST_VALUES = 8_000_000  # input numbers in a batch: 32 MB


def outputs(module: nn.Module, inputs: Sequence[Array]) -> Iterator[Floats]:
    """Raw outputs (b, K) of the network, batch by batch, in evaluation mode and without gradients.

    A row with any output that is not finite is NaN throughout.
    """
    total = len(inputs[0]) if inputs else 0
    values_per_row = sum(array[:1].size for array in inputs)
    step = max(1, min(MOST_ROWS, MOST_VALUES // max(values_per_row, 1)))
    parameter = next(module.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    was_training = module.training
    module.eval()
    try:
        for start in range(0, total, step):
            # Copied, because torch must not be handed read-only memory.
            batch = [torch.from_numpy(np.array(array[start : start + step])).to(device) for array in inputs]
            with torch.inference_mode():
                result = module(*batch)
            raw = result.to("cpu", torch.float64, copy=True).numpy()
            raw[~np.isfinite(raw).all(axis=1)] = np.nan
            yield raw
    finally:
        module.train(was_training)


def check_inputs(prepared: PreparedData, inputs: Sequence[Array]) -> None:
    """Refuse inputs that the network was not made for.

    Raises:
        TrainwellError: `wrong_input_shape`.
    """
    wanted = [spec.shape for spec in prepared.inputs]
    given = [tuple(array.shape[1:]) for array in inputs]
    if wanted != given:
        raise TrainwellError(
            "wrong_input_shape",
            f"The network takes rows of {_told(wanted)}; it was given {_told(given)}.",
            got=given,
            allowed=wanted,
            hint="Encode the rows with the data that the run was trained on.",
        )


def _told(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(" x ".join(map(str, shape)) or "one value" for shape in shapes) or "nothing"
