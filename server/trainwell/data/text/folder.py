"""A folder of texts: one subfolder a class, with or without train and test folders above them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Warned
from trainwell.contract.text import quoted
from trainwell.data.memory import check_memory
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT, LABEL, FILE = "text", "label", "file"
SUFFIX = ".txt"
# Names of folders that hold a whole part, as the IMDb reviews come.
PARTS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
# Texts without a class, for training without labels.
_UNLABELLED = {"unsup", "unlabeled", "unlabelled"}
_MEMORY_FACTOR = 4


@dataclass(frozen=True)
class TextFolder:
    """What a folder holds.

    Attributes:
        frame: Columns `text`, `label` and `file` (the path inside the folder), sorted by path.
        parts: The part that each row belongs to, where the folder has train and test; else None.
        warnings: What was wrong with some files.
    """

    frame: pl.DataFrame
    parts: tuple[str, ...] | None
    warnings: list[Warned] = field(default_factory=list[Warned])
    notes: list[str] = field(default_factory=list[str])


def looks_like_texts(folder: Path) -> bool:
    """Whether a subfolder, or one of theirs, holds a text; looks at a few entries only."""
    return any(True for _ in _texts(folder, depth=2))


def read_folder(folder: Path) -> TextFolder:
    """All texts of a folder, decoded.

    Raises:
        TrainwellError: `no_text_files`, `not_enough_memory`.
    """
    files, skipped = _files(folder)
    if not files:
        raise TrainwellError(
            "no_text_files", f"No subfolder that would be a class holds a {SUFFIX} file.", argument="source",
            got=folder.name,
            allowed=f"a folder for each class with {SUFFIX} files, or train and test folders of such folders",
        )  # fmt: skip
    check_memory(sum(file.stat().st_size for _, _, file in files) * _MEMORY_FACTOR, "The texts")
    texts: list[str] = []
    odd: list[Path] = []
    for _, _, file in files:
        text, clean = decode(file.read_bytes())
        texts.append(text)
        if not clean:
            odd.append(file)
    frame = pl.DataFrame(
        {
            TEXT: texts,
            LABEL: [label for _, label, _ in files],
            FILE: [str(file.relative_to(folder)) for *_, file in files],
        },
        schema={TEXT: pl.String, LABEL: pl.String, FILE: pl.String},
    )
    parts = tuple(part for part, _, _ in files) if any(part for part, _, _ in files) else None
    notes = [f"Left out: {counted(skipped, 'text')} in folders without a class."] if skipped else []
    return TextFolder(frame, parts, [not_utf8(len(odd), len(files), odd[0].name)] if odd else [], notes)


def decode(content: bytes) -> tuple[str, bool]:
    """The text of a file: UTF-8 or UTF-16 by its mark, else Windows-1252; and whether that was certain."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace"), True
    try:
        return content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), False


def not_utf8(count: int, total: int, example: str) -> Warned:
    """The warning about files that are not UTF-8."""
    message = (
        f"{count:,} of {total:,} files are not UTF-8 and were read as Windows-1252, such as {quoted(example, 40)}."
    )
    return Warned(code="not_utf8", message=message)


def _files(folder: Path) -> tuple[list[tuple[str, str, Path]], int]:
    """(part, class, file) of each text in order of their paths, and how many texts have no class."""
    found: list[tuple[str, str, Path]] = []
    skipped = 0
    below = [entry for entry in _folders(folder) if entry.name.lower() in PARTS]
    tops = [(PARTS[entry.name.lower()], entry) for entry in below] or [("", folder)]
    parted = len({part for part, _ in tops}) > 1 and any(_folders(entry) for _, entry in tops)
    for part, top in tops if parted else [("", folder)]:
        for entry in _folders(top):
            texts = sorted(_texts(entry, depth=0))
            if part and entry.name.lower() in _UNLABELLED:
                skipped += len(texts)
                continue
            found += [(part, entry.name, file) for file in texts]
    return found, skipped


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def _texts(folder: Path, depth: int) -> Iterator[Path]:
    """Texts exactly below this folder (`depth` 0), or in the folders below it down to a depth."""
    if depth:
        for entry in _folders(folder):
            yield from _texts(entry, 0)
            yield from _texts(entry, depth - 1)
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            visible = not entry.name.startswith(".") and entry.name.lower().endswith(SUFFIX)
            if visible and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
