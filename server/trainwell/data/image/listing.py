"""Which pictures there are: the files of a folder, a class a subfolder and perhaps a split above it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trainwell.contract.text import plain, quoted
from trainwell.data.image.decode import SUFFIXES
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainwell.data.source import Source

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
OUTSIDE = "the path leads out of the workspace"
MISSING = "there is no such file"
_MOST_LOOKED_AT = 2000
_SKIPPED_FOLDERS = {"__MACOSX", "__pycache__"}


@dataclass(frozen=True)
class Listing:
    """Pictures of a source, in a fixed order; their places in it are the row numbers.

    Attributes:
        paths: Where each lies, links resolved; None where it cannot be read, with the reason in `refused`.
        shown: How each is called, for people.
        labels: The class folder of each; empty where there is none.
        splits: The split folder of each; empty where there is none.
        refused: Why a picture cannot be read, by its place.
        notes: What was left aside.
    """

    paths: list[Path | None]
    shown: list[str]
    labels: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)


def holds_pictures(folder: Path) -> bool:
    """Whether there is a file with the name of a picture among the first some thousand."""
    for number, file in enumerate(files_below(folder)):
        if is_picture(file):
            return True
        if number >= _MOST_LOOKED_AT:
            return False
    return False


def is_picture(file: Path) -> bool:
    """Told by the name; what is inside shows when it is decoded."""
    return file.suffix.lower() in SUFFIXES


def files_below(folder: Path) -> Iterator[Path]:
    """All files but hidden ones, in a fixed order; links to folders are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


def list_folder(source: Source, folder: Path) -> Listing:
    """The pictures of a folder: `[split/]class/.../picture`, or pictures without a class right in it."""
    found: list[tuple[Path, tuple[str, ...]]] = []
    others = 0
    for file in files_below(folder):
        if is_picture(file):
            found.append((file, file.relative_to(folder).parts[:-1]))
        else:
            others += 1
    splits = _split_of_folders({parts[0] for _, parts in found if parts})
    loose = [file for file, parts in found if not parts[bool(splits) :]]
    notes = [f"{counted(others, 'file')} without an image's name left aside."] if others else []
    if loose and len(loose) < len(found):
        notes.append(f"{counted(len(loose), 'image')} outside the class folders left aside.")
        found = [(file, parts) for file, parts in found if parts[bool(splits) :]]
    has_classes = len(loose) < len(found)
    listing = resolved(source, [file for file, _ in found], [str(file.relative_to(folder)) for file, _ in found])
    return Listing(
        paths=listing.paths,
        shown=listing.shown,
        labels=[parts[bool(splits)] for _, parts in found] if has_classes else [],
        splits=[splits[parts[0]] for _, parts in found] if splits else [],
        refused=listing.refused,
        notes=notes,
    )


def resolved(source: Source, files: Sequence[Path | None], shown: Sequence[str]) -> Listing:
    """Paths with links resolved, held inside the folders that may be read."""
    paths: list[Path | None] = []
    refused: dict[int, str] = {}
    for place, file in enumerate(files):
        path, reason = _resolve(source, file)
        paths.append(path)
        if reason is not None:
            refused[place] = reason
    return Listing(paths, list(shown), refused=refused)


def first_broken(broken: dict[int, str], shown: Sequence[str], most: int = 3) -> str:
    """The first of some pictures with the reason, for a warning."""
    named = [f"{quoted(plain(shown[place]), 60)} ({reason})" for place, reason in list(broken.items())[:most]]
    return ", ".join(named) + (", ..." if len(broken) > most else "")


def _resolve(source: Source, file: Path | None) -> tuple[Path | None, str | None]:
    if file is None:
        return None, "there is no path"
    try:
        path = file.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name too long, a zero byte
        return None, "the path cannot be followed"
    if not any(path.is_relative_to(root) for root in source.roots):
        return None, OUTSIDE
    return (path, None) if path.is_file() else (None, MISSING)


def _split_of_folders(names: set[str]) -> dict[str, str]:
    """The split of each top folder, where all of them are named like splits and one of them trains."""
    splits = {name: SPLIT_FOLDERS[name.lower()] for name in names if name.lower() in SPLIT_FOLDERS}
    return splits if len(splits) == len(names) and "train" in splits.values() and len(names) > 1 else {}
