"""The store's versions: one SQL file each, carried out in order; an older store is copied before it is changed."""

# apsw's stubs name types that they do not have.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import apsw

from trainwell.store.atomic import place

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 3


def scripts_after(version: int) -> list[str]:
    """The SQL that brings a store of this version (0: an empty file) to ours, oldest first."""
    folder = resources.files("trainwell.store").joinpath("sql")
    numbered = {int(file.name.split("_")[0]): file for file in folder.iterdir() if file.name.endswith(".sql")}
    return [numbered[number].read_text(encoding="utf-8") for number in range(version + 1, SCHEMA_VERSION + 1)]


def backup_path(path: Path, version: int) -> Path:
    """Where the copy of a store of an older version lies."""
    return path.with_name(f"{path.name}.v{version}-backup")


def back_up(path: Path, version: int) -> Path:
    """Copy a store as it is on the disk, through SQLite, so that its write-ahead log is part of the copy.

    The caller holds the write lock: nothing changes meanwhile, and a reader may read all the same.

    Returns:
        Where the copy lies.

    Raises:
        apsw.Error: The copy could not be read or written.
        OSError: It could not be given its name.
    """
    target = backup_path(path, version)

    def copy(temporary: Path) -> None:
        source = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        sink = apsw.Connection(str(temporary))
        try:
            with sink.backup("main", source, "main") as backup:
                backup.step()
            sink.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
        finally:
            sink.close()
            source.close()

    place(target, copy)
    return target
