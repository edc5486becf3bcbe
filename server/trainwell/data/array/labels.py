"""The target of array files: numbers, booleans or text, one a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.data import target as targets
from trainwell.data.multilabel import check_labels
from trainwell.data.parts import Array
from trainwell.data.target import Target

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData, Warned
    from trainwell.data.splits import Rows


def learn_labels(name: str, labels: Array, task: str, found: list[Warned]) -> tuple[Target, Rows]:
    """The target of the rows that have one, and their numbers; (N, K) of 0 and 1 are K labels."""
    if labels.ndim == 2:
        flags = labels.astype(np.uint8)
        classes = tuple(map(str, range(flags.shape[1])))
        check_labels(name, classes, flags)
        note = f"The target's {len(classes)} columns of 0 and 1 are taken as labels of which any number applies."
        return Target(name, "multilabel", flags, classes, note), np.arange(len(flags), dtype=np.int64)
    if task == "multilabel":
        raise TrainwellError(
            "not_multilabel", "The target holds one value a row.", argument="task", got=task,
            allowed="an array (N, K) of 0 and 1",
        )  # fmt: skip
    if labels.dtype.kind in "US":
        texts = labels.astype(str)
        rows = np.flatnonzero(texts != "").astype(np.int64)
        found += targets.check_present(name, len(labels) - len(rows), 0, len(labels))
        classes, codes = np.unique(texts[rows], return_inverse=True)
        return targets.class_target(name, [str(label) for label in classes], codes.astype(np.int64), task), rows
    values = labels.astype(np.float64)
    infinite, known = int(np.isinf(values).sum()), ~np.isnan(values)
    found += targets.check_present(name, int((~known).sum()), infinite, len(values))
    rows = np.flatnonzero(known).astype(np.int64)
    return targets.number_target(name, values[rows], "classification" if labels.dtype == np.bool_ else task), rows


def encode_labels(prepared: PreparedData, labels: Array) -> Array:
    """The target of new rows as it was for training; -1 or NaN where it is missing or of no known class."""
    if prepared.task == "multilabel":
        known = labels.ndim == 2 and labels.shape[1] == len(prepared.classes)
        return labels.astype(np.float32) if known else np.full((len(labels), len(prepared.classes)), np.nan, np.float32)
    if prepared.task == "regression":
        values = np.full(len(labels), np.nan) if labels.dtype.kind in "US" else labels.astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        return ((values - prepared.target_mean) / prepared.target_std).astype(np.float32)
    if labels.dtype.kind in "US":
        texts = [str(label) for label in labels]
    else:
        texts = [targets.number_label(float(value)) for value in labels.astype(np.float64)]
    numbers = {label: number for number, label in enumerate(prepared.classes)}
    return np.array([numbers.get(text, -1) for text in texts], np.int64)
