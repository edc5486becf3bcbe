"""Numbers by epoch out of a pasted training log: `epoch 3 train_loss=0.12`, Keras, Lightning, HuggingFace, CSV."""

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
_EPOCH = re.compile(r"\bep(?:och)?s?[\"']?[\s\[#(:=]{0,4}(?P<epoch>\d+(?:\.\d+)?)", re.IGNORECASE)
# A longer line is a data dump or a progress bar that was never ended.
LONGEST_LINE = 4000
# An accuracy above this is in per cent.
LARGEST_SHARE = 1.5
# With fewer epochs than this, the lines within an epoch are the course of the run.
FEWEST_EPOCHS = 3
_SCALARS = {"batch size": "batch_size", "num classes": "num_classes", "weight decay": "weight_decay"}

Row = dict[str, float | None]


@dataclass
class Logged:
    """Rows of values by name, in order, and settings that the log names."""

    rows: list[Row] = field(default_factory=list)
    settings: dict[str, float] = field(default_factory=dict)


def read(text: str) -> Logged:
    """Every value that the log names, one row by epoch where it tells the epoch, else by line."""
    table = _read_table(text)
    if table is not None:
        return table
    logged = Logged()
    row: Row = {}
    epoch: float | None = None
    for line in text.splitlines():
        at = _EPOCH.search(line[:LONGEST_LINE])
        marked = float(at["epoch"]) if at else epoch
        values = _pairs(line[:LONGEST_LINE], logged)
        if marked != epoch or any(name in row for name in values):
            _close(logged, row, epoch)
            row = {}
        epoch = marked
        row |= values
    _close(logged, row, epoch)
    logged.rows = _by_epoch(logged.rows)
    return logged


def _close(logged: Logged, row: Row, epoch: float | None) -> None:
    if row:
        logged.rows.append(row if epoch is None else {**row, "epoch": epoch})


def _by_epoch(rows: list[Row]) -> list[Row]:
    """One row an epoch, its last values; lines stay apart where there are too few epochs to see a course."""
    merged: dict[float | None, Row] = {}
    for row in rows:
        if "epoch" not in row:
            return rows
        merged.setdefault(row["epoch"], {}).update(row)
    return list(merged.values()) if len(merged) >= FEWEST_EPOCHS else rows


def _pairs(line: str, logged: Logged) -> Row:
    """Values of one line by canonical name; settings go to the log's."""
    head = _SIDE_HEAD.match(line)
    values: Row = {}
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


def _read_table(text: str) -> Logged | None:
    """A CSV log: a header with known names, then rows of numbers."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        return None
    for mark in (",", "\t", "|"):
        header = [cell.strip().strip("\"'").lower() for cell in lines[0].strip("|").split(mark)]
        names = [_column(cell) for cell in header]
        if len(header) > 1 and any(name and name != "epoch" for name in names):
            rows = [_row(line, mark, names) for line in lines[1:]]
            kept = [row for row in rows if row]
            return Logged(rows=kept) if kept else None
    return None


def _column(cell: str) -> str | None:
    if cell == "epoch":
        return "epoch"
    match = _PAIR.fullmatch(f"{cell} 0")
    return _name(match["side"], re.sub(r"[ _]+", " ", match["kind"])) if match else None


def _row(line: str, mark: str, names: list[str | None]) -> Row:
    row: Row = {}
    for name, cell in zip(names, line.strip("|").split(mark), strict=False):
        match = re.fullmatch(_NUMBER, cell.strip(), re.IGNORECASE)
        if name and match:
            row.setdefault(name, _value(match[0], percent=False))
    return row if any(name != "epoch" for name in row) else {}


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
