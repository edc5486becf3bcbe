"""All pictures of a source decoded once, into one file of bytes; what could not be read is named."""

from __future__ import annotations

import hashlib
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.format import open_memmap

from trainwell.data.image.decode import BrokenPictureError, Pixels, Style, decode
from trainwell.data.memory import check_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trainwell.data.parts import Array
    from trainwell.data.splits import Rows

# Decoding leaves Python's lock alone; more threads than this wait for the disk.
MOST_THREADS = 4
_PIECE_BYTES = 64_000_000


@dataclass(frozen=True)
class Decoded:
    """The pictures of a source as bytes.

    Attributes:
        pixels: (N, C, H, W) uint8; zeros where a picture is broken.
        digests: A hash of each picture's bytes; empty where it is broken.
        broken: Why a picture could not be read, by its place.
    """

    pixels: np.ndarray[Any, np.dtype[np.uint8]]
    digests: list[bytes]
    broken: dict[int, str]

    def usable(self) -> Rows:
        """The places of the pictures that could be read."""
        return np.array([place for place, digest in enumerate(self.digests) if digest], np.int64)


def decode_files(
    paths: Sequence[Path | None], refused: dict[int, str], style: Style, file: Path | None = None
) -> Decoded:
    """Decode pictures in a few threads.

    Args:
        paths: Where they lie; None where `refused` has a reason.
        refused: Why some cannot be read, by place.
        style: How they become bytes.
        file: Where the bytes are written as .npy; None keeps them in memory.
    """
    pixels = new_pixels(len(paths), style, file)
    digests, broken = [b""] * len(paths), dict(refused)

    def one(place: int) -> None:
        path = paths[place]
        if path is None or place in refused:
            return
        try:
            pixels[place] = decode(path, style)
        except BrokenPictureError as error:
            broken[place] = str(error)
        else:
            digests[place] = digest(pixels[place])

    with warnings.catch_warnings(), ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        # Pillow warns of odd metadata and of large pictures; the latter are refused by their header.
        warnings.simplefilter("ignore")
        list(pool.map(one, range(len(paths)), chunksize=1))
    return Decoded(pixels, digests, dict(sorted(broken.items())))


def decode_arrays(rows: Array, encode: Callable[[Array], Pixels], style: Style, file: Path | None = None) -> Decoded:
    """Pictures that lie as arrays (N, ...) as bytes, piece by piece."""
    pixels = new_pixels(len(rows), style, file)
    piece = max(1, _PIECE_BYTES // max(1, 4 * int(np.prod(rows.shape[1:], dtype=np.int64))))
    for start in range(0, len(rows), piece):
        pixels[start : start + piece] = encode(rows[start : start + piece])
    return Decoded(pixels, [digest(picture) for picture in pixels], {})


def new_pixels(count: int, style: Style, file: Path | None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Room for so many pictures.

    Raises:
        TrainwellError: `disk_full`.
    """
    shape = (count, style.channels, style.height, style.width)
    if file is None:
        return np.zeros(shape, np.uint8)
    check_disk(2 * int(np.prod(shape, dtype=np.int64)), file.parent)  # once as a whole, once by split
    return open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)


def write_pixels(file: Path, pixels: np.ndarray[Any, Any], rows: Rows) -> None:
    """Some of the pictures as a file of their own, copied piece by piece."""
    out = open_memmap(file, mode="w+", dtype=np.uint8, shape=(len(rows), *pixels.shape[1:]))
    piece = max(1, _PIECE_BYTES // max(1, int(np.prod(pixels.shape[1:], dtype=np.int64))))
    for start in range(0, len(rows), piece):
        out[start : start + piece] = pixels[rows[start : start + piece]]
    out.flush()


def scale_of(pixels: np.ndarray[Any, Any], rows: Rows) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel over the pictures of some rows, in 0..255; a flat channel has deviation 1."""
    piece = max(1, _PIECE_BYTES // max(1, 8 * int(np.prod(pixels.shape[1:], dtype=np.int64))))
    total, squares = (np.zeros(pixels.shape[1]) for _ in range(2))
    for start in range(0, len(rows), piece):
        values = pixels[rows[start : start + piece]].astype(np.float64)
        total += values.sum((0, 2, 3))
        squares += np.square(values).sum((0, 2, 3))
    count = max(1, len(rows) * pixels.shape[2] * pixels.shape[3])
    mean = total / count
    deviation = np.sqrt(np.maximum(0, squares / count - mean**2))
    deviation[deviation < 1e-3] = 1.0
    return tuple(map(float, mean)), tuple(map(float, deviation))


def digest(picture: np.ndarray[Any, Any]) -> bytes:
    """Equal for equal pixels."""
    return hashlib.blake2b(np.ascontiguousarray(picture).tobytes(), digest_size=16).digest()
