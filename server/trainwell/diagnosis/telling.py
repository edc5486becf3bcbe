"""A trace of a run that is not ours, from what an agent says of it: words, a log, numbers."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from trainwell.contract.text import plain
from trainwell.contract.trace import EpochRecord, Trace
from trainwell.diagnosis import foreign, logs, numbers, words
from trainwell.diagnosis.phrases import NON_FINITE, OUT_OF_MEMORY
from trainwell.diagnosis.settings import number

if TYPE_CHECKING:
    from trainwell.diagnosis.foreign import Reading

WHAT_TO_TELL = (
    "Nothing known was recognised. Say in plain words what the loss does (symptoms: 'val loss rises while train loss "
    "falls', 'loss is nan after epoch 3', 'loss stuck at 2.30'), paste the log or the error (log), or send numbers by "
    'epoch (metrics: {"train_loss": [2.3, 1.9], "val_loss": [2.4, 2.5], "lr": 0.1, "num_classes": 10}).'
)
# Train minus validation accuracy, and validation over training loss, from which single numbers show a gap.
TOLD_GAP = 0.15
TOLD_LOSS_RATIO = 2.0
TOLD_LOSS_DIFFERENCE = 0.3
# Accuracy below which a training score is poor when the classes are unknown.
TOLD_POOR = 0.6
# Accuracy from which one that no longer rises is no trouble.
TOLD_GOOD = 0.9
# Accuracy over that of guessing, and nats from ln k, within which a single number is one of guessing.
TOLD_CHANCE = 1.3
TOLD_NEAR = 0.02
# From this many rows on, the rules for curves judge, not the last values.
FEWEST_ROWS = 5
LONGEST_ERROR = 1000
# Of a log's beginning, where programs tell their settings.
LONGEST_SEARCHED = 200_000
# Of a log's end, where a traceback stands.
LONGEST_TRACEBACK = 20_000
_SHOWN = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
_ERROR = re.compile(r"Error\b|Exception\b|\bKilled\b|CUDA out of memory|can't allocate memory")
_BLAMED = re.compile(r"\bloss|\bgrad", re.IGNORECASE)
_SETTINGS = {
    "lr": re.compile(
        r"\b(?:lr|learning[ _]rate)\b\W{0,3}(?:of|is|was|at|to)?\W{0,2}(\d*\.?\d+(?:e[-+]?\d+)?)", re.IGNORECASE
    ),
    "batch_size": re.compile(r"\bbatch(?:[ _]size)?\b\W{0,3}(?:of|is|was)?\W{0,2}(\d+)", re.IGNORECASE),
    "num_classes": re.compile(r"\b(\d+)[ -]class(?:es)?\b", re.IGNORECASE),
}
_OPTIMIZER = re.compile(r"\b(adamw|adam|sgd)\b", re.IGNORECASE)


def told(symptoms: str | None = None, log: str | Reading | None = None, metrics: dict[str, Any] | None = None) -> Trace:
    """Turn what an agent says of a run into a trace.

    Args:
        symptoms: What it sees, in English words, with or without numbers.
        log: Text of a training log or of an error, or what `foreign` has read.
        metrics: Numbers by epoch and settings, see `numbers.KNOWN`; null and NaN are values.

    Returns:
        A trace; without epochs, error and told words when nothing was recognised.

    Raises:
        TrainwellError: `unknown_metric`, `bad_metric` or `too_many_values` from `metrics`.
    """
    rows, said = numbers.read(metrics) if metrics else ([], {})
    heard = words.read(symptoms) if symptoms else words.Said()
    reading = foreign.read_text(log or symptoms or "") if log is None or isinstance(log, str) else log
    text = f"{reading.text}\n{symptoms or ''}" if log else symptoms or ""
    if not rows:
        rows = logs.as_fractions(numbers.unmeasured(reading.rows))
    settings = _settings(text) | reading.settings | said
    rows = _curves(rows, settings)
    data = {name: settings[name] for name in numbers.OF_DATA if name in settings}
    model = {name: settings[name] for name in numbers.OF_MODEL if name in settings}
    shown = _last_values(heard, rows)
    said_words = words.symptoms(heard) | _from_log(reading.text if log else "")
    if len(rows) < FEWEST_ROWS and "non_finite_loss" not in said_words:
        said_words |= _from_values(shown, number(data, "num_classes"), at_end=len(rows) <= 1)
    if max((shown.get(name, 0.0) for name in ("accuracy", "val_accuracy")), default=0.0) >= TOLD_GOOD:
        said_words -= {"score_stuck"}
    return Trace(
        epochs=tuple(_record(row, index + 1) for index, row in enumerate(rows)),
        config={name: value for name, value in settings.items() if name not in data and name not in model},
        model=model,
        data=data,
        error=_error(text),
        traceback=text[-LONGEST_TRACEBACK:] or None,
        told=said_words,
        told_numbers=shown,
    )


def _settings(text: str) -> dict[str, Any]:
    """Settings that are named in passing; of several rates the highest counts."""
    found: dict[str, Any] = {}
    text = text[:LONGEST_SEARCHED]
    for name, pattern in _SETTINGS.items():
        values = [float(value) for value in pattern.findall(text)]
        if values:
            found[name] = max(values) if name == "lr" else int(min(values[-1], 1e9))
    named = _OPTIMIZER.search(text)
    return found | ({"optimizer": named[1].lower()} if named else {})


def _curves(rows: list[logs.Row], settings: dict[str, Any]) -> list[logs.Row]:
    """The rows that hold more than a rate, with whole epochs or none; a rate alone becomes a setting."""
    for row in rows:
        if "lr" in row:
            settings.setdefault("lr", row["lr"])
    kept = [row for row in rows if set(row) - {"epoch", "step", "lr"}]
    if all(epoch is not None and math.isfinite(epoch) and epoch == int(epoch) for epoch in _epochs(kept)):
        return kept
    return [{name: value for name, value in row.items() if name != "epoch"} for row in kept]


def _epochs(rows: list[logs.Row]) -> list[float | None]:
    return [row["epoch"] for row in rows if "epoch" in row]


def _record(row: logs.Row, number: int) -> EpochRecord:
    epoch, step = row.get("epoch"), row.get("step")
    fields: dict[str, Any] = {name: value for name, value in row.items() if name not in ("epoch", "step")}
    known = number if step is None or not math.isfinite(step) else int(step)
    return EpochRecord(epoch=number if epoch is None else int(epoch), step=known, **fields)


def _last_values(heard: words.Said, rows: list[logs.Row]) -> dict[str, float]:
    """The last value of each quantity that was said or logged; accuracies as shares."""
    values = {name: value for name, value in heard.values.items() if name != "lr"}
    for row in rows:
        values |= {name: value for name, value in row.items() if value is not None and name in _SHOWN}
    for name in ("train_accuracy", "val_accuracy", "accuracy"):
        if values.get(name, 0.0) > logs.LARGEST_SHARE:
            values[name] /= 100.0
    if "loss" not in values and "train_loss" in values:
        values["loss"] = values["train_loss"]
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _from_values(values: dict[str, float], classes: float | None, *, at_end: bool) -> frozenset[str]:
    """What single numbers show when there is no curve to judge; `at_end` says that they are the final ones."""
    found: set[str] = set()
    train, val = values.get("train_accuracy"), values.get("val_accuracy")
    if train is not None and val is not None:
        if train - val >= TOLD_GAP:
            found.add("train_val_gap")
        elif at_end and train < TOLD_POOR:
            found.add("train_poor")
    train_loss, val_loss = values.get("train_loss"), values.get("val_loss")
    if train_loss is not None and val_loss is not None and val_loss - train_loss >= TOLD_LOSS_DIFFERENCE:
        found |= {"train_val_gap"} if val_loss >= TOLD_LOSS_RATIO * train_loss else set()
    score, loss = values.get("accuracy", train), values.get("loss", train_loss)
    if classes is not None and classes > 1:
        if score is not None and score <= TOLD_CHANCE / classes:
            found.add("score_stuck")
        if loss is not None and abs(loss - math.log(classes)) <= TOLD_NEAR:
            found.add("loss_stuck")
    return frozenset(found)


def _from_log(log: str) -> frozenset[str]:
    """NaN that a log names beside a loss or a gradient in a form that is no row of numbers."""
    lines = (line[: logs.LONGEST_LINE] for line in log.splitlines())
    named = any(NON_FINITE.search(line) and _BLAMED.search(line) for line in lines)
    return frozenset({"non_finite_loss"}) if named else frozenset()


def _error(text: str) -> str | None:
    """The last line that reports an error; one about memory before all others."""
    lines = [line[: logs.LONGEST_LINE] for line in text.splitlines()]
    errors = [line for line in lines if _ERROR.search(line)]
    memory = [line for line in errors if OUT_OF_MEMORY.search(line)]
    chosen = (memory or errors)[-1:]
    return plain(chosen[0].strip(), LONGEST_ERROR) if chosen else None
