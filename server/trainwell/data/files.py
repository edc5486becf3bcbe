"""Arrays of prepared data as files: written in pieces, read back memory-mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.format import open_memmap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainwell.data.splits import Rows

# Large enough to be fast, small enough that a wide table does not double in memory.
_PIECE_BYTES = 64_000_000


def write_rows(path: Path, rows: Rows, shape: tuple[int, ...], encode: Callable[[Rows], np.ndarray[Any, Any]]) -> None:
    """Write (len(rows), *shape) float32, encoded piece by piece; `encode` takes some of the row numbers."""
    array = open_memmap(path, mode="w+", dtype=np.float32, shape=(len(rows), *shape))
    piece = max(1, _PIECE_BYTES // max(4, 4 * int(np.prod(shape, dtype=np.int64))))
    for start in range(0, len(rows), piece):
        array[start : start + piece] = encode(rows[start : start + piece])
    array.flush()


def save_split(folder: Path, split: str, target: np.ndarray[Any, Any], rows: Rows) -> None:
    """Write a split's target and its row numbers in the source."""
    np.save(folder / f"{split}_target.npy", target, allow_pickle=False)
    np.save(folder / f"{split}_rows.npy", rows, allow_pickle=False)


def open_array(path: Path) -> np.ndarray[Any, Any]:
    """The array, memory-mapped copy-on-write."""
    return np.load(path, mmap_mode="c", allow_pickle=False)
