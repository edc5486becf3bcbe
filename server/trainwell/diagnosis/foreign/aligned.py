"""Columns held apart by blanks, as progress is printed: fastai, skorch, Ultralytics, LightGBM-like tables.

The header may stand again and again; a cell may be `3/100` (the epoch) or `0.77G` (skipped).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.diagnosis.foreign._cells import number
from trainwell.diagnosis.foreign._document import Cells, Raw
from trainwell.diagnosis.foreign._names import understand

if TYPE_CHECKING:
    from trainwell.diagnosis.foreign._document import Document

_OF = re.compile(r"^(\d+)/\d+$")
_SIGNS = re.compile(r"[=:\[\]{}]")
FEWEST_COLUMNS, MOST_COLUMNS = 2, 40
# The header stands near the beginning, after what a program says of itself.
LOOKED_AT = 200


def recognise(document: Document) -> float:
    """Sure where a line is nothing but names, two of them known, and a later line has a number below each."""
    return 0.5 if _rows(document.lines[:LOOKED_AT]) else 0.0


def read(document: Document) -> Raw:
    """The rows below the header."""
    return Raw("table of progress", _rows(document.lines), document.notes)


def _rows(lines: list[str]) -> list[Cells]:
    names: list[str] = []
    rows: list[Cells] = []
    for line in lines:
        cells = line.split()[:MOST_COLUMNS]
        if _is_header(line, cells):
            names = cells
        elif names and len(cells) >= len(names):
            row = _row(names, cells)
            if "epoch" in (name.lower() for name in row) and len(row) >= FEWEST_COLUMNS:
                rows.append(row)
    return rows


def _is_header(line: str, cells: list[str]) -> bool:
    if len(cells) < FEWEST_COLUMNS or _SIGNS.search(line) or any(number(cell) is not None for cell in cells):
        return False
    known = set(understand(cells, [])[0])
    return "epoch" in known and len(known) >= FEWEST_COLUMNS and cells[0].lower() == "epoch"


def _row(names: list[str], cells: list[str]) -> Cells:
    row: Cells = {}
    for name, cell in zip(names, cells, strict=False):
        counted = _OF.match(cell)
        value = number(counted[1] if counted else cell)
        if value is not None:
            row[name] = value
    return row
