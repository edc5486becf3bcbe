"""Files that are whole or absent: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

TEMPORARY = ".tmp-"


def serialise(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Tensors as safetensors bytes; those that share memory (tied weights) are written out one by one."""
    seen: set[int] = set()
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        copy = tensor.detach().to("cpu", memory_format=torch.contiguous_format).contiguous()
        address = copy.untyped_storage().data_ptr()
        packed[name] = copy.clone() if address in seen or copy.untyped_storage().nbytes() != copy.nbytes else copy
        seen.add(address)
    return save(packed, metadata)


def deserialise(content: bytes, path: Path) -> dict[str, Tensor]:
    """Tensors from safetensors bytes.

    Raises:
        TrainwellError: checkpoint_damaged.
    """
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> TrainwellError:
    """The error for a file that was once good."""
    return TrainwellError(
        "checkpoint_damaged",
        f"{path.name} is damaged: {why}",
        argument="path",
        hint="Use another checkpoint of the run, or train again.",
    )


def digest(content: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(content).hexdigest()


def dump(value: Any) -> bytes:
    """JSON bytes with sorted keys; a NaN is refused."""
    return json.dumps(value, sort_keys=True, allow_nan=False).encode()


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


def place(path: Path, write: Callable[[Path], None]) -> None:
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


def sweep(folder: Path) -> None:
    """Remove temporary files whose process is gone, or that we left behind ourselves."""
    for path in folder.glob(f"{TEMPORARY}*"):
        owner = path.name.removeprefix(TEMPORARY).split("-")[0]
        if not owner.isdigit() or int(owner) == os.getpid() or not psutil.pid_exists(int(owner)):
            remove(path)
