"""What an exception means for a run: the word that the retry policy and the record use."""

from __future__ import annotations

import errno

import torch

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain
from trainwell.training.device import is_out_of_memory
from trainwell.training.errors import NonFiniteLoss
from trainwell.training.room import FULL_ERRNOS

_TRANSIENT_ERRNOS = {errno.EIO, errno.EAGAIN, errno.EINTR, errno.ESTALE, errno.EMFILE, errno.ENFILE}
_LONGEST = 300


def cause_of(error: BaseException) -> str:
    """One word: a key of `runs.retry.CLASSES`, the code of a TrainwellError, or `internal_error`."""
    if isinstance(error, NonFiniteLoss):
        return "non_finite_loss"
    if is_out_of_memory(error):
        return "out_of_memory"
    if isinstance(error, TrainwellError):
        return error.code
    if isinstance(error, OSError):
        return _cause_of_os_error(error)
    if isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and "cuda error" in str(error).lower()
    ):
        return "device_error"
    return "internal_error"


def _cause_of_os_error(error: OSError) -> str:
    if error.errno in FULL_ERRNOS:
        return "disk_full"
    if error.errno == errno.ENOMEM:
        return "out_of_memory"
    return "io_error" if error.errno in _TRANSIENT_ERRNOS else "internal_error"


def told(error: BaseException) -> str:
    """The error in one line; its text may come from data, so it is cut."""
    text = str(error).strip().splitlines()
    return plain(f"{type(error).__name__}: {text[0]}" if text else type(error).__name__, _LONGEST)
