"""What somebody's rows and network are about: the task, the classes, and the records that a run is kept under."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import PYTHON, Baseline, ModelSpec, PreparedData, Shapes, Task, TensorSpec
from trainwell.contract.text import quoted
from trainwell.store.handles import content_handle

if TYPE_CHECKING:
    from torch import nn

    from trainwell.python.loading import Columns, Loaded

TASKS: tuple[Task, ...] = ("classification", "multilabel", "regression", "reconstruction")
LOOKED_AT = 64
# A target whose mean is this many deviations off, or whose deviation is outside these bounds, is learnt slowly.
FAR, SMALL, LARGE = 5.0, 0.05, 20.0


@dataclass(frozen=True)
class Described:
    """A network and rows that fit each other; `train` and `validation` with the target as the task has it."""

    prepared: PreparedData
    model: ModelSpec
    train: Columns
    validation: Columns


def describe(model: nn.Module, loaded: Loaded, asked: str | None) -> Described:
    """Find out what is learnt, from the targets and from what the network gives for the first rows.

    Args:
        model: The network; its mode stays as it is.
        loaded: The rows.
        asked: The task, where somebody said it.

    Raises:
        TrainwellError: `unknown_task`, `wrong_output_shape`, `target_out_of_range`, `task_does_not_fit`.
    """
    if asked is not None and asked not in TASKS:
        raise TrainwellError(
            "unknown_task", f"There is no task {quoted(asked, 40)} here.", argument="task", got=asked,
            allowed=list(TASKS), hint=did_you_mean(asked, TASKS) or "Leave it out: it is told from the targets.",
        )  # fmt: skip
    outputs = _first_outputs(model, loaded.train)
    target = loaded.train[-1]
    task: Task = asked if asked is not None else _guess(loaded.train, outputs)
    _must_fit(task, target, outputs)
    train, validation = ((*columns[:-1], _as_task(columns[-1], task)) for columns in (loaded.train, loaded.validation))
    width = int(np.prod(outputs, dtype=np.int64))
    _check_classes(task, train[-1], validation[-1], width)
    prepared = _prepared(task, loaded, train, validation, width)
    return Described(prepared, _model_spec(model, prepared), train, validation)


def tensors_as_task(tensors: tuple[torch.Tensor, ...], task: str) -> tuple[torch.Tensor, ...]:
    """A batch of a stream with its target as the task has it."""
    *inputs, target = tensors
    return (*inputs, torch.from_numpy(_as_task(target.numpy(), task)))


def _first_outputs(model: nn.Module, columns: Columns) -> tuple[int, ...]:
    """The shape of the network's output for the first rows.

    Raises:
        TrainwellError: `wrong_output_shape`.
    """
    rows = min(LOOKED_AT, len(columns[-1]))
    parameter = next(model.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            output: Any = model(*(torch.from_numpy(np.array(column[:rows])).to(device) for column in columns[:-1]))
    finally:
        model.train(was_training)
    if not isinstance(output, torch.Tensor) or not output.ndim or len(output) != rows:
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise TrainwellError(
            "wrong_output_shape", f"For {rows} rows the network gives {got}.", argument="model", got=got,
            allowed="one tensor (B, ...) with the rows first",
        )  # fmt: skip
    return tuple(output.shape[1:])


def _guess(columns: Columns, outputs: tuple[int, ...]) -> Task:
    """The task that the first rows look like."""
    target = columns[-1]
    width = int(np.prod(outputs, dtype=np.int64))
    if len(columns) == 2 and target.ndim > 1 and np.array_equal(columns[0][:LOOKED_AT], target[:LOOKED_AT]):
        return "reconstruction"
    marks = bool(np.isin(target, (0, 1)).all())
    if target.dtype.kind != "f":
        if target.ndim > 1:
            return "multilabel"
        return "classification" if width > 1 else ("multilabel" if marks else "regression")
    return "multilabel" if marks and int(np.prod(target.shape[1:], dtype=np.int64)) == width else "regression"


def _must_fit(task: Task, target: np.ndarray[Any, Any], outputs: tuple[int, ...]) -> None:
    width, values = (int(np.prod(shape, dtype=np.int64)) for shape in (outputs, target.shape[1:]))
    wanted = {
        "classification": target.ndim == 1 and len(outputs) == 1 and width > 1,
        "multilabel": bool(np.isin(target, (0, 1)).all()) and width == values,
    }.get(task, width == values)
    if not wanted:
        raise TrainwellError(
            "task_does_not_fit",
            f"Taken as {task}, targets (B{_shown(target.shape[1:])}) do not fit outputs (B{_shown(outputs)}).",
            argument="task", got=task,
            allowed={
                "classification": "int64 targets (B,) and outputs (B, K) of K > 1 classes",
                "multilabel": "targets (B, K) of 0 and 1 and outputs (B, K)",
                "regression": "float targets and outputs with as many values a row",
                "reconstruction": "the inputs as targets, and outputs with as many values a row",
            },
            hint="Say task=... when it was not meant so.",
        )  # fmt: skip


def _shown(shape: tuple[int, ...]) -> str:
    return "".join(f", {size}" for size in shape) or ","


def _as_task(target: np.ndarray[Any, Any], task: str) -> np.ndarray[Any, Any]:
    if task == "classification":
        return target.astype(np.int64, copy=False)
    values = target.astype(np.float32, copy=False)
    if task == "multilabel":
        return values.reshape(len(values), -1)
    return values[:, 0] if task == "regression" and values.shape[1:] == (1,) else values


def _check_classes(task: Task, train: np.ndarray[Any, Any], validation: np.ndarray[Any, Any], width: int) -> None:
    if task != "classification":
        return
    low = min(int(part.min()) for part in (train, validation))
    high = max(int(part.max()) for part in (train, validation))
    if low < 0 or high >= width:
        raise TrainwellError(
            "target_out_of_range", f"Class numbers go from {low} to {high}; the network has {width} outputs.",
            argument="train_loader", got=[low, high], allowed=[0, width - 1],
            hint=f"Number the classes from 0, or give the network {high + 1} outputs.",
        )  # fmt: skip


def _prepared(task: Task, loaded: Loaded, train: Columns, validation: Columns, width: int) -> PreparedData:
    inputs = tuple(
        TensorSpec(name=f"input_{number}", shape=column.shape[1:], dtype=str(column.dtype))
        for number, column in enumerate(train[:-1], start=1)
    )
    target = train[-1]
    labels = width if task in {"classification", "multilabel"} else 0
    labels = target.shape[1] if task == "multilabel" else labels
    known = _counts(task, target, labels) * (loaded.train_rows / len(target))  # of a stream only a sample is known
    counts = (known + _counts(task, validation[-1], labels)).round().astype(int).tolist()
    fingerprint = _fingerprint(loaded, train, validation)
    return PreparedData(
        handle=content_handle("data", PYTHON, fingerprint),
        name=PYTHON,
        kind=PYTHON,
        task=task,
        source="a DataLoader",
        fingerprint=fingerprint,
        inputs=inputs,
        target="target",
        classes=tuple(str(number) for number in range(labels)),
        class_counts=tuple(counts),
        target_shape=() if task == "classification" else target.shape[1:],
        splits={"train": loaded.train_rows, "validation": len(validation[-1])},
        baseline=_baseline(task, target, validation[-1]),
        encoding={} if labels else _scale(target),
    )


def _counts(task: Task, target: np.ndarray[Any, Any], labels: int) -> np.ndarray[Any, Any]:
    """Rows of each class or label, (labels,)."""
    if not labels:
        return np.zeros(0)
    return np.bincount(target, minlength=labels) if task == "classification" else target.sum(axis=0)


def _scale(target: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What a guess that knows the training targets says, and what it loses: their mean and variance."""
    flat = target.reshape(len(target), -1).astype(np.float64)
    return {"guess": flat.mean(axis=0).tolist(), "chance_loss": float(flat.var(axis=0).mean())}


def scale_words(prepared: PreparedData) -> tuple[str, ...]:
    """A word about targets on a scale that networks learn slowly."""
    known = prepared.encoding
    if not known or prepared.task == "reconstruction":
        return ()
    guess: list[float] = known["guess"]
    mean, deviation = max(abs(value) for value in guess), float(known["chance_loss"]) ** 0.5
    if mean <= FAR * max(deviation, 1.0) and SMALL <= deviation <= LARGE:
        return ()
    told = f"the target lies up to {mean:.3g} from 0 and spreads by {deviation:.3g}"
    return (f"{told}: standardise it in the dataset, networks learn that faster",)


def _baseline(task: Task, train: np.ndarray[Any, Any], validation: np.ndarray[Any, Any]) -> Baseline:
    if task == "classification":
        commonest = int(np.bincount(train).argmax())
        share = float((validation == commonest).mean())
        return Baseline(metric="val_accuracy", value=share, how=f"always says {commonest}")
    if task == "multilabel":
        common = train.mean(axis=0) > 0.5
        hits, either = validation[:, common].sum(), validation.sum() + len(validation) * common.sum()
        return Baseline(metric="val_f1", value=float(2 * hits / max(either, 1)), how="always the commonest labels")
    return Baseline(metric="val_r2", value=0.0, how="always the mean")


def _fingerprint(loaded: Loaded, train: Columns, validation: Columns) -> str:
    """A hash of all rows; of a stream, whose rows may differ each time, of their number and shapes."""
    total = hashlib.sha256()
    stream = loaded.stream
    for part in (train, validation):
        for column in part:
            total.update(f"{column.dtype}{column.shape[1:]}".encode())
            if stream is None:
                total.update(np.ascontiguousarray(column).data)
    total.update(f"{stream.sizes if stream is not None else None}{len(validation[-1])}".encode())
    return total.hexdigest()


def _model_spec(model: nn.Module, prepared: PreparedData) -> ModelSpec:
    name = type(model).__name__
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    return ModelSpec(
        handle=content_handle("model", name, f"{name}{shapes}"),
        name=name,
        architecture=PYTHON,
        options={},
        shapes=Shapes(inputs=prepared.inputs, num_outputs=prepared.num_outputs, task=prepared.task),
        data=prepared.handle,
        report={"parameters": sum(parameter.numel() for parameter in model.parameters())},
    )
