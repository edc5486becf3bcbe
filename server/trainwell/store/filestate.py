"""What tells without reading that a file, or any file of a folder, is another than before."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def state_of(path: Path) -> str:
    """Of the names, sizes, times and inodes of a file or of all files below a folder, in hexadecimal.

    The time of the last change of the entry itself (ctime) is part of it: nobody sets it back by hand.

    Raises:
        OSError: A file cannot be looked at.
    """
    total = hashlib.sha256()
    for name, file in files_below(path) if path.is_dir() else [("", path)]:
        facts = file.stat()
        key = (name, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_dev)
        total.update(repr(key).encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below a folder with its name there, in order, without hidden ones; links are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            file = Path(place, name)
            if not file.is_symlink() and file.is_file():
                yield str(file.relative_to(folder)), file
