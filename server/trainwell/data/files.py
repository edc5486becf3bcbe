"""Arrays of prepared data as files: written in pieces, read back memory-mapped."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.format import dtype_to_descr, write_array_header_1_0

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainwell.data.splits import Rows

# Large enough to be fast, small enough that a wide table does not double in memory.
_PIECE_BYTES = 64_000_000


def write_rows(
    path: Path,
    rows: Rows,
    shape: tuple[int, ...],
    encode: Callable[[Rows], np.ndarray[Any, Any]],
    dtype: str = "float32",
) -> None:
    """Write (len(rows), *shape), encoded piece by piece; `encode` takes some of the row numbers.

    Written as a stream: pages of a memory-mapped file would count as memory of this process.
    """
    kind = np.dtype(dtype)
    header = {"descr": dtype_to_descr(kind), "fortran_order": False, "shape": (len(rows), *shape)}
    piece = max(1, _PIECE_BYTES // max(kind.itemsize, kind.itemsize * int(np.prod(shape, dtype=np.int64))))
    with path.open("wb") as stream:
        write_array_header_1_0(stream, header)
        for start in range(0, len(rows), piece):
            part = np.ascontiguousarray(encode(rows[start : start + piece]), dtype=kind)
            assert part.shape[1:] == shape  # noqa: S101 - the header says so
            part.tofile(stream)


def save_split(folder: Path, split: str, target: np.ndarray[Any, Any] | str, rows: Rows) -> None:
    """Write a split's target and its row numbers in the source; a name says that this input is the target."""
    if isinstance(target, str):
        _same_file(folder / f"{split}_{target}.npy", folder / f"{split}_target.npy")
    else:
        np.save(folder / f"{split}_target.npy", target, allow_pickle=False)
    np.save(folder / f"{split}_rows.npy", rows, allow_pickle=False)


def open_array(path: Path) -> np.ndarray[Any, Any]:
    """The array, memory-mapped copy-on-write."""
    return np.load(path, mmap_mode="c", allow_pickle=False)


def _same_file(path: Path, name: Path) -> None:
    """A second name for a file, where the file system has such; else a copy."""
    try:
        os.link(path, name)
    except OSError:
        shutil.copyfile(path, name)
