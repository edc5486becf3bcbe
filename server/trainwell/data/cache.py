"""Prepared data under its content's hash: made once, whole or not at all, shared by whoever asks.

A folder is written beside its place under a temporary name, synced to disk and renamed; two processes that
prepare the same both succeed, the second finds the first's. What a killed process left is swept later.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from pydantic import ValidationError

from trainwell.contract.errors import TrainwellError, did_you_mean, next_call
from trainwell.contract.specs import PreparedData
from trainwell.data.files import open_array
from trainwell.data.parts import SplitArrays
from trainwell.store.atomic import sync_folder
from trainwell.store.handles import slug

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainwell.store.workspace import Workspace

# Raise it when the same file and arguments would give other arrays.
FORMAT_VERSION = 2
META = "meta.json"
_TEMPORARY = ".tmp-"
_OWNER = re.compile(r"\.tmp-(?P<host>.+)-(?P<pid>\d+)-(?P<started>\d+)-[0-9a-f]{8}")
_TAIL = 6
# Another machine's process cannot be asked whether it lives.
_FOREIGN_STALE_SECONDS = 86_400.0


def fingerprint_of(content: str, arguments: dict[str, Any]) -> str:
    """SHA-256 of the source's content hash, everything that shapes the arrays, and the format's version."""
    text = json.dumps([FORMAT_VERSION, content, arguments], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def get_or_make(
    workspace: Workspace, name: str, fingerprint: str, make: Callable[[str, Path], PreparedData]
) -> PreparedData:
    """The prepared data of this fingerprint, made by `make(handle, folder)` when it is not there yet.

    Raises:
        TrainwellError: `disk_full`, or what `make` raises; nothing is left behind.
    """
    place = workspace.state / "data"
    place.mkdir(parents=True, exist_ok=True)
    sweep(place)
    handle, known = _find(workspace, name, fingerprint)
    if known is not None:
        return known
    folder = _temporary(place)
    try:
        folder.mkdir()
        prepared = make(handle, folder)
        (folder / META).write_text(prepared.model_dump_json(), encoding="utf-8")
        _sync(folder)
        return _publish(workspace, prepared, folder)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise TrainwellError(
            "disk_full" if full else "workspace_not_writable",
            f"The prepared data could not be written: {error.strerror}.",
            hint="Make room in the workspace and try again."
            if full
            else "Let the user that runs trainwell write to .trainwell in the workspace.",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_prepared(workspace: Workspace, handle: str) -> PreparedData:
    """The prepared data of a full handle.

    Raises:
        TrainwellError: `unknown_handle`, `data_damaged`.
    """
    folder = workspace.data_dir(handle)
    if not (folder / META).is_file():
        place = workspace.state / "data"
        known = sorted(entry.name for entry in place.glob("data_*")) if place.is_dir() else []
        raise TrainwellError(
            "unknown_handle", "There is no data of this handle.", argument="data", got=handle,
            allowed=known[:3] or None, hint=did_you_mean(handle, known),
            next_call=next_call("prepare_data", source="digits"),
        )  # fmt: skip
    prepared = _read(folder)
    if prepared is None:
        raise TrainwellError(
            "data_damaged", "The prepared data is damaged.", argument="data", got=handle,
            hint="Call prepare_data again with the same arguments: it is made anew.",
        )  # fmt: skip
    return prepared


def load_split(workspace: Workspace, prepared: PreparedData, split: str) -> SplitArrays:
    """One split's arrays; inputs, and targets of more than one value, are memory-mapped.

    Raises:
        TrainwellError: `data_damaged`.
    """
    folder = workspace.data_dir(prepared.handle)
    try:
        inputs = tuple(open_array(folder / f"{split}_{entry.name}.npy") for entry in prepared.inputs)
        target, rows = (open_array(folder / f"{split}_{part}.npy") for part in ("target", "rows"))
        if not prepared.target_shape:
            target = np.array(target)
        rows = np.array(rows)
    except (OSError, ValueError) as error:
        raise TrainwellError(
            "data_damaged", f"The {split} arrays of the prepared data cannot be read.", argument="data",
            got=prepared.handle, hint="Call prepare_data again with the same arguments: it is made anew.",
        ) from error  # fmt: skip
    return SplitArrays(inputs, target, rows)


def sweep(place: Path) -> None:
    """Remove temporary folders whose process is gone."""
    for folder in place.glob(f"{_TEMPORARY}*"):
        if _is_stale(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _find(workspace: Workspace, name: str, fingerprint: str) -> tuple[str, PreparedData | None]:
    """The handle for this fingerprint and what lies there; a longer tail when another has the short one."""
    readable = slug(name, otherwise="table")
    for length in (_TAIL, 10, 16, 32):
        handle = f"data_{readable}_{fingerprint[:length]}"
        folder = workspace.data_dir(handle)
        if not folder.exists():
            return handle, None
        prepared = _read(folder)
        if prepared is None or not _whole(folder, prepared):
            _set_aside(folder)
            return handle, None
        if prepared.fingerprint == fingerprint:
            return handle, prepared
    return f"data_{readable}_{fingerprint}"[:80], None


def _publish(workspace: Workspace, prepared: PreparedData, folder: Path) -> PreparedData:
    final = workspace.data_dir(prepared.handle)
    try:
        folder.rename(final)
    except OSError:
        other = _read(final)
        if other is None or other.fingerprint != prepared.fingerprint:
            raise
        return other
    sync_folder(final.parent)
    return prepared


def _read(folder: Path) -> PreparedData | None:
    try:
        return PreparedData.model_validate_json((folder / META).read_bytes())
    except (OSError, ValidationError):
        return None


def _whole(folder: Path, prepared: PreparedData) -> bool:
    """Whether every array is there with its rows; a flipped bit is not looked for."""
    try:
        return all(
            len(open_array(folder / f"{split}_{name}.npy")) == count
            for split, count in prepared.splits.items()
            for name in (*(entry.name for entry in prepared.inputs), "target", "rows")
        )
    except (OSError, ValueError):
        return False


def _set_aside(folder: Path) -> None:
    """Move a damaged folder out of the way under a name that the sweep removes."""
    doomed = folder.with_name(f"{_TEMPORARY}{socket.gethostname()}-0-0-{secrets.token_hex(4)}")
    try:
        folder.rename(doomed)
    except OSError:
        return
    shutil.rmtree(doomed, ignore_errors=True)


def _temporary(place: Path) -> Path:
    started = int(psutil.Process().create_time() * 100)
    return place / f"{_TEMPORARY}{socket.gethostname()}-{os.getpid()}-{started}-{secrets.token_hex(4)}"


def _is_stale(folder: Path) -> bool:
    match = _OWNER.fullmatch(folder.name)
    try:
        age = time.time() - folder.stat().st_mtime
    except OSError:
        return False
    if match is None or match["host"] != socket.gethostname():
        return age > _FOREIGN_STALE_SECONDS
    try:
        # The start time tells a living owner from a stranger that was given its number; clocks may be set a little.
        return abs(psutil.Process(int(match["pid"])).create_time() * 100 - int(match["started"])) > 200
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _sync(folder: Path) -> None:
    for file in folder.iterdir():
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())
    sync_folder(folder)
