"""Numbers out of the lines of a training log: `epoch 3 train_loss=0.12`, Keras, Lightning, Hugging Face, plain steps.

Tables, JSON and event files are read in `foreign`, which also puts rows together to epochs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

_NUMBER = r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)\b"
_SIDE = r"(?P<side>train(?:ing)?|val(?:id(?:ation)?)?|test|eval(?:uation)?|dev)?"
_KIND = (
    r"(?P<kind>loss|acc(?:uracy)?(?:[ _]?score)?|r2(?:[ _]?score)?|rmse|grad(?:ient)?[ _]norm|"
    r"learning[ _]rate|lr|batch[ _]size|num[ _]classes|weight[ _]decay)"
)
_PAIR = re.compile(
    rf"(?<![a-z0-9]){_SIDE}[ _/.-]{{0,3}}{_KIND}(?:[ _](?:epoch|step))?[\"']?\s*(?:[:=]|\bis\b|\bof\b|\s)\s*[\"'\[(]*"
    rf"(?:tensor\()?(?P<value>{_NUMBER})\s?(?P<percent>%)?(?![a-z])",
    re.IGNORECASE,
)
_SIDE_HEAD = re.compile(
    r"^\W*(?P<side>train(?:ing)?|val(?:id(?:ation)?)?|test|eval(?:uation)?)\b[^=:]{0,12}:", re.IGNORECASE
)
_EPOCH = re.compile(r"\bep(?:och)?s?[\"']?[\s\[#(:=]{0,4}(?P<count>\d+(?:\.\d+)?)", re.IGNORECASE)
_STEP = re.compile(
    r"\b(?:global[ _]?)?(?:step|iter(?:ation)?|batch)s?[\"']?[\s\[#(:=]{0,4}(?P<count>\d[\d,]*)", re.IGNORECASE
)
# Marks of tqdm, Keras and rich.
_BAR = re.compile(r"%\|| ETA |[\u2500-\u259f]|\[=*>?\.*\]|\bit/s|\bs/it|ms/step|s/step")
# A longer line is a data dump or a progress bar that was never ended.
LONGEST_LINE = 4000
# An accuracy above this is in per cent.
LARGEST_SHARE = 1.5
_SCALARS = {"batch size": "batch_size", "num classes": "num_classes", "weight decay": "weight_decay"}

Row = dict[str, float | None]


@dataclass
class Logged:
    """Rows of values by name, in order, and settings that the log names."""

    rows: list[dict[str, float]] = field(default_factory=list)
    settings: dict[str, float] = field(default_factory=dict)


def read(text: str) -> Logged:
    """Every value that the lines name: a row for each line, or for lines that tell different values of one epoch."""
    logged = Logged()
    row: dict[str, float] = {}
    epoch: float | None = None
    for whole in text.splitlines():
        line = whole[:LONGEST_LINE]
        marked = _counted(_EPOCH, line, epoch)
        values = _pairs(line, logged)
        # A progress bar that is drawn again tells the same values, later.
        again = any(name in row for name in values) and not _BAR.search(line)
        if marked != epoch or again:
            _close(logged, row, epoch)
            row = {}
        epoch = marked
        row |= values
        if values and (step := _counted(_STEP, line, None)) is not None:
            row["step"] = step
    _close(logged, row, epoch)
    return logged


def _counted(pattern: re.Pattern[str], line: str, before: float | None) -> float | None:
    found = pattern.search(line)
    return float(found["count"].replace(",", "")) if found else before


def _close(logged: Logged, row: dict[str, float], epoch: float | None) -> None:
    if row:
        logged.rows.append(row if epoch is None else {**row, "epoch": epoch})


def _pairs(line: str, logged: Logged) -> dict[str, float]:
    """Values of one line by canonical name; settings go to the log's."""
    head = _SIDE_HEAD.match(line)
    values: dict[str, float] = {}
    for match in _PAIR.finditer(line):
        kind = re.sub(r"[ _]+", " ", match["kind"].lower())
        value = _value(match["value"], percent=bool(match["percent"]))
        if kind in _SCALARS:
            whole = math.isfinite(value) and kind != "weight decay"
            logged.settings[_SCALARS[kind]] = int(value) if whole else value
            continue
        side = match["side"] or (head["side"] if head else None)
        values.setdefault(_name(side, kind), value)
    return values


def _value(text: str, *, percent: bool) -> float:
    value = float(text.replace(",", "").lower())
    return value / 100.0 if percent else value


def _name(side: str | None, kind: str) -> str:
    if kind in ("lr", "learning rate"):
        return "lr"
    if kind.startswith("grad"):
        return "grad_norm"
    val = side is not None and not side.lower().startswith("train")
    if kind.startswith("acc"):
        return "val_accuracy" if val else "train_accuracy"
    if kind == "loss":
        return "val_loss" if val else "train_loss"
    return "val_r2" if kind.startswith("r2") else "val_rmse"


def as_fractions(rows: list[Row]) -> list[Row]:
    """The rows with accuracies as shares: a column that counts in per cent is divided by 100."""
    columns = {name: [row[name] for row in rows if name in row] for name in ("train_accuracy", "val_accuracy")}
    in_percent = {
        name
        for name, column in columns.items()
        if max((value for value in column if value is not None and math.isfinite(value)), default=0.0) > LARGEST_SHARE
    }
    return [
        {name: value / 100.0 if name in in_percent and value is not None else value for name, value in row.items()}
        for row in rows
    ]
