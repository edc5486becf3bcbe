"""What is to be predicted of each image: its folder, a column of its table, or an array beside the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Baseline, Task, Warned
from trainwell.contract.text import quoted
from trainwell.data import target as targets
from trainwell.data.array.labels import encode_labels, learn_labels
from trainwell.data.image.found import CLASS, Found
from trainwell.data.image.marks import Marks, read_marks, split_labels
from trainwell.data.image.tables import candidates, target_of
from trainwell.data.table.columns import recognise
from trainwell.data.table.labels import LabelReader, read_target
from trainwell.data.table.names import require
from trainwell.data.target import Target

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import Array, Request
    from trainwell.data.splits import Rows


@dataclass(frozen=True)
class Labels:
    """The target of every usable image; exactly one of `target` and `marks`, or neither for reconstruction.

    Attributes:
        name: What is predicted.
        target: Classes or values.
        marks: Which labels apply.
        reading: How new rows are read, as JSON; see `read_labels`.
    """

    name: str
    target: Target | None = None
    marks: Marks | None = None
    reading: dict[str, Any] | None = None

    @property
    def task(self) -> Task:
        """What is learnt."""
        if self.target is not None:
            return self.target.task
        return "reconstruction" if self.marks is None else "multilabel"

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes or labels by number."""
        return self.target.classes if self.target is not None else () if self.marks is None else self.marks.classes

    @property
    def notes(self) -> list[str]:
        """What was decided."""
        note = self.target.note if self.target is not None else self.marks.note if self.marks is not None else None
        return [note] if note else []

    def strata(self, split: str) -> Rows | None:
        """What the split is stratified by."""
        if self.target is not None:
            return targets.groups_for(self.target, split)
        return None if self.marks is None or split == "random" else self.marks.rarest()

    def scaling(self, train: Rows) -> tuple[float, float]:
        """Mean and deviation of a value; (0, 1) for everything else."""
        return (0.0, 1.0) if self.target is None else targets.scaling_of(self.target, train)

    def encoded(self, rows: Rows, mean: float, deviation: float) -> Array:
        """The target of some rows as training takes it."""
        if self.target is not None:
            return targets.encoded(self.target, rows, mean, deviation)
        assert self.marks is not None  # noqa: S101 - reconstruction has the pixels themselves
        return self.marks.values[rows]

    def counts(self) -> tuple[int, ...]:
        """Rows of each class or label."""
        if self.target is not None:
            return targets.class_counts(self.target)
        return () if self.marks is None else tuple(int(count) for count in self.marks.values.sum(0))

    def baseline(self, splits: dict[str, Rows]) -> Baseline | None:
        """The score of a guess; None for reconstruction."""
        if self.target is not None:
            return targets.baseline_of(self.target, splits)
        return None if self.marks is None else self.marks.baseline(splits)

    def suspicions(self, splits: dict[str, Rows] | None) -> list[Warned]:
        """What deserves a second look."""
        return [] if self.target is None else targets.suspicions(self.target, splits)


def learn(found: Found, places: Rows, request: Request, warnings: list[Warned]) -> tuple[Labels, Rows]:
    """Understand the target.

    Args:
        found: The images.
        places: Those that can be read.
        request: Says what is wanted.
        warnings: Rows without a target are added here.

    Returns: The target of the images that have one, and their places.

    Raises:
        TrainwellError: `missing_target`, `missing_column`, or what was wrong with the target.
    """
    if request.task == "reconstruction":
        return Labels("the image itself"), places
    if request.targets:
        return _columns_of_marks(found, places, request)
    if found.origin == "folder":
        return _class_folders(found, places, request), places
    if found.origin == "arrays":
        return _array(found, places, request, warnings)
    return _column(found, places, request, warnings)


def read_labels(prepared: PreparedData, found: Found, places: Rows) -> Array | None:
    """The target of new images as it was for training; None where the source does not tell it.

    Missing and unknown ones are -1, or NaN for values and marks.
    """
    reading: dict[str, Any] = prepared.encoding["target"]
    if prepared.task == "reconstruction":
        return None
    if found.origin == "arrays":
        return None if found.labels is None else encode_labels(prepared, found.labels[places])
    names = reading.get("columns") or [reading["name"]]
    if not set(names) <= set(found.known.columns):
        return None
    frame = found.known[places]
    if "reading" not in reading and prepared.task == "classification":
        numbers = {label: number for number, label in enumerate(prepared.classes)}
        return np.array([numbers.get(label, -1) for label in frame[reading["name"]]], np.int64)
    if prepared.task == "multilabel":
        return read_marks(frame, reading, prepared.classes)
    values = read_target(frame[reading["name"]], reading["reading"], prepared.classes)
    if prepared.task == "regression":
        return ((values - prepared.target_mean) / prepared.target_std).astype(np.float32)
    return values


def _class_folders(found: Found, places: Rows, request: Request) -> Labels:
    if CLASS not in found.known.columns:
        raise TrainwellError(
            "missing_target", "The images lie in no class folders, so nothing tells what to predict.",
            argument="source", allowed="source/CLASS/image, or a table with a column of paths and one of labels",
            hint="Put each class into a folder of its own; or pass task: reconstruction to learn without labels.",
        )  # fmt: skip
    if request.target not in (None, CLASS):
        require([request.target or ""], [CLASS], "target")
    if request.task not in ("auto", "classification"):
        raise TrainwellError(
            "target_not_numeric", f"Folders are classes; {request.task} needs a table of paths and targets.",
            argument="task", got=request.task, allowed=["auto", "classification", "reconstruction"],
        )  # fmt: skip
    names, codes = np.unique(found.known[CLASS].gather(places).to_numpy(), return_inverse=True)
    target = targets.class_target(CLASS, [str(name) for name in names], codes.astype(np.int64), "classification")
    return Labels(CLASS, target, reading={"name": CLASS})


def _array(found: Found, places: Rows, request: Request, warnings: list[Warned]) -> tuple[Labels, Rows]:
    if found.labels is None:
        raise targets.no_target([], [], None)
    name, labels = found.keys[1], found.labels[places]
    if labels.ndim == 2:
        return Labels(name, marks=Marks.of_matrix(labels), reading={"name": name}), places
    target, rows = learn_labels(name, labels, request.task, warnings)
    return Labels(name, target, reading={"name": name}), places[rows]


def _column(found: Found, places: Rows, request: Request, warnings: list[Warned]) -> tuple[Labels, Rows]:
    name = target_of(found.known, found.image, request.target)
    raw = found.known[name].gather(places)
    separator = split_labels(raw, request.task)
    if separator is not None:
        marks, rows = Marks.of_cells(raw, separator)
        return Labels(name, marks=marks, reading={"name": name, "separator": separator}), places[rows]
    column, values = recognise(raw)
    if column.first_unread is not None:
        row, cell = column.first_unread
        raise TrainwellError(
            "mixed_target", f"The target reads as a {column.kind}, but not in {column.unread} cells, first in row "
            f"{int(places[row]) + 1}.", argument="target", got=cell, hint="Mend these cells, or leave them empty.",
        )  # fmt: skip
    warnings += targets.check_present(name, column.missing - column.infinite, column.infinite, len(values))
    known = values.is_not_null().to_numpy()
    reader = LabelReader.fit(column, values.filter(values.is_not_null()), request.task)
    return Labels(name, reader.target, reading=reader.reading()), places[known]


def _columns_of_marks(found: Found, places: Rows, request: Request) -> tuple[Labels, Rows]:
    if found.origin != "table" or request.task not in ("auto", "multilabel"):
        raise TrainwellError(
            "not_for_this_kind", "Several target columns are for multilabel images of a table.", argument="targets",
            got=list(request.targets), hint="Leave targets out.",
        )  # fmt: skip
    require(request.targets, [name for name in found.known.columns if name != found.image], "targets")
    frame = found.known.select(request.targets)[places]
    marks = Marks.of_columns(frame, request.targets)
    shown = ", ".join(quoted(name, 40) for name in request.targets[:5])
    reading = {"name": shown, "columns": list(request.targets)}
    return Labels(shown, marks=marks, reading=reading), places


def left_aside(found: Found, labels: Labels) -> list[str]:
    """The columns of a table that are neither the image nor the target, for a note."""
    used = {found.image, labels.name, *((labels.reading or {}).get("columns") or ())}
    others = [quoted(name, 40) for name in found.known.columns if name not in used]
    if found.origin != "table" or not others:
        return []
    return [f"Columns that are not used: {', '.join(others[:8])}{', ...' if len(others) > 8 else ''}."]


def likely_targets(found: Found) -> list[str]:
    """What may be predicted, the likeliest first."""
    if found.origin == "table":
        return candidates(found.known, found.image)
    if found.origin == "arrays":
        return [found.keys[1]] if found.labels is not None else []
    return [CLASS] if CLASS in found.known.columns else []
