"""What a network says: batches through it in evaluation mode, and its outputs as classes or values."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from trainwell.contract.specs import PreparedData

Array = NDArray[Any]
MOST_ROWS = 4096
MOST_VALUES = 8_000_000  # input numbers in a batch: 32 MB
NO_CLASS = -1  # the class number of a row whose outputs are not finite


def predict(module: nn.Module, prepared: PreparedData, inputs: Sequence[Array]) -> dict[str, Any]:
    """Predict rows that were encoded as the training rows were.

    Args:
        module: The network; its mode and device stay as they are.
        prepared: The data that it was trained on.
        inputs: One (B, ...) array for each of `prepared.inputs`.

    Returns: `predictions`, a list of B class names or of B values in the target's own units, None where the outputs
        are not finite; `not_finite`, how many those are; for classification also `classes`, (B,) int64 class numbers
        with -1 for None, and `probabilities`, (B, K) float32.

    Raises:
        TrainwellError: `wrong_input_shape`.
    """
    check_inputs(prepared, inputs)
    raw = np.concatenate([np.zeros((0, prepared.num_outputs)), *outputs(module, inputs)])
    if prepared.task == "regression":
        values: list[float] = in_own_units(raw, prepared).tolist()
        told = [value if math.isfinite(value) else None for value in values]
        return {"predictions": told, "not_finite": told.count(None)}
    classes = chosen_classes(raw)
    numbers: list[int] = classes.tolist()
    return {
        "predictions": [prepared.classes[number] if number != NO_CLASS else None for number in numbers],
        "not_finite": numbers.count(NO_CLASS),
        "classes": classes,
        "probabilities": np.exp(log_probabilities(raw)).astype(np.float32),
    }


def outputs(module: nn.Module, inputs: Sequence[Array]) -> Iterator[NDArray[np.float64]]:
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


def log_probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log softmax over classes, (b, K) to (b, K); rows of NaN stay so."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def chosen_classes(logits: NDArray[np.float64]) -> NDArray[np.int64]:
    """The class of the largest logit (b,), or -1 in rows of NaN."""
    return np.where(np.isnan(logits[:, 0]), NO_CLASS, logits.argmax(axis=1))


def in_own_units(raw: NDArray[np.float64], prepared: PreparedData) -> NDArray[np.float64]:
    """Regression outputs (b, 1) as values of the target (b,)."""
    return raw[:, 0] * prepared.target_std + prepared.target_mean


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
