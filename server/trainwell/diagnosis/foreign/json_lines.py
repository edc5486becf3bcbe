"""JSON, an object a line or one in all: MMEngine and Detectron2 metrics, Hugging Face's trainer_state.json, wandb.

Objects within objects are named by their path, `train/loss`. A list of numbers under a name is a column, as in the
history of Keras; a list of objects is a list of rows.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, cast

from trainwell.diagnosis.foreign._cells import number
from trainwell.diagnosis.foreign._document import Cells, Raw

if TYPE_CHECKING:
    from trainwell.diagnosis.foreign._document import Document

DEEPEST, MOST_ROWS, MOST_NAMES = 4, 100_000, 2000
# Names whose word says of which part a row speaks, as MMEngine has it.
_SIDES = ("mode", "split", "phase")
_PARTS = {"train": "train_", "training": "train_", "val": "val_", "valid": "val_", "validation": "val_", "eval": "val_"}


def recognise(document: Document) -> float:
    """Sure where a line near the beginning, or the whole, is an object or a list of objects."""
    first = document.text.lstrip()[:1]
    if first == "{" and any(isinstance(_loaded(line), dict) for line in document.lines[:5]):
        return 0.9
    return 0.9 if first in ("{", "[") and isinstance(_loaded(document.text), dict | list) else 0.0


def read(document: Document) -> Raw:
    """The rows; lines that are no objects are left out."""
    loaded = map(_loaded, document.lines)
    lines: list[Any] = [found for found in loaded if isinstance(found, dict)]
    if len(lines) > 1:
        return Raw("JSON Lines log", _rows(lines), document.notes)
    whole: Any = _loaded(document.text)
    if isinstance(whole, dict) and "log_history" in whole:
        return Raw("trainer_state.json of Hugging Face", _rows(cast("Any", whole)["log_history"]), document.notes)
    return Raw("JSON log", _rows(cast("Any", whole)), document.notes)


def _loaded(text: str) -> Any:
    """What JSON says, NaN and infinity included; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _rows(found: Any) -> list[Cells]:
    if isinstance(found, list):
        several = cast("list[Any]", found)[:MOST_ROWS]
        return [row for item in several if isinstance(item, dict) and (row := _row(cast("dict[str, Any]", item)))]
    if not isinstance(found, dict):
        return []
    columns = _columns(cast("dict[str, Any]", found), "", DEEPEST)
    if columns:
        return [
            {name: value for name, value in zip(columns, values, strict=True) if value is not None}
            for values in zip_longest(*columns.values())
        ]
    rows = [row for item in cast("dict[str, Any]", found).values() if isinstance(item, list) for row in _rows(item)]
    return rows or [row for row in [_row(cast("dict[str, Any]", found))] if row]


def _columns(found: dict[str, Any], path: str, depth: int) -> dict[str, list[float | None]]:
    """Lists of numbers by their path."""
    columns: dict[str, list[float | None]] = {}
    for name, item in found.items():
        if isinstance(item, dict) and depth:
            columns |= _columns(cast("dict[str, Any]", item), f"{path}{name}/", depth - 1)
        elif isinstance(item, list):
            values = [number(one) for one in cast("list[Any]", item)[:MOST_ROWS]]
            if any(value is not None for value in values):
                columns[f"{path}{name}"] = values
        if len(columns) >= MOST_NAMES:
            break
    return columns


def _row(item: dict[str, Any]) -> Cells:
    words = (item.get(name) for name in _SIDES)
    side = next((_PARTS[word] for word in words if isinstance(word, str) and word in _PARTS), "")
    flat = _flat(item, "", DEEPEST)
    counts = ("epoch", "step", "iter", "lr")
    return {name if name in counts else f"{side}{name}": value for name, value in flat.items()}


def _flat(item: dict[str, Any], path: str, depth: int) -> Cells:
    flat: Cells = {}
    for name, value in item.items():
        if isinstance(value, dict) and depth:
            flat |= _flat(cast("dict[str, Any]", value), f"{path}{name}/", depth - 1)
        elif (found := number(value)) is not None:
            flat[f"{path}{name}"] = found
        if len(flat) >= MOST_NAMES:
            break
    return flat
