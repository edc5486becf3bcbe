"""A look at memory and disk before work begins."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import polars as pl
import psutil

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from pathlib import Path

# The rest is left to the system and to training.
_USABLE = 0.8


def check_memory(needed_bytes: int, what: str) -> None:
    """Stop before memory runs out.

    Raises:
        TrainwellError: `not_enough_memory`, with both numbers.
    """
    free = int(psutil.virtual_memory().available * _USABLE)
    if needed_bytes > free:
        raise TrainwellError(
            "not_enough_memory",
            f"{what} needs about {needed_bytes / 1e9:,.1f} GB of memory, {free / 1e9:,.1f} GB are usable.",
            argument="source",
            hint="Give fewer rows or columns, or use a machine with more memory.",
        )


def check_disk(needed_bytes: int, folder: Path) -> None:
    """Stop before the disk is full.

    Raises:
        TrainwellError: `disk_full`, with both numbers.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes > free * _USABLE:
        raise TrainwellError(
            "disk_full",
            f"The prepared data needs {needed_bytes / 1e9:,.1f} GB, {free / 1e9:,.1f} GB of disk are free.",
            hint="Make room in the workspace, or use fewer rows or columns.",
        )


def bytes_per_value(kind: pl.DataType) -> int:
    """What a value of this type takes in memory, about."""
    if kind == pl.Boolean:
        return 1
    if isinstance(kind, pl.String | pl.Binary) or kind.is_nested():
        return 32
    return 16 if isinstance(kind, pl.Decimal | pl.Int128) else 8
