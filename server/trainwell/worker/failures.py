"""What an exception means for a run: the word that the retry policy and the record use."""

from __future__ import annotations

import errno
from typing import Any

import torch

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain
from trainwell.training.device import is_out_of_memory
from trainwell.training.errors import NonFiniteLoss
from trainwell.training.room import FULL_ERRNOS

# torch has no type of its own for a worker of a DataLoader that hung or was killed.
_LOADER_WORDS = ("DataLoader worker", "DataLoader timed out")
_TRANSIENT_ERRNOS = {
    errno.EIO, errno.EAGAIN, errno.EINTR, errno.ESTALE, errno.EMFILE, errno.ENFILE,
    errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT,
}  # fmt: skip
_LONGEST = 300


def cause_of(error: BaseException) -> str:
    """One word: a key of `runs.retry.CLASSES`, the code of a TrainwellError, or `internal_error`."""
    if isinstance(error, NonFiniteLoss):
        return "non_finite_loss"
    if is_out_of_memory(error):
        return "out_of_memory"
    if isinstance(error, TrainwellError):
        return error.code
    if isinstance(error, EOFError):  # a pipe that was cut, or a file that is shorter than it says
        return "io_error"
    if isinstance(error, OSError):
        return _cause_of_os_error(error)
    if isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and "cuda error" in str(error).lower()
    ):
        return "device_error"
    if isinstance(error, RuntimeError) and str(error).startswith(_LOADER_WORDS):
        return "loader_failed"
    return "internal_error"


def _cause_of_os_error(error: OSError) -> str:
    if error.errno in FULL_ERRNOS:
        return "disk_full"
    if error.errno == errno.ENOMEM:
        return "out_of_memory"
    return "io_error" if error.errno in _TRANSIENT_ERRNOS else "internal_error"


def facts_of(error: BaseException) -> dict[str, Any]:
    """What was found out about it, for the attempt's record."""
    return error.facts if isinstance(error, NonFiniteLoss) else {}


def told(error: BaseException) -> str:
    """The error in one line; its text may come from data, so it is cut."""
    if isinstance(error, TrainwellError):
        return plain(" ".join(part for part in (error.message, error.hint) if part), _LONGEST)
    text = str(error).strip().splitlines()
    return plain(f"{type(error).__name__}: {text[0]}" if text else type(error).__name__, _LONGEST)
