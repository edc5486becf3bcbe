"""Columns with a mark between them: CSV, TSV, `|` tables. Lightning's CSVLogger, Keras's CSVLogger, results.csv.

Cells may be empty: Lightning writes a row for the training loss and another one for validation.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from trainwell.diagnosis.foreign._cells import number
from trainwell.diagnosis.foreign._document import Cells, Raw
from trainwell.diagnosis.foreign._names import understand

if TYPE_CHECKING:
    from trainwell.diagnosis.foreign._document import Document

MARKS = (",", "\t", ";", "|")
MOST_COLUMNS = 1000
# What no header has: a value after its name.
_VALUE = re.compile(r"[:=]\s*[-+]?[\d.]")
# Column names by which the writer is known; all must be there.
_WRITERS = {
    "Lightning": ({"epoch", "step"},),
    "Ultralytics": ({"epoch", "train/box_loss"},),
    "Keras": ({"epoch", "loss", "val_loss"}, {"epoch", "accuracy", "loss"}),
    "timm": ({"epoch", "train_loss", "eval_loss", "eval_top1"},),
}


def recognise(document: Document) -> float:
    """Sure where the first line names a quantity beside another column, and the second holds numbers."""
    found = _table(document.lines[:3])
    return 0.8 if found is not None and found[2] else 0.0


def read(document: Document) -> Raw:
    """Every row with a number in it."""
    found = _table(document.lines)
    mark, names, rows = found if found is not None else (",", [], [])
    columns = set(names)
    writer = next((name for name, sets in _WRITERS.items() if any(one <= columns for one in sets)), None)
    kind = "CSV" if mark == "," else "table"
    return Raw(f"{kind} log of {writer}" if writer else f"{kind} log", rows, document.notes)


def _table(lines: list[str]) -> tuple[str, list[str], list[Cells]] | None:
    if not lines or _VALUE.search(lines[0]):
        return None
    for mark in MARKS:
        names = [cell.strip().strip("\"'") for cell in lines[0].strip().strip("|").split(mark)]
        if 1 < len(names) <= MOST_COLUMNS and set(understand(names, [])[0]) - {"epoch", "step"}:
            return mark, names, _rows(lines[1:], mark, names)
    return None


def _rows(lines: list[str], mark: str, names: list[str]) -> list[Cells]:
    """The rows; a header that stands again (a run that was resumed) and other lines without numbers are left out."""
    rows: list[Cells] = []
    stripped = (line.strip().strip("|") if mark == "|" else line for line in lines)
    try:
        for cells in csv.reader(stripped, delimiter=mark):
            row = {name: value for name, cell in zip(names, cells, strict=False) if (value := number(cell)) is not None}
            if row:
                rows.append(row)
    except csv.Error:  # a field larger than csv takes: what came before it counts
        pass
    return rows
