"""Every row of a split with its truth, its prediction and its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.evaluation.metrics import Bools, Floats, Ints
from trainwell.evaluation.predict import check_inputs, chosen_classes, in_own_units, log_probabilities, outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import SplitArrays


@dataclass(frozen=True)
class Scored:
    """The rows that could be judged, in the order of the split; every array is (B,).

    Attributes:
        places: Their places in the split.
        rows: Their row numbers in the source.
        true: Class numbers (int64), or values in the target's own units (float64).
        predicted: As `true`; -1 or NaN where the outputs are not finite.
        loss: Cross entropy in nats, or the squared error in squared units; NaN where the outputs are not finite.
        probability: Of the predicted class; empty for regression.
        odds: Log odds of the second class, for two classes only; empty otherwise.
        left_out: How many rows had no usable target.
    """

    places: Ints
    rows: Ints
    true: NDArray[Any]
    predicted: NDArray[Any]
    loss: Floats
    probability: Floats
    odds: Floats
    left_out: int

    @property
    def finite(self) -> Bools:
        """Which rows have finite outputs, (B,)."""
        return np.isfinite(self.loss)


def score_rows(module: nn.Module, prepared: PreparedData, arrays: SplitArrays) -> Scored:
    """Send a split through the network once; of the outputs only what judging needs is kept.

    Raises:
        TrainwellError: `wrong_input_shape`, or `no_labelled_rows` when no row has a usable target.
    """
    check_inputs(prepared, arrays.inputs)
    target = np.array(arrays.target)
    usable = _usable(prepared, target)
    if not usable.any():
        raise TrainwellError(
            "no_labelled_rows",
            "No row of this split has a target that the network knows, so there is nothing to judge.",
            argument="split",
            hint="Take another split, or use predict.",
        )
    parts: list[tuple[Any, Any, Floats, Floats]] = []
    start = 0
    for raw in outputs(module, arrays.inputs):
        inside = usable[start : start + len(raw)]
        parts.append(_part(prepared, raw[inside], target[start : start + len(raw)][inside]))
        start += len(raw)
    predicted, loss, probability, odds = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    places = np.flatnonzero(usable)
    true = target[places] if prepared.task == "classification" else _own(target[places], prepared)
    return Scored(
        places=places,
        rows=np.array(arrays.rows)[places],
        true=true,
        predicted=predicted,
        loss=loss,
        probability=probability,
        odds=odds,
        left_out=len(target) - len(places),
    )


def _usable(prepared: PreparedData, target: NDArray[Any]) -> Bools:
    if prepared.task == "regression":
        return np.isfinite(target)
    return (target >= 0) & (target < len(prepared.classes))


def _own(target: NDArray[Any], prepared: PreparedData) -> Floats:
    return in_own_units(target.astype(np.float64)[:, None], prepared)


def _part(prepared: PreparedData, raw: Floats, target: NDArray[Any]) -> tuple[Any, Any, Floats, Floats]:
    """Predicted, loss, probability and odds of one batch."""
    nothing: Floats = np.zeros(0)
    if prepared.task == "regression":
        predicted = in_own_units(raw, prepared)
        return predicted, np.square(predicted - _own(target, prepared)), nothing, nothing
    logs = log_probabilities(raw)
    loss = -logs[np.arange(len(raw)), target]
    odds = raw[:, 1] - raw[:, 0] if raw.shape[1] == 2 else nothing
    return chosen_classes(raw), loss, np.exp(logs.max(axis=1)), odds
