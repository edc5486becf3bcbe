"""Every row of a split with its truth, its prediction and its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.evaluation.outputs import check_inputs, outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import nn

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import SplitArrays
    from trainwell.evaluation.metrics import Bools, Floats, Ints
    from trainwell.evaluation.tasks import Judge


@dataclass(frozen=True)
class Scored:
    """The rows that could be judged, in the order of the split.

    Attributes:
        places: (B,) their places in the split.
        rows: (B,) their row numbers in the source.
        loss: (B,) what the worst rows are found by; NaN where the outputs are not finite.
        columns: What the task's judge keeps of each row besides; every array is (B, ...).
        left_out: How many rows had no usable target.
    """

    places: Ints
    rows: Ints
    loss: Floats
    columns: dict[str, NDArray[Any]]
    left_out: int

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def finite(self) -> Bools:
        """Which rows have finite outputs, (B,)."""
        return np.isfinite(self.loss)


def score_rows(module: nn.Module, prepared: PreparedData, arrays: SplitArrays, judge: Judge) -> Scored:
    """Send a split through the network once; of the outputs only what judging needs is kept.

    Raises:
        TrainwellError: `wrong_input_shape`, or `no_labelled_rows` when no row has a usable target.
    """
    check_inputs(prepared, arrays.inputs)
    usable = judge.begin(arrays.target)
    if not usable.any():
        raise TrainwellError(
            "no_labelled_rows",
            "No row of this split has a target that the network knows, so there is nothing to judge.",
            argument="split",
            hint="Take another split, or use predict.",
        )
    return _scored(judge, arrays, usable, outputs(module, arrays.inputs))


def score_outputs(judge: Judge, arrays: SplitArrays, raw: Floats) -> Scored:
    """The same rows by another model's outputs, (rows, outputs); some row has a usable target."""
    return _scored(judge, arrays, judge.begin(arrays.target), iter([raw]))


def _scored(judge: Judge, arrays: SplitArrays, usable: Bools, batches: Iterator[Floats]) -> Scored:
    parts: list[dict[str, NDArray[Any]]] = []
    start = 0
    for raw in batches:
        stop = start + len(raw)
        inside = usable[start:stop]
        inputs = [array[start:stop][inside] for array in arrays.inputs]
        parts.append(judge.score(raw[inside], inputs, np.asarray(arrays.target[start:stop])[inside]))
        start = stop
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    places = np.flatnonzero(usable)
    return Scored(
        places=places,
        rows=np.array(arrays.rows)[places],
        loss=columns.pop("loss"),
        columns=columns,
        left_out=len(usable) - len(places),
    )
