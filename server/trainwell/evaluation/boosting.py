"""Gradient-boosted trees on a table: what a network has to be measured by.

Grinsztajn et al. 2022 (arXiv 2207.08815) find them ahead of networks on tables of medium size. LightGBM (Ke et al.
2017) is taken where it is installed, else scikit-learn's HistGradientBoosting, which is modelled on it. One thread:
boosting meets a barrier at every leaf, and beside a busy neighbour two threads took 25 times as long as one.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from trainwell.data.table.columns_again import PlainColumns
    from trainwell.evaluation.metrics import Floats

# Package -> what it is called, and the file that speaks to it, the better one first.
_LIBRARIES = {
    "lightgbm": ("LightGBM", "trainwell.evaluation.boosted_lightgbm"),
    "scikit-learn": ("scikit-learn's HistGradientBoosting", "trainwell.evaluation.boosted_sklearn"),
}
INSTALL = "pip install 'trainwell[trees]'"
LEARNING_RATE = 0.1
MOST_ROUNDS = 1000
PATIENCE = 30  # rounds without a better validation loss


@dataclass(frozen=True)
class Rows:
    """Rows to learn from or to stop by: columns, and a target of class numbers, of 0 and 1, or of values, (rows,)."""

    columns: PlainColumns
    target: NDArray[Any]


@dataclass(frozen=True)
class Forest:
    """What was grown.

    Attributes:
        outputs: For each set of rows that was asked for, margins (rows, K): log odds up to a constant for K classes
            (K = 1: of the second of two), or values.
        rounds: How many trees deep, at the best validation loss.
        hurried: Whether the time was up before the validation loss stopped falling.
    """

    outputs: list[Floats]
    rounds: int
    hurried: bool


class Library(Protocol):
    """What a file for a library offers."""

    def grow(self, train: Rows, stop_by: Rows, asked: Sequence[PlainColumns], classes: int, deadline: float) -> Forest:
        """Learn, stop by the validation loss, and say the margins of the rows asked for.

        Args:
            train: Rows to learn from.
            stop_by: Rows whose loss decides how many rounds are kept.
            asked: Rows to predict.
            classes: 2 or more; 0 for values.
            deadline: `time.monotonic()` after which no round begins.
        """
        ...


def installed() -> dict[str, str]:
    """How a sentence calls each library that is here, with its version, by its package, the better one first."""
    found: dict[str, str] = {}
    for package, (told, _) in _LIBRARIES.items():
        with suppress(PackageNotFoundError):
            found[package] = f"{told} {version(package)}"
    return found


def load(package: str) -> Library | None:
    """The library, whose import takes a second or more; None where it cannot be loaded."""
    try:
        return cast("Library", import_module(_LIBRARIES[package][1]))
    except (ImportError, OSError):  # a shared library that it needs is not there
        return None


def in_time(deadline: float) -> bool:
    """Whether another round may begin."""
    return time.monotonic() < deadline
