"""Arrays: .npz with inputs and target under two keys, or one .npy whose last column is the target.

Inputs keep their shape; (N, F) numbers are scaled column by column, uint8 and higher dimensions as a whole.
The network gets one input `x`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Spec, TensorSpec, Warned
from trainwell.data import target as targets
from trainwell.data.array.files import ArrayFile, open_arrays
from trainwell.data.array.inputs import (
    as_numbers,
    describe_inputs,
    encode_inputs,
    fit_inputs,
    input_warnings,
    wrong_shape,
)
from trainwell.data.array.labels import encode_labels, learn_labels
from trainwell.data.content import recognise_content
from trainwell.data.files import save_split, write_rows
from trainwell.data.memory import check_disk
from trainwell.data.parts import Array, Draft, EncodedRows, Request
from trainwell.data.splits import column_of_array, divide, split_column
from trainwell.data.target import unusable_note

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData, Task
    from trainwell.data.source import Source

KIND = "arrays"
TASKS: frozenset[Task] = frozenset({"classification", "multilabel", "regression"})
INPUT = "x"


class Config(Spec):
    """Arrays have no options of their own."""


def recognise(source: Source) -> int:
    """Whether the source is one of NumPy's formats."""
    return int(source.path is not None and recognise_content(source.path) in {"npy", "npz"})


def inspect(source: Source, target: str | None) -> dict[str, Any]:
    """What the arrays hold, for an agent; see `data.inspect`."""
    file = _open(source)
    answer: dict[str, Any] = {"arrays": file.shown(), "target_candidates": file.target_names()}
    chosen = file.choose(target, needs_target=target is not None)
    answer |= {"rows": len(chosen.inputs), "inputs": describe_inputs(chosen.inputs)}
    warnings: list[Warned] = []
    notes = list(chosen.notes)
    if chosen.labels is not None and chosen.name is not None:
        learnt, _ = learn_labels(chosen.name, chosen.labels, "auto", warnings)
        warnings += targets.suspicions(learnt, None)
        answer |= {"target": chosen.name, "task": learnt.task}
        notes += filter(None, [learnt.note])
        if learnt.classes:
            counts = targets.class_counts(learnt)
            answer["classes"] = len(counts)
            answer["class_counts"] = dict(list(zip(learnt.classes, counts, strict=True))[:12])
    warnings += input_warnings(chosen.inputs)
    answer["warnings"] = [warned.model_dump(exclude_none=True) for warned in warnings]
    answer["notes"] = notes
    return answer


def prepare(source: Source, request: Request, folder: Path) -> Draft:
    """Split, fit on the training rows and write the arrays; see `Draft`.

    Raises:
        TrainwellError: what was wrong with the file, the shapes or the target.
    """
    _check_request(request)
    file = _open(source)
    chosen = file.choose(request.target, needs_target=True)
    labels, name, inputs = chosen.labels, chosen.name, chosen.inputs
    if labels is None or name is None:
        raise targets.no_target([], [], None)
    warnings: list[Warned] = []
    learnt, kept = learn_labels(name, labels, request.task, warnings)
    by = split_column(request, [key for key in file.members if key not in {"", chosen.key, name}])
    column = None if by is None else column_of_array(by, file.load(by)[kept])
    division = divide(len(kept), request, targets.groups_for(learnt, request.split), by=column)
    splits = division.splits
    encoding: dict[str, Any] = {
        "version": 1,
        **fit_inputs(inputs, kept[splits["train"]]),
        "keys": [chosen.key or "X", name],
    }
    warnings += input_warnings(inputs) + targets.suspicions(learnt, splits) + division.warnings
    shape = tuple(int(size) for size in encoding["output_shape"])
    check_disk(len(kept) * int(np.prod(shape, dtype=np.int64)) * 4, folder)
    mean, deviation = targets.scaling_of(learnt, splits["train"])
    for split, rows in splits.items():
        write_rows(
            folder / f"{split}_{INPUT}.npy", kept[rows], shape, lambda part: encode_inputs(encoding, inputs[part])
        )
        save_split(folder, split, targets.encoded(learnt, rows, mean, deviation), kept[rows])
        if split != "train":
            raw = {encoding["keys"][0]: inputs[kept[rows]], name: labels[kept[rows]]}
            _save_raw(folder / f"raw_{split}.npz", raw)
    return Draft(
        task=learnt.task,
        inputs=(TensorSpec(name=INPUT, shape=shape),),
        target=name,
        classes=learnt.classes,
        class_counts=targets.class_counts(learnt),
        target_mean=mean,
        target_std=deviation,
        target_shape=learnt.values.shape[1:],
        splits={split: len(rows) for split, rows in splits.items()},
        baseline=targets.baseline_of(learnt, splits),
        encoding=encoding,
        warnings=tuple(warnings),
        notes=(*chosen.notes, *filter(None, [learnt.note]), *division.notes),
    )


def encode(
    prepared: PreparedData,
    rows: list[Any] | None,
    source: Source | None,
    *,
    strict: bool,  # noqa: ARG001
) -> EncodedRows:
    """Raw rows (nested lists), or an array file of them, as network inputs.

    Raises:
        TrainwellError: `wrong_shape`, `bad_value`, or what reading the file raises.
    """
    encoding = prepared.encoding
    if rows is not None:
        inputs = as_numbers(rows, encoding)
        return EncodedRows((encode_inputs(encoding, inputs),), None, len(inputs), np.arange(len(inputs)))
    if source is None:
        raise TrainwellError("missing_argument", "There are no rows to encode.", argument="rows")
    if not recognise(source):
        raise TrainwellError(
            "wrong_kind_of_file", "The network was trained on arrays.", argument="source", got=source.shown,
            allowed=".npz or .npy with the same inputs",
        )  # fmt: skip
    inputs, labels = _open(source).again(encoding["keys"], tuple(encoding["shape"]))
    if inputs.shape[1:] != tuple(encoding["shape"]):
        raise wrong_shape(inputs.shape[1:], encoding, "source")
    target = None if labels is None else encode_labels(prepared, labels)
    notes = [] if target is None else unusable_note(prepared, target)
    return EncodedRows((encode_inputs(encoding, inputs),), target, len(inputs), np.arange(len(inputs)), notes)


def _check_request(request: Request) -> None:
    """Refuse what arrays cannot do.

    Raises:
        TrainwellError: `not_for_this_kind`.
    """
    asked = "targets" if request.targets else f"{next(iter(request.given))}_source" if request.given else None
    if asked is not None:
        hints = {"targets": "Save labels as an array (N, K) of 0 and 1, and name it as target."}
        raise TrainwellError(
            "not_for_this_kind", "This argument does not apply to data of kind arrays.", argument=asked,
            hint=hints.get(asked, "Put all rows into one file; split_by takes the name of an array of groups."),
        )  # fmt: skip


def _open(source: Source) -> ArrayFile:
    if source.path is None:
        raise TrainwellError("missing_argument", "Arrays come from a file.", argument="source")
    return open_arrays(source.path)


def _save_raw(path: Path, arrays: dict[str, Array]) -> None:
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
