"""What is to be predicted: classes as numbers from 0, labels as flags, or values standardised by the training rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Baseline, PreparedData, Task, Warned
from trainwell.contract.text import quoted
from trainwell.data.multilabel import commonest_labels, rarest_label
from trainwell.data.parts import Array
from trainwell.data.splits import Rows, quantile_groups
from trainwell.data.wording import Tally, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CLASSES = 10_000
# Whole numbers with at most this many different values, each several times, are taken for classes.
_FEW_WHOLE_NUMBERS = 20
_ROWS_A_CLASS = 3
# More classes than this share of the rows cannot be learnt: an identifier or free text.
_MOST_CLASS_SHARE = 0.5
_IMBALANCE = 10
_TINY_VALIDATION = 50
_LEAST_PRESENT = 0.5


@dataclass(frozen=True)
class Target:
    """The target of every usable row.

    Attributes:
        task: What is learnt from it.
        values: (rows,) int64 class numbers, or float64 in the unit of the source; (rows, labels) uint8 flags for
            multilabel; (rows, 0) where the inputs are to be reconstructed.
        classes: Labels by class number; empty for regression.
        note: What was decided by itself, if anything.
    """

    name: str
    task: Task
    values: np.ndarray[Any, Any]
    classes: tuple[str, ...] = ()
    note: str | None = None


def class_target(name: str, labels: Sequence[str], codes: Rows, task: str) -> Target:
    """A target of labels.

    Raises:
        TrainwellError: `target_not_numeric`, `one_class`, `target_all_distinct`, `too_many_classes`.
    """
    if task == "regression":
        raise TrainwellError(
            "target_not_numeric", f"The target holds labels such as {quoted(labels[0])}, not numbers.",
            argument="task", got=task, allowed="classification", hint="Leave task out, or name a numeric target.",
        )  # fmt: skip
    count = len(labels)
    if count < 2:
        raise TrainwellError(
            "one_class", f"Every row has the same target, {quoted(labels[0]) if labels else 'none'}.",
            argument="target", got=name, allowed="at least 2 classes", hint="Name a column that varies.",
        )  # fmt: skip
    if count == len(codes):
        raise TrainwellError(
            "target_all_distinct", "Every row has a target of its own: this looks like an identifier.",
            argument="target", got=name, hint="Name the column that holds the classes or the value to predict.",
        )  # fmt: skip
    if count > MOST_CLASSES or count > _MOST_CLASS_SHARE * len(codes):
        raise TrainwellError(
            "too_many_classes", f"The target has {count:,} classes in {len(codes):,} rows.",
            argument="target", got=name, allowed=f"at most {MOST_CLASSES:,} classes, and two rows a class",
            hint="If it is a quantity, pass task: regression; else group the rare classes.",
        )  # fmt: skip
    return Target(name, "classification", codes, tuple(labels))


def number_target(name: str, values: np.ndarray[Any, Any], task: str) -> Target:
    """A target of finite numbers: classes when they are few whole numbers or when asked, else a quantity.

    Raises:
        TrainwellError: `constant_target`, or what `class_target` raises.
    """
    distinct, codes = np.unique(values, return_inverse=True)
    if distinct.size < 2:
        shown = f"{distinct[0]:g}" if distinct.size else "none"
        raise TrainwellError(
            "constant_target", f"Every row has the same target, {shown}.", argument="target", got=name,
            allowed="a column that varies",
        )  # fmt: skip
    whole = bool(np.all(distinct == np.floor(distinct))) and float(np.abs(distinct).max()) < 2**53
    few = whole and (distinct.size == 2 or distinct.size <= min(_FEW_WHOLE_NUMBERS, len(values) // _ROWS_A_CLASS))
    if task == "classification" or (task == "auto" and few):
        labels = [number_label(float(value)) for value in distinct]
        target = class_target(name, labels, codes.astype(np.int64), "classification")
        note = f"The target's {len(labels)} whole numbers are taken as classes; pass task: regression if they measure."
        return target if task == "classification" else Target(name, target.task, target.values, target.classes, note)
    note = None if task == "regression" else "The target is taken as a quantity (regression)."
    return Target(name, "regression", values.astype(np.float64), (), note)


def check_present(name: str, missing: int, infinite: int, count: int) -> list[Warned]:
    """Say how many rows are left out for want of a target.

    Raises:
        TrainwellError: `target_infinite`, `target_mostly_missing`.
    """
    if infinite:
        raise TrainwellError(
            "target_infinite", f"The target holds {counted(infinite, 'infinite value')}.", argument="target", got=name,
            hint="Mend or remove these rows.",
        )  # fmt: skip
    if not missing:
        return []
    if missing > (1 - _LEAST_PRESENT) * count:
        raise TrainwellError(
            "target_mostly_missing", f"The target is missing in {missing:,} of {count:,} rows.", argument="target",
            got=name, hint="Name another target, or fill it in.", next_call=None,
        )  # fmt: skip
    return [Warned(code="target_missing", message=f"{missing:,} of {count:,} rows have no target and were left out.")]


def groups_for(target: Target, split: str) -> Rows | None:
    """What the split is stratified by: classes by default, a quantity only when asked, inputs never."""
    if split == "random" or target.task == "reconstruction" or (split == "auto" and target.task == "regression"):
        return None
    if target.task == "multilabel":
        return rarest_label(target.values)
    return target.values if target.task == "classification" else quantile_groups(target.values)


def scaling_of(target: Target, train: Rows) -> tuple[float, float]:
    """Mean and deviation of a quantity in the training rows; (0, 1) for everything else.

    Raises:
        TrainwellError: `constant_target`.
    """
    if target.task != "regression":
        return 0.0, 1.0
    values: Array = target.values[train]
    mean, deviation = float(values.mean()), float(values.std())
    if not np.isfinite([mean, deviation]).all() or deviation <= 1e-12 * abs(mean):
        raise TrainwellError(
            "constant_target", "The target does not vary in the training rows.", argument="target", got=target.name
        )
    return mean, deviation


def encoded(target: Target, rows: Rows, mean: float, deviation: float) -> np.ndarray[Any, Any]:
    """The target as training takes it: (rows,) int64 class numbers, float32 standardised values or flags."""
    values = target.values[rows]
    return values if target.task == "classification" else ((values - mean) / deviation).astype(np.float32)


def baseline_of(target: Target, splits: dict[str, Rows]) -> Baseline:
    """The score on validation of the commonest class or labels, or of the mean, of the training rows."""
    train: Array = target.values[splits["train"]]
    validation: Array = target.values[splits["validation"]]
    if target.task == "multilabel":
        return commonest_labels(target.classes, train, validation)
    if target.task == "classification":
        commonest = int(np.bincount(train, minlength=len(target.classes)).argmax())
        label = quoted(target.classes[commonest], 40)
        share = int(np.count_nonzero(validation == commonest)) / len(validation)
        return Baseline(metric="val_accuracy", value=share, how=f"always says {label}")
    mean = float(train.mean())
    errors = np.subtract(validation, mean, dtype=np.float64)
    error = float(np.linalg.norm(errors)) / math.sqrt(len(errors))
    return Baseline(metric="val_rmse", value=error, how=f"always says the training mean, {mean:.4g}")


def mean_inputs(train: Array, validation: Array) -> Baseline:
    """The score on validation of always saying the mean of the training inputs, for reconstruction.

    Args:
        train: (rows, ...) some training rows are enough.
        validation: (rows, ...).
    """
    mean = train.mean(axis=0, dtype=np.float64)
    squared = float(((validation - mean) ** 2).sum())
    spread = float(((validation - validation.mean(axis=0, dtype=np.float64)) ** 2).sum())
    value = 1 - squared / spread if spread else 0.0
    return Baseline(metric="val_r2", value=value, how="always says the mean of the training inputs")


def class_counts(target: Target) -> tuple[int, ...]:
    """Rows of each class or label over all splits."""
    if target.task == "multilabel":
        return tuple(int(count) for count in target.values.sum(axis=0, dtype=np.int64))
    if target.task != "classification":
        return ()
    return tuple(int(count) for count in np.bincount(target.values, minlength=len(target.classes)))


def suspicions(target: Target, splits: dict[str, Rows] | None) -> list[Warned]:
    """What about the target or the split deserves a second look."""
    found: list[Warned] = []
    counts = class_counts(target)
    rare = [label for label, count in zip(target.classes, counts, strict=True) if count < 3]
    if rare:
        shown = ", ".join(quoted(label, 30) for label in rare[:3])
        found.append(Warned(
            code="rare_class", column=None,
            message=f"{len(rare)} of {len(counts)} classes have fewer than 3 rows ({shown}), not in every split.",
        ))  # fmt: skip
    if splits is not None and target.classes:
        found += _untrained(target, splits["train"])
    if target.task == "classification" and max(counts) >= _IMBALANCE * max(1, min(counts)):
        found.append(Warned(
            code="class_imbalance",
            message=f"The commonest class has {max(counts):,} rows, the rarest {min(counts):,}: accuracy "
            "alone misleads, consider class_weights: balanced in train.",
        ))  # fmt: skip
    if splits is not None and len(splits["validation"]) < _TINY_VALIDATION:
        found.append(Warned(
            code="tiny_validation_set",
            message=f"Validation has {len(splits['validation'])} rows: its scores are noisy.",
        ))  # fmt: skip
    return found


def _untrained(target: Target, train: Rows) -> list[Warned]:
    """Classes that training never sees, because a group, a time or a given file holds all of their rows."""
    values: Array = target.values[train]
    number = len(target.classes)
    there = values.sum(axis=0) if target.task == "multilabel" else np.bincount(values, minlength=number)
    seen: list[bool] = (there > 0).tolist()
    lost = [label for label, known in zip(target.classes, seen, strict=True) if not known]
    if not lost:
        return []
    shown = ", ".join(quoted(label, 30) for label in lost[:3])
    message = f"{len(lost)} of {len(target.classes)} classes have no training row ({shown}): they cannot be learnt."
    return [Warned(code="class_not_trained", message=message)]


def number_label(value: float) -> str:
    """The class label of a number: `3` for 3.0, `0.5` for 0.5."""
    return str(int(value)) if value.is_integer() else repr(value)


def unusable_note(prepared: PreparedData, values: Array) -> list[str]:
    """Say how many encoded targets are missing or of no known class, if any."""
    odd = values < 0 if prepared.task == "classification" else ~np.isfinite(values)
    unusable = int(np.count_nonzero(odd.reshape(len(odd), -1).any(axis=1)))
    if not unusable:
        return []
    return [Tally(unusable, "row", before="The target is missing, or of a class that training never saw, in ")]


def no_target(known: Sequence[str], candidates: Sequence[str], source: str | None) -> TrainwellError:
    """The refusal when nobody says what to predict."""
    best = candidates[0] if candidates else None
    call = next_call("prepare_data", source=source, target=best) if source and best else None
    return TrainwellError(
        "missing_target", "Say which column to predict.", argument="target",
        allowed=[name[:80] for name in known[:20]], hint="Likely: " + quoted(best) if best else None, next_call=call,
    )  # fmt: skip
