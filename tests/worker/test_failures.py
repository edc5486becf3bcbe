import errno

import pytest
import torch

from trainwell.contract.errors import TrainwellError
from trainwell.runs.retry import CLASSES
from trainwell.training.errors import NonFiniteLoss
from trainwell.worker.failures import cause_of, told


def allocation_failure():
    """What torch itself raises when the CPU has no memory left."""
    try:
        torch.empty(2**60, dtype=torch.uint8)
    except RuntimeError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (allocation_failure(), "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EIO, "Input/output error"), "io_error"),
        (OSError(errno.EACCES, "Permission denied"), "internal_error"),
        (RuntimeError("CUDA error: unspecified launch failure"), "device_error"),
        (NonFiniteLoss(step=3, epoch=1, what="train_loss"), "non_finite_loss"),
        (TrainwellError("data_gone", "The prepared data is gone."), "data_gone"),
        (ZeroDivisionError("division by zero"), "internal_error"),
    ],
)
def test_a_failure_has_one_word_that_the_retry_policy_knows(error, cause):
    assert cause_of(error) == cause


def test_only_what_can_pass_or_be_mended_is_tried_again():
    assert {cause for cause, kind in CLASSES.items() if kind == "fixable"} == {
        "out_of_memory",
        "host_out_of_memory",
        "non_finite_loss",
    }
    assert not {"disk_full", "internal_error", "data_gone"} & set(CLASSES)


def test_the_text_of_an_error_is_one_cut_line():
    assert told(ValueError("bad\x1b[31m value\nsecond line" + "x" * 1000)) == "ValueError: bad\\u001b[31m value"
