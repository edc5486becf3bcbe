"""A log before anybody knows its format: a bounded look at a file, or text that was pasted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted

# Of a larger file the beginning (its header) and the end (how it went out) are read.
HEAD_BYTES, TAIL_BYTES = 2**18, 2**20
EVENT_FILES = "*tfevents*"
MOST_FILES = 32
# Folders looked into below the one that is named: runs/<name>/<train or validation>/.
DEEPEST = 3
LOGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".log", ".txt", ".out", ".err")

Cells = dict[str, float]


@dataclass
class Raw:
    """What a format reads: rows by the names that stand in the document, with `epoch` and `step` where it has them."""

    format: str
    rows: list[Cells] = field(default_factory=list[Cells])
    notes: list[str] = field(default_factory=list[str])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Document:
    """The first bytes and the text of a log.

    `text` is empty for a binary file. `cut` says that the middle was left out. `side` is `val_` where the folder's
    name says that the numbers are of validation, else `train_` or nothing.
    """

    name: str
    head: bytes
    text: str
    path: Path | None = None
    cut: bool = False
    side: str = ""

    @cached_property
    def lines(self) -> list[str]:
        """The lines that hold anything."""
        return [line for line in self.text.splitlines() if line.strip()]

    @property
    def notes(self) -> list[str]:
        """What a reader must know of how it was read."""
        size = f"{HEAD_BYTES // 2**10} KiB and the last {TAIL_BYTES // 2**10} KiB"
        return [f"The file is large: its first {size} were read."] if self.cut else []


def pasted(text: str) -> Document:
    """A document of text that came with the call."""
    return Document("", text[:64].encode("utf-8", "replace"), text)


def documents(path: Path) -> list[Document]:
    """The file, or the event files of a folder.

    Raises:
        TrainwellError: `empty_file`, `ambiguous_folder`, `bad_path`.
    """
    try:
        return [_of_file(one) for one in (_event_files(path) if path.is_dir() else [path])]
    except OSError as error:
        raise TrainwellError("bad_path", f"{error.strerror}.", argument="log", got=path.name) from error


def _event_files(folder: Path) -> list[Path]:
    found = [
        path
        for depth in range(DEEPEST + 1)
        for path in sorted(folder.glob("/".join(["*"] * depth + [EVENT_FILES])))
        if path.is_file() and path.resolve().is_relative_to(folder)
    ]
    roots = {path.parent.parent if _side(path) else path.parent for path in found}
    if len(roots) == 1 and len(found) <= MOST_FILES:
        return found
    names = sorted(path.name for path in folder.iterdir() if path.suffix in LOGS or path.is_dir())[:8]
    what = "No event file" if not found else f"{len(found)} event files of {len(roots)} runs"
    raise TrainwellError(
        "ambiguous_folder", f"{what} in this folder: name one log.", argument="log", got=folder.name,
        allowed="a file, or a folder with the event files of one run",
        hint=f"It holds: {', '.join(quoted(name) for name in names)}." if names else None,
    )  # fmt: skip


def _side(path: Path) -> str:
    """The part that a folder's name tells: Keras writes `train/` and `validation/`."""
    return {"train": "train_", "validation": "val_", "val": "val_", "eval": "val_", "test": "val_"}.get(
        path.parent.name.lower(), ""
    )


def _of_file(path: Path) -> Document:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES + TAIL_BYTES)
        size = file.seek(0, 2)
        cut = size > len(head)
        if not size:
            raise TrainwellError("empty_file", "This file is empty.", argument="log", got=path.name)
        if cut:
            file.seek(size - TAIL_BYTES)
            # A line that was cut in the middle would read as a wrong number.
            head = head[:HEAD_BYTES].rpartition(b"\n")[0] + b"\n" + file.read(TAIL_BYTES).partition(b"\n")[2]
    return Document(path.name, head[:64], _decoded(head), path, cut=cut, side=_side(path))


def _decoded(data: bytes) -> str:
    """The text of a file, or nothing where it is binary."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return "" if b"\x00" in data[:4096] else data.decode("utf-8-sig", "replace")
