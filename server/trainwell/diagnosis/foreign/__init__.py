"""Logs that are not ours, of any usual format: one file a format, found by being there.

A format offers `recognise(document)`, how sure it is from 0 to 1, and `read(document)`, the rows as they are written.
What the columns mean (`_names`) and how rows become epochs (`_folding`) is the same for all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol, cast

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain
from trainwell.diagnosis.foreign import _folding, _names
from trainwell.diagnosis.foreign._document import Document, documents, pasted

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.diagnosis.foreign._document import Cells, Raw
    from trainwell.diagnosis.logs import Row
    from trainwell.store.workspace import Workspace

__all__ = ["Reading", "folded", "read", "read_path", "read_text"]
# Columns that an answer names as not understood.
MOST_IGNORED = 12
# What is taken for a path where no such file is there: one word that ends like a log, or has folders.
_LIKE_A_PATH = re.compile(r"^\S+\.(?:csv|tsv|jsonl?|ndjson|log|txt|out|err)$|^\S*tfevents\S*$|^[\w.~-]*[/\\]\S+$")
LONGEST_PATH = 300


class Format(Protocol):
    """What a file of this room offers."""

    def recognise(self, document: Document) -> float:
        """How sure it is that the document has this format, 0 to 1."""
        ...

    def read(self, document: Document) -> Raw:
        """The rows, each a dictionary by the names that stand in the document."""
        ...


@dataclass
class Reading:
    """A log as it was understood.

    Attributes:
        format: In words, such as "CSV log of Lightning".
        rows: One an epoch (or a block of steps), by the names of our records.
        settings: What is said once: `batch_size`, `lr`, ...
        columns: Field of our records -> the column that it was taken from, cut.
        ignored: Columns that were not understood, cut.
        notes: What else a reader of the answer must know, in sentences.
        text: The document's text, for errors and words.
    """

    format: str
    rows: list[Row] = field(default_factory=list["Row"])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    columns: dict[str, str] = field(default_factory=dict[str, str])
    ignored: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    text: str = ""


def read(workspace: Workspace, log: str) -> Reading:
    """Read the file (or folder of event files) of the workspace that a text names, else the text itself.

    Raises:
        TrainwellError: As `read_path`; what the workspace says of a path that cannot be read.
    """
    name = log.strip()
    if "\n" in name or len(name) > LONGEST_PATH:
        return read_text(log)
    try:
        path = workspace.resolve_read(name, "log", folder=True)
    except TrainwellError:
        if _LIKE_A_PATH.match(name):
            raise
        return read_text(log)
    return read_path(path)


def folded(rows: list[Cells]) -> list[Row]:
    """Rows by the names of our records, put together to epochs or blocks of steps."""
    return _folding.fold(rows)[0]


def read_text(text: str) -> Reading:
    """Read a log that was pasted."""
    return _read([pasted(text)])


def read_path(path: Path) -> Reading:
    """Read a file, or all TensorBoard event files of a folder.

    Args:
        path: Resolved, and allowed to be read.

    Raises:
        TrainwellError: `empty_file`, `not_a_log`, `ambiguous_folder`, `bad_path`.
    """
    return _read(documents(path))


@cache
def formats() -> dict[str, Format]:
    """Every format by the name of its file."""
    package = import_module("trainwell.diagnosis.foreign")
    names = sorted(module.name for module in iter_modules(package.__path__) if not module.name.startswith("_"))
    return {name: cast("Format", import_module(f"{package.__name__}.{name}")) for name in names}


def _read(found: list[Document]) -> Reading:
    raws = [_format_of(document).read(document) for document in found]
    rows = [row for raw in raws for row in raw.rows] if len(raws) == 1 else _side_by_side(raws)
    names = list(dict.fromkeys(name for row in rows for name in row))
    understood, ignored = _names.understand(names, rows)
    folded, notes = _folding.fold(_names.renamed(rows, understood))
    settings: dict[str, Any] = {}
    for raw in raws:
        settings |= raw.settings
    return Reading(
        format=raws[0].format,
        rows=folded,
        settings=settings,
        columns={name: " + ".join(plain(one) for one in columns) for name, columns in understood.items()},
        ignored=[plain(name) for name in ignored[:MOST_IGNORED]],
        notes=list(dict.fromkeys([*(note for raw in raws for note in raw.notes), *notes])),
        text="\n".join(document.text for document in found),
    )


def _side_by_side(raws: list[Raw]) -> list[Cells]:
    """The rows of several files of one run: those of one step in one row; a later file is the newer one."""
    merged: dict[float, Cells] = {}
    for raw in raws:
        for row in raw.rows:
            merged.setdefault(row.get("step", 0.0), {}).update(row)
    return [merged[step] for step in sorted(merged)]


def _format_of(document: Document) -> Format:
    """The format that is surest.

    Raises:
        TrainwellError: `not_a_log`.
    """
    sure, name = max((one.recognise(document), name) for name, one in formats().items())
    if sure <= 0:
        raise TrainwellError(
            "not_a_log", "This file is none of the logs that are read here.", argument="log", got=document.name,
            allowed=["text", "CSV", "JSON Lines or JSON", "a TensorBoard event file"],
            hint="Export the numbers as CSV (epoch,train_loss,val_loss), or send them as metrics.",
        )  # fmt: skip
    return formats()[name]
