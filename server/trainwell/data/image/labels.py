"""What is to be predicted of each image: its folder, a column of its table, or an array beside the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data import target as targets
from trainwell.data.array.labels import encode_labels, learn_labels
from trainwell.data.image.found import CLASS, Found
from trainwell.data.image.tables import candidates, target_of
from trainwell.data.table.columns import recognise
from trainwell.data.table.labels import read_target, understand
from trainwell.data.table.multilabel import fit_columns
from trainwell.data.table.names import require
from trainwell.data.target import Target

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData, Warned
    from trainwell.data.parts import Array, Request
    from trainwell.data.splits import Rows

ITSELF = "the image itself"


@dataclass(frozen=True)
class Labels:
    """The target of every usable image.

    Attributes:
        target: What is learnt; without values for reconstruction.
        reading: How new rows are read, as JSON; see `read_labels`.
    """

    target: Target
    reading: dict[str, Any]


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
        return Labels(Target(ITSELF, "reconstruction", np.zeros((len(places), 0), np.uint8)), {"name": ITSELF}), places
    if request.targets:
        return _flag_columns(found, places, request)
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
    frame = found.known[places]
    if prepared.task == "classification" and "reading" not in reading:
        if reading["name"] not in frame.columns:
            return None
        numbers = {label: number for number, label in enumerate(prepared.classes)}
        return np.array([numbers.get(label, -1) for label in frame[reading["name"]]], np.int64)
    return read_target(prepared, frame)


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
    return Labels(target, {"name": CLASS})


def _array(found: Found, places: Rows, request: Request, warnings: list[Warned]) -> tuple[Labels, Rows]:
    if found.labels is None:
        raise targets.no_target([], [], None)
    name = found.keys[1]
    target, rows = learn_labels(name, found.labels[places], request.task, warnings)
    return Labels(target, {"name": name}), places[rows]


def _column(found: Found, places: Rows, request: Request, warnings: list[Warned]) -> tuple[Labels, Rows]:
    name = target_of(found.known, found.image, request.target)
    column, values = recognise(found.known[name].gather(places))
    if column.first_unread is not None:
        row, cell = column.first_unread
        raise TrainwellError(
            "mixed_target", f"The target reads as a {column.kind}, but not in {column.unread} cells, first in row "
            f"{int(places[row]) + 1}.", argument="target", got=cell, hint="Mend these cells, or leave them empty.",
        )  # fmt: skip
    missing = values.null_count() - column.infinite
    warnings += targets.check_present(name, missing, column.infinite, len(values))
    known = values.is_not_null()
    present, kept = values.filter(known), places[known.to_numpy()]
    reader = understand(column, present, request.task)
    return Labels(reader.target, reader.reading), kept


def _flag_columns(found: Found, places: Rows, request: Request) -> tuple[Labels, Rows]:
    if found.origin != "table" or request.task not in ("auto", "multilabel"):
        raise TrainwellError(
            "not_for_this_kind", "Several target columns are for multilabel images of a table.", argument="targets",
            got=list(request.targets), hint="Leave targets out.",
        )  # fmt: skip
    require(request.targets, [name for name in found.known.columns if name != found.image], "targets")
    read = [recognise(found.known[name].gather(places)) for name in request.targets]
    known = np.logical_and.reduce([values.is_not_null().to_numpy() for _, values in read])
    target, reading = fit_columns(
        [column for column, _ in read], [values.filter(pl.Series(known)) for _, values in read]
    )
    return Labels(target, reading), places[known]


def left_aside(found: Found, labels: Labels) -> list[str]:
    """The columns of a table that are neither the image nor the target, for a note."""
    flags: list[dict[str, Any]] = labels.reading.get("labels") or []
    used = {found.image, labels.target.name, *(one["name"] for one in flags)}
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
