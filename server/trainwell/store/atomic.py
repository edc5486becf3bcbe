"""Files and folders that are whole or absent: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import os
import shutil
from glob import escape
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEMPORARY = ".tmp-"


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it.

    Raises:
        OSError: With the errno of a full or broken disk.
    """
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_beside(path: Path) -> Path:
    """A hidden name in the same folder that says which process it belongs to."""
    return path.parent / f"{TEMPORARY}{os.getpid()}-{path.name}"


def place(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file or folder under a temporary name, then give it its own name.

    After an error or a kill there is either the whole thing or nothing under `path`.

    Raises:
        OSError: As `write` or the rename did.
    """
    temporary = temporary_beside(path)
    try:
        write(temporary)
        _swap(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    sync_folder(path.parent)


def _swap(new: Path, path: Path) -> None:
    """Give `new` its name; a folder that has it goes only when the new one stands."""
    if not path.is_dir():
        new.replace(path)
        return
    old = temporary_beside(path.with_name(f"{path.name}-old"))
    path.rename(old)
    try:
        new.replace(path)
    except OSError:
        old.rename(path)
        raise
    remove(old)


def remove(path: Path) -> None:
    """Remove a file or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sweep(folder: Path, killed: int | None = None) -> None:
    """Remove temporary files whose process is gone or was killed just now, or that we left behind ourselves."""
    for path in folder.glob(f"{TEMPORARY}*"):
        owner = path.name.removeprefix(TEMPORARY).split("-")[0]
        if not owner.isdigit() or int(owner) in {os.getpid(), killed} or _is_gone(int(owner)):
            remove(path)


def sweep_of(path: Path) -> None:
    """Remove what killed processes left of writing this one path, in a folder that others write to as well."""
    for left in path.parent.glob(f"{TEMPORARY}*-{escape(path.name)}*"):
        owner = left.name.removeprefix(TEMPORARY).split("-")[0]
        if owner.isdigit() and (int(owner) == os.getpid() or _is_gone(int(owner))):
            remove(left)


def _is_gone(pid: int) -> bool:
    """Whether there is no such process any more; one that has ended and was not yet taken leave of writes nothing."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
