"""The `metrics` object of `diagnose`: checked, and turned into rows by epoch and settings."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.diagnosis.logs import Row, as_fractions

MOST_VALUES = 10_000
# Lists by epoch, under the names of our records; the second names are Keras's and PyTorch habits.
BY_EPOCH = {
    "epoch": "epoch",
    "train_loss": "train_loss",
    "loss": "train_loss",
    "val_loss": "val_loss",
    "train_accuracy": "train_accuracy",
    "accuracy": "train_accuracy",
    "train_acc": "train_accuracy",
    "val_accuracy": "val_accuracy",
    "val_acc": "val_accuracy",
    "val_f1": "val_f1",
    "val_r2": "val_r2",
    "val_rmse": "val_rmse",
    "lr": "lr",
    "learning_rate": "lr",
    "grad_norm": "grad_norm",
    "grad_norm_max": "grad_norm_max",
    "update_ratio": "update_ratio",
    "samples_per_second": "samples_per_second",
    "gpu_memory": "gpu_memory",
    "seconds": "seconds",
}
# Numbers that are said once: settings of the run, the model and the data.
OF_RUN = (
    "batch_size",
    "epochs",
    "weight_decay",
    "grad_clip",
    "accumulate",
    "label_smoothing",
    "warmup",
    "early_stopping",
)
OF_MODEL = ("dropout", "parameters", "hidden_dims")
OF_DATA = ("num_classes", "train_rows", "validation_rows", "baseline", "class_counts", "task")
WORDS = ("optimizer", "scheduler", "precision", "task")
_LISTS = ("hidden_dims", "class_counts")
KNOWN = tuple(dict.fromkeys((*BY_EPOCH, *OF_RUN, *OF_MODEL, *OF_DATA, *WORDS)))
# A list this many times longer than the shortest one counts steps, not epochs.
STEPS_PER_EPOCH = 3
_SPELLED = {"nan": math.nan, "inf": math.inf, "infinity": math.inf, "-inf": -math.inf, "-infinity": -math.inf}

Series = list[float | None]


def read(metrics: dict[str, Any]) -> tuple[list[Row], dict[str, Any]]:
    """Check a metrics object and split it.

    Args:
        metrics: Lists by epoch and single values, as an agent sends them; null, NaN and infinity are values.

    Returns:
        Rows by epoch (None is not measured), and what was said once, by name.

    Raises:
        TrainwellError: `unknown_metric`, `bad_metric` or `too_many_values`, with the path of the value at fault.
    """
    series: dict[str, Series] = {}
    said: dict[str, Any] = {}
    _check_size(metrics)
    for name, value in metrics.items():
        if name in BY_EPOCH and (isinstance(value, list) or BY_EPOCH[name] != "lr"):
            series[BY_EPOCH[name]] = _series(name, value)
        elif name in KNOWN:
            said[BY_EPOCH.get(name, name)] = _once(name, value)
        else:
            hint = did_you_mean(name, KNOWN) or "Leave it out, or tell it in symptoms."
            raise TrainwellError(
                "unknown_metric", "A name in metrics is unknown.",
                argument=f"metrics/{name}", got=name, allowed=list(KNOWN), hint=hint,
            )  # fmt: skip
    return as_fractions(_rows(_unmeasured(_by_epoch(series)))), said


def _check_size(metrics: dict[str, Any]) -> None:
    total = sum(len(value) if isinstance(value, list) else 1 for value in metrics.values())  # pyright: ignore[reportUnknownArgumentType]
    if total > MOST_VALUES:
        raise TrainwellError(
            "too_many_values", f"metrics holds {total} values.",
            argument="metrics", got=total, allowed=f"at most {MOST_VALUES} values in all",
            hint="Send one value an epoch, or every tenth step.",
        )  # fmt: skip


def _series(name: str, value: Any) -> Series:
    values: list[Any] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
    return [_number(f"metrics/{name}/{index}", item) for index, item in enumerate(values)]


def _number(path: str, value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str) and value.strip().lower() in _SPELLED:
        return _SPELLED[value.strip().lower()]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TrainwellError(
            "bad_metric", "A value in metrics is not a number.",
            argument=path, got=value, allowed="a number, null, \"nan\" or \"inf\"",
        )  # fmt: skip
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _once(name: str, value: Any) -> Any:
    path = f"metrics/{name}"
    if name in WORDS:
        if isinstance(value, str):
            return value.lower()
        raise TrainwellError("bad_metric", f"{name} must be a word.", argument=path, got=value, allowed="a string")
    if name in _LISTS:
        return [int(item) for item in _series(name, value) if item is not None and math.isfinite(item)]
    number = _number(path, value[-1] if isinstance(value, list) and value else value)
    return int(number) if math.isfinite(number) and number == int(number) and name not in ("lr", "baseline") else number


def _by_epoch(series: dict[str, Series]) -> dict[str, Series]:
    """Lists of one length: those that count steps are averaged in blocks, shorter ones end early."""
    lengths = [len(values) for values in series.values() if len(values) > 1]
    if not lengths:
        return series
    shortest = min(lengths)
    return {
        name: _blocks(values, shortest) if len(values) >= STEPS_PER_EPOCH * shortest else values
        for name, values in series.items()
    }


def _blocks(values: Series, count: int) -> Series:
    edges = [len(values) * index // count for index in range(count + 1)]
    blocks = [[value for value in values[a:b] if value is not None] for a, b in pairwise(edges)]
    return [sum(block) / len(block) if block else None for block in blocks]


def _unmeasured(series: dict[str, Series]) -> dict[str, Series]:
    """A gap that a later number closes was not measured; weights that gave NaN once give it for ever.

    Training loss is the exception: a single batch may spoil an epoch's mean.
    """
    return {name: values if name == "train_loss" else _without_gaps(values) for name, values in series.items()}


def unmeasured(rows: list[Row]) -> list[Row]:
    """Rows without the gaps that `_unmeasured` finds: NaN of validation before a number became None."""
    measured = {name: [row[name] for row in rows if name in row] for name in {name for row in rows for name in row}}
    cleaned = {name: iter(values) for name, values in _unmeasured(measured).items()}
    return [{name: next(cleaned[name]) for name in row} for row in rows]


def _without_gaps(values: Series) -> Series:
    measured = [index for index, value in enumerate(values) if value is not None and math.isfinite(value)]
    last = max(measured, default=-1)
    return [
        None if value is not None and math.isnan(value) and index < last else value
        for index, value in enumerate(values)
    ]


def _rows(series: dict[str, Series]) -> list[Row]:
    length = max((len(values) for values in series.values()), default=0)
    return [{name: values[index] for name, values in series.items() if index < len(values)} for index in range(length)]
