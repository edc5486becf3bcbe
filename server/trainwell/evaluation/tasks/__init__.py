"""How each task is judged and answered: one file a task, named as the task is, with a class `Judge`.

A judge sees the outputs of a network once, batch by batch, and keeps of each row what it needs (`score`). From these
columns it makes metrics with intervals, a baseline on the same rows, what is told of a row, and a picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainwell.contract.specs import PreparedData
    from trainwell.evaluation.metrics import Bools, Floats, Interval, Ints
    from trainwell.evaluation.numbers import Statistics
    from trainwell.evaluation.scored import Scored

    Array = NDArray[Any]
    Intervals = dict[str, Interval | None]
    # From numbers of scored rows to their inputs and raw outputs, for a picture that shows single rows.
    Look = Callable[[Ints], tuple[Sequence[Array], Floats]]


@dataclass(frozen=True)
class Summary:
    """The metrics of a split.

    Attributes:
        values: By name; None where these rows do not define one.
        intervals: 95 % intervals of some of them; None where the rows say nothing about the spread.
        method: How the intervals were made, in words.
    """

    values: Statistics
    intervals: Intervals
    method: str


@dataclass(frozen=True)
class Predicted:
    """What a network says of some rows.

    Attributes:
        predictions: One a row, in the words and units of the data; None where the outputs are not finite.
        columns: The same for a file: equally long lists or arrays by name, `per_row` of them for each row.
        confidence: Of each prediction, 0 to 1, where the task has such a number; of each label given, a list a row.
        not_finite: Rows whose outputs are not finite.
        per_row: Lines of `columns` that belong to one row (the steps of a forecast).
    """

    predictions: list[Any]
    columns: dict[str, Any]
    confidence: list[Any] | None = None
    not_finite: int = 0
    per_row: int = 1
    notes: list[str] = field(default_factory=list[str])


class SliceMeasure(Protocol):
    """The score of some of the rows."""

    def __call__(self, inside: Bools) -> tuple[float | None, Interval | None]:
        """The score of the rows that `inside` (B,) marks, and its 95 % interval."""
        ...


@dataclass(frozen=True)
class Slicing:
    """What parts of the rows are compared by."""

    metric: str
    higher_is_better: bool
    measure: SliceMeasure


class Judge(Protocol):
    """What a task's file offers as `Judge(prepared)`; the instance serves one split or one prediction.

    `broken` says what rows whose outputs are not finite do to the metrics; `pictures` are the kinds that it draws, the
    main one first.
    """

    broken: str
    pictures: tuple[str, ...]

    def begin(self, target: Array) -> Bools:
        """See the targets of the whole split before anything else. Returns: which rows can be judged, (B,)."""
        ...

    def score(self, raw: Floats, inputs: Sequence[Array], target: Array) -> dict[str, Array]:
        """The columns of one batch, `loss` among them. raw: (b, K), NaN throughout a row that is not finite."""
        ...

    def summary(self, scored: Scored) -> Summary:
        """Metrics with intervals."""
        ...

    def baseline(self, scored: Scored, summary: Summary) -> dict[str, Any]:
        """A guess about the same rows: `metric`, `value`, `how`, and `beaten` (clearly, by the interval)."""
        ...

    def details(self, scored: Scored) -> dict[str, Any]:
        """Further parts of the report: by class, label, column or step."""
        ...

    def row(self, scored: Scored, index: int) -> dict[str, Any]:
        """What is told of one row."""
        ...

    def notes(self, scored: Scored, told: dict[str, Any]) -> list[str]:
        """Why a metric is null, and what else a reader must know. told: the report's metrics."""
        ...

    def slicing(self, scored: Scored) -> Slicing:
        """How slices are scored."""
        ...

    def predicted(self, raw: Floats, inputs: Sequence[Array]) -> Predicted:
        """Outputs as predictions."""
        ...

    def draw(self, kind: str, scored: Scored, look: Look, path: Path, title: str) -> None:
        """A picture of the scores, of one of `pictures`."""
        ...


def judge(prepared: PreparedData) -> Judge:
    """The judge of the data's task."""
    made: Judge = import_module(f"{__name__}.{prepared.task}").Judge(prepared)
    return made
