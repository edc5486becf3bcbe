"""Several labels of one image: as columns of 0 and 1, as lists, or as words in one cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Baseline
from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.data.parts import Array
    from trainwell.data.splits import Rows

SEPARATORS = ("|", ";", ",", " ")
# Without being asked only these are taken for separators, where this share of the cells has them.
_PLAIN_SEPARATORS, _SEPARATED_SHARE = ("|", ";"), 0.05
MOST_LABELS = 1000
_YES = {"1", "1.0", "true", "yes"}
_NO = {"0", "0.0", "false", "no", ""}


@dataclass(frozen=True)
class Marks:
    """Which labels apply to each row: `values` (rows, K) float32, 0 or 1."""

    classes: tuple[str, ...]
    values: np.ndarray[Any, np.dtype[np.float32]]
    note: str | None = None

    @classmethod
    def of_matrix(cls, matrix: Array) -> Marks:
        """An array of 0 and 1; labels are called by their number."""
        return cls(tuple(map(str, range(matrix.shape[1]))), matrix.astype(np.float32))._checked()

    @classmethod
    def of_columns(cls, frame: pl.DataFrame, names: Sequence[str]) -> Marks:
        """A column for each label.

        Raises:
            TrainwellError: `bad_value` where a cell is neither yes nor no.
        """
        return cls(tuple(names), _yes_or_no(frame, names, strict=True))._checked()

    @classmethod
    def of_cells(cls, cells: pl.Series, separator: str) -> tuple[Marks, Rows]:
        """Lists of labels, or labels with a separator between them; also the rows whose cell is not missing."""
        rows = np.flatnonzero(cells.is_not_null().to_numpy()).astype(np.int64)
        lists = _lists(cells.gather(rows), separator)
        counts = lists.explode().drop_nulls().value_counts().to_series(0)
        classes = sorted(str(label) for label in counts)
        if len(classes) > MOST_LABELS:
            raise TrainwellError(
                "too_many_classes", f"There are {len(classes):,} different labels.", argument="target",
                allowed=f"at most {MOST_LABELS:,}",
            )  # fmt: skip
        note = None if separator == _LISTS else f"Labels in a cell are separated by {quoted(separator)}."
        return cls(tuple(classes), _marked(lists, classes), note)._checked(), rows

    def rarest(self) -> Rows:
        """The rarest label of each row, which the split is stratified by; K where a row has none."""
        frequency = self.values.sum(0)
        rank = np.where(self.values > 0, frequency, np.inf)
        return np.where(self.values.any(1), rank.argmin(1), len(self.classes)).astype(np.int64)

    def baseline(self, splits: dict[str, Rows]) -> Baseline:
        """The F1 over all labels of all rows of the constant guess that is best on the training rows."""
        train, validation = self.values[splits["train"]], self.values[splits["validation"]]
        order = np.argsort(-train.sum(0), kind="stable")
        scores = [_f1(train, order[: number + 1]) for number in range(len(order))]
        chosen = order[: int(np.argmax(scores)) + 1]
        said = ", ".join(quoted(self.classes[place], 30) for place in chosen[:3])
        more = ", ..." if len(chosen) > 3 else ""
        return Baseline(metric="val_f1", value=_f1(validation, chosen), how=f"always says {said}{more}")

    def _checked(self) -> Marks:
        if len(self.classes) < 2:
            raise TrainwellError(
                "one_class", "There are fewer than two labels.", argument="target", allowed="at least 2 labels"
            )
        return self


def split_labels(cells: pl.Series, task: str) -> str | None:
    """The separator of several labels in one cell, `list` for lists; None where a cell holds one label."""
    if isinstance(cells.dtype, pl.List):
        return _LISTS
    if cells.dtype != pl.String or task not in {"auto", "multilabel"}:
        return None
    shares = {mark: float(cells.str.contains(mark, literal=True).mean() or 0) for mark in SEPARATORS}  # pyright: ignore[reportArgumentType]
    if task == "multilabel":
        return next((mark for mark in SEPARATORS if shares[mark]), "|")
    return next((mark for mark in _PLAIN_SEPARATORS if shares[mark] >= _SEPARATED_SHARE), None)


def read_marks(frame: pl.DataFrame, reading: dict[str, Any], classes: Sequence[str]) -> Array:
    """(rows, K) as for training; NaN throughout where a cell is missing; unknown labels are left out."""
    if "columns" in reading:
        return _yes_or_no(frame, reading["columns"], strict=False)
    cells = frame[reading["name"]]
    marked = _marked(_lists(cells.fill_null("" if cells.dtype == pl.String else []), reading["separator"]), classes)
    marked[cells.is_null().to_numpy()] = np.nan
    return marked


_LISTS = "list"


def _lists(cells: pl.Series, separator: str) -> pl.Series:
    if separator == _LISTS:
        return cells.cast(pl.List(pl.String))
    parts = cells.cast(pl.String).str.split(separator)
    return parts.list.eval(pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != ""))


def _marked(lists: pl.Series, classes: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    numbers = {label: number for number, label in enumerate(classes)}
    marked = np.zeros((len(lists), len(classes)), np.float32)
    for row, labels in enumerate(lists.to_list()):
        known = [numbers[label] for label in labels or () if label in numbers]
        marked[row, known] = 1
    return marked


def _yes_or_no(frame: pl.DataFrame, names: Sequence[str], *, strict: bool) -> np.ndarray[Any, np.dtype[np.float32]]:
    marked = np.full((frame.height, len(names)), np.nan, np.float32)
    for place, name in enumerate(names):
        words = frame[name].cast(pl.String).str.strip_chars().str.to_lowercase().fill_null("")
        yes, no = words.is_in(list(_YES)).to_numpy(), words.is_in(list(_NO)).to_numpy()
        odd = np.flatnonzero(~(yes | no))
        if strict and odd.size:
            raise TrainwellError(
                "bad_value", f"Column {quoted(name)} is not 0 or 1 in row {int(odd[0]) + 1}.", argument="targets",
                got=frame[name][int(odd[0])], allowed="0 or 1, true or false, yes or no",
            )  # fmt: skip
        marked[yes, place], marked[no, place] = 1, 0
    return marked


def _f1(true: Array, said: Rows) -> float:
    """F1 of saying the same labels of every row."""
    hits, made = float(true[:, said].sum()), len(true) * len(said)
    return 2 * hits / (made + float(true.sum())) if made + true.sum() else 0.0
