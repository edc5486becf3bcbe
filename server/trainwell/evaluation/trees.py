"""Trees beside a network: grown once for each prepared data, judged on the same rows, compared row by row."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.data import load_split
from trainwell.data.table.columns_again import columns_again, fits
from trainwell.evaluation.boosting import INSTALL, Rows, installed, load
from trainwell.store.atomic import place

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import SplitArrays
    from trainwell.data.table.columns_again import PlainColumns
    from trainwell.evaluation.boosting import Forest, Library
    from trainwell.evaluation.metrics import Floats
    from trainwell.store.workspace import Workspace

# Raise it when the same data would give other trees.
VERSION = 1
SECONDS = 8.0
# Cells to learn from: more than these are read in a time of its own before the first round.
MOST_CELLS = 20_000_000
# Labels that get a forest each.
MOST_LABELS = 20
# A label that every training row has, or none: its log odds.
_CERTAIN = 10.0


@dataclass(frozen=True)
class Trees:
    """What trees say of the rows of a split.

    Attributes:
        raw: (rows, outputs) as a network's: logits, or standardised values.
        library: Its name and version.
        rounds: Of the forest; the mean over the labels of several.
        seconds: That learning took.
        notes: What was done for want of time or memory.
    """

    raw: Floats
    library: str
    rounds: int
    seconds: float
    notes: tuple[str, ...] = ()


def trees_for(
    workspace: Workspace, own: PreparedData, judged: PreparedData, split: str, arrays: SplitArrays
) -> Trees | str | None:
    """Trees that learnt the training rows of a network's data, asked about some rows; kept for the next time.

    Args:
        workspace: Holds the prepared data, and what was said before beside it.
        own: What the network was trained on.
        judged: Where the rows come from.
        split: Of those.
        arrays: The rows, encoded as `own` says.

    Returns:
        None where trees are no comparison (no table, or the rows that they learn from), or why there are none.

    Raises:
        TrainwellError: `data_damaged` when the training rows are not in this workspace.
    """
    if not fits(own) or split == "train":
        return None
    if own.task == "multilabel" and own.num_outputs > MOST_LABELS:
        return f"No trees beside it: more than {MOST_LABELS} labels."
    folder = workspace.data_dir(own.handle)
    for package, name in installed().items():
        file = folder / f"trees-{VERSION}_{package}_{judged.handle}_{split}.npz"
        known = _read(file, name, len(arrays.target))
        if known is not None:
            return known
        found = load(package)
        if found is not None:
            grown = _grow(workspace, own, columns_again(own, arrays.inputs), found, name)
            if isinstance(grown, Trees):
                _keep(file, grown)
            return grown
    return f"No trees to compare with: neither LightGBM nor scikit-learn is installed ({INSTALL})."


def _grow(workspace: Workspace, own: PreparedData, asked: PlainColumns, found: Library, name: str) -> Trees | str:
    train, stop_by = (load_split(workspace, own, split) for split in ("train", "validation"))
    began = time.monotonic()
    most = max(1000, MOST_CELLS // max(1, asked.values.shape[1]))
    rows = np.arange(len(train.target))
    notes: tuple[str, ...] = ()
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
        notes = (f"The trees learnt {most:,} of {len(train.target):,} training rows.",)
    inputs = [array[rows] for array in train.inputs]
    learnt, held_out = columns_again(own, inputs), columns_again(own, stop_by.inputs)
    target, stop_target = np.asarray(train.target)[rows], np.asarray(stop_by.target)
    if own.task != "multilabel":
        classes = len(own.classes)
        if classes and len(np.unique(target)) < 2:
            return "No trees beside it: the training rows are of one class."
        forests: list[Forest] = [
            found.grow(Rows(learnt, target), Rows(held_out, stop_target), [asked], classes, began + SECONDS)
        ]
        raw = _as_logits(forests[0].outputs[0], classes)
    else:
        forests = []
        columns = [
            _label(found, Rows(learnt, target[:, label]), Rows(held_out, stop_target[:, label]), asked, forests, began)
            for label in range(target.shape[1])
        ]
        raw = np.stack(columns, axis=1)
    hurried = (f"The trees stopped after {SECONDS:.0f} s and might still improve.",) if _hurried(forests) else ()
    rounds = round(sum(forest.rounds for forest in forests) / max(1, len(forests)))
    return Trees(raw, name, rounds, time.monotonic() - began, (*notes, *hurried))


def _label(
    found: Library, train: Rows, stop_by: Rows, asked: PlainColumns, forests: list[Forest], began: float
) -> Floats:
    """Log odds (rows,) of one label; each of those to come has an equal share of the time that is left."""
    if train.target.min() == train.target.max():
        return np.full(len(asked.values), _CERTAIN if train.target[0] > 0 else -_CERTAIN)
    now = time.monotonic()
    share = (began + SECONDS - now) / max(1, MOST_LABELS - len(forests))
    forests.append(found.grow(train, stop_by, [asked], 2, now + max(share, 0.0)))
    return forests[-1].outputs[0][:, 0]


def _as_logits(margins: Floats, classes: int) -> Floats:
    """Margins as a network gives them: two classes have a logit each."""
    return np.concatenate([-margins / 2, margins / 2], axis=1) if classes == 2 else margins


def _hurried(forests: list[Forest]) -> bool:
    return any(forest.hurried for forest in forests)


def _keep(file: Path, trees: Trees) -> None:
    with suppress(OSError):  # a full disk keeps nobody from the answer
        place(file, lambda path: _write(path, trees))


def _write(path: Path, trees: Trees) -> None:
    about = {"library": trees.library, "rounds": trees.rounds, "seconds": trees.seconds, "notes": trees.notes}
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, raw=trees.raw, about=np.array(json.dumps(about)))


def _read(path: Path, name: str, rows: int) -> Trees | None:
    """What was said before by this library, if all of it is there."""
    try:
        with np.load(path, allow_pickle=False) as held:
            raw, about = np.asarray(held["raw"], np.float64), json.loads(str(held["about"]))
    except (OSError, ValueError, KeyError):
        return None
    whole = len(raw) == rows and about.get("library") == name
    return Trees(raw, name, about["rounds"], about["seconds"], tuple(about["notes"])) if whole else None


def as_json(trees: Trees) -> dict[str, Any]:
    """What is told of them."""
    return {"library": trees.library, "rounds": trees.rounds, "seconds": float(f"{trees.seconds:.2g}")}
