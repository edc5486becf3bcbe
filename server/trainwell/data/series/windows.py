"""Windows over time: which of them train, validate and test, without a look ahead.

Two times cut the table: the targets of training windows lie before the first, those of validation windows between the
two, those of test windows behind the second. A window whose target crosses a cut is left out. The past that a
validation or test window is given may reach back before a cut, as it would when forecasting: values that are known by
then. So no value that validation or test ask for is seen in training, neither as input nor as target, nor in what is
fitted on the training time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.data.parts import Array
from trainwell.data.series import span

if TYPE_CHECKING:
    from trainwell.data.series.grid import Grid


def cut_times(times: Array, validation_fraction: float, test_fraction: float) -> tuple[float, float]:
    """The times that validation and test begin with, so that they have their shares of the rows. times: (n,)."""
    ordered = np.sort(times)
    count = len(ordered)
    test = ordered[min(count - 1, round(count * (1 - test_fraction)))]
    validation = ordered[min(count - 1, round(count * (1 - test_fraction - validation_fraction)))]
    return float(validation), float(test)


def origins(
    grid: Grid, known: Array, cuts: tuple[float, float], *, window: int, horizon: int, stride: int
) -> dict[str, Array]:
    """The first step to forecast of every window, by split.

    Args:
        grid: The steps of all groups.
        known: (R,) whether the target of a step is known; windows with an unknown one in their target are left out.
        cuts: See `cut_times`.
        window: Steps of the past.
        horizon: Steps to forecast.
        stride: Steps between windows.
    """
    total = np.r_[0, np.cumsum(known)]
    found: dict[str, list[Array]] = {"train": [], "validation": [], "test": []}
    for start, end in zip(grid.starts[:-1], grid.starts[1:], strict=True):
        origin = span(start + window, end - horizon + 1)
        origin = origin[total[origin + horizon] - total[origin] == horizon]
        first, last = grid.times[origin], grid.times[origin + horizon - 1]
        parts: dict[str, Array] = {
            "train": origin[last < cuts[0]],
            "validation": origin[(first >= cuts[0]) & (last < cuts[1])],
            "test": origin[first >= cuts[1]],
        }
        for split, places in parts.items():
            found[split].append(places[::stride])
    return {split: np.concatenate(places) for split, places in found.items()}


def require_windows(parts: dict[str, Array], window: int, horizon: int) -> None:
    """Every split has windows.

    Raises:
        TrainwellError: `too_few_windows`.
    """
    empty = [split for split, places in parts.items() if not len(places)]
    if empty:
        raise TrainwellError(
            "too_few_windows",
            f"No window of {window} past and {horizon} future steps fits into the {' and '.join(empty)} time.",
            argument="options/window" if "train" in empty else "options/horizon",
            got=window if "train" in empty else horizon,
            hint="Take a shorter window or horizon, a larger validation_fraction or test_fraction, or more rows.",
        )
