"""Whether a checkpoint is fit to be written: room on the disk, and no NaN in it."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from trainwell.contract.errors import TrainwellError
from trainwell.training.errors import NonFiniteLoss

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from torch import Tensor

    from trainwell.training.checkpoint import Checkpoint

FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}
# Headers, state and manifest beside the tensors.
BESIDE_BYTES = 2**16


def needed_bytes(parts: Iterable[Checkpoint]) -> int:
    """Bytes that these checkpoints take on the disk, about."""
    return sum(
        BESIDE_BYTES + sum(tensor.nbytes for tensor in (*part.weights.values(), *part.optimizer.values()))
        for part in parts
    )


@contextmanager
def room_for(folder: Path, needed: int) -> Generator[None]:
    """Refuse to begin where the disk has no room, and say the same of a write that finds it full.

    Raises:
        TrainwellError: disk_full, with the bytes that are needed and free.
    """
    if _free(folder) < needed:
        raise _full(folder, needed)
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_ERRNOS:
            raise
        raise _full(folder, needed) from error


def must_be_numbers(content: Checkpoint, epoch: int) -> None:
    """Refuse a checkpoint with a NaN in it. Infinity is legal: masks are made of it.

    Raises:
        NonFiniteLoss: A tensor holds a NaN.
    """
    for tensor in (*content.weights.values(), *content.optimizer.values()):
        if _has_nan(tensor):
            raise NonFiniteLoss(int(content.state["step"]), epoch, "weights")


def _has_nan(tensor: Tensor) -> bool:
    # The minimum is NaN if any element is, and takes no memory.
    return tensor.is_floating_point() and tensor.numel() > 0 and bool(torch.isnan(tensor.min()))


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _full(folder: Path, needed: int) -> TrainwellError:
    return TrainwellError(
        "disk_full",
        f"The disk is full: a checkpoint needs about {needed:,} bytes and {_free(folder):,} are free. "
        "Free some space, or delete_run what is not needed; then resume_run goes on from the last checkpoint.",
    )
