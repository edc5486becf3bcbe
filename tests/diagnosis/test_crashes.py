"""Crashes are recognised by what torch itself says: each case makes the error that it is about."""

import re
import traceback

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, TensorDataset

from trainwell.diagnosis import crashes, diagnose, told


def in_place():
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    y += 1
    y.sum().backward()


def twice():
    loss = (torch.ones(2, requires_grad=True) ** 2).sum()
    loss.backward()
    loss.backward()


def leaf():
    torch.ones(2, requires_grad=True).add_(1)


def anomaly():
    with torch.autograd.detect_anomaly(check_nan=True):
        torch.zeros(2, requires_grad=True).mul(0.0).sqrt().mul(0.0).sum().backward()


def load(target, source):
    target.load_state_dict(source)


class Words(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return object()


RAISED = {
    "layer_shape_mismatch": lambda: nn.Linear(784, 10)(torch.zeros(4, 1, 28, 28)),
    "channel_mismatch": lambda: nn.Conv2d(3, 4, 3)(torch.zeros(2, 1, 8, 8)),
    "missing_batch_dimension": lambda: nn.Conv2d(1, 4, 3)(torch.zeros(8, 8)),
    "input_too_small": lambda: nn.Conv2d(1, 4, 5)(torch.zeros(1, 1, 3, 3)),
    "batch_size_mismatch": lambda: functional.cross_entropy(torch.zeros(8, 3), torch.zeros(4, dtype=torch.long)),
    "target_shape": lambda: functional.binary_cross_entropy_with_logits(torch.zeros(4, 1), torch.zeros(4)),
    "target_not_class_numbers": lambda: functional.cross_entropy(torch.zeros(4, 3), torch.zeros(4, 1).long()),
    "broadcast_mismatch": lambda: torch.zeros(4, 3) + torch.zeros(4, 5),
    "unequal_rows": lambda: next(iter(DataLoader([torch.zeros(3), torch.zeros(4)], batch_size=2))),
    "reshape_mismatch": lambda: torch.zeros(10, 7).view(32, -1),
    "view_of_scattered_memory": lambda: torch.zeros(4, 3).t().view(12),
    "normalised_shape_mismatch": lambda: nn.LayerNorm(8)(torch.zeros(2, 4)),
    "batch_of_one": lambda: nn.BatchNorm1d(4)(torch.zeros(1, 4)),
    "checkpoint_does_not_fit": lambda: load(nn.Linear(4, 3), nn.Linear(4, 2).state_dict()),
    "target_out_of_range": lambda: functional.cross_entropy(torch.zeros(4, 3), torch.tensor([0, 1, 2, 3])),
    "index_out_of_range": lambda: nn.Embedding(5, 2)(torch.tensor([7])),
    "probabilities_expected": lambda: functional.binary_cross_entropy(torch.full((2,), 3.0), torch.zeros(2)),
    "dtype_mismatch": lambda: nn.Linear(2, 2)(torch.zeros(1, 2, dtype=torch.float64)),
    "dtype_not_supported": lambda: torch.zeros(2, 2, dtype=torch.int32).softmax(1),
    "target_type": lambda: functional.cross_entropy(torch.zeros(2, 3), torch.zeros(2)),
    "integers_averaged": lambda: torch.arange(3).mean(),
    "join_mismatch": lambda: torch.cat([torch.zeros(2, 3), torch.zeros(2, 4)]),
    "graph_is_cut": torch.zeros(()).backward,
    "changed_in_place": in_place,
    "backward_twice": twice,
    "leaf_changed_in_place": leaf,
    "numpy_of_graph": torch.zeros(1, requires_grad=True).numpy,
    "loss_is_no_number": (torch.zeros(2, requires_grad=True) * 2).backward,
    "nothing_to_train": lambda: torch.optim.SGD([], lr=0.1),
    "empty_dataset": lambda: DataLoader(TensorDataset(torch.zeros(0, 2)), shuffle=True),
    "batch_cannot_be_made": lambda: next(iter(DataLoader(Words()))),
    "missing_module": lambda: __import__("no_such_module_here"),
    "file_not_found": lambda: open("nowhere/weights.pt"),  # noqa: PTH123, SIM115
    "dimension_out_of_range": lambda: torch.zeros(3).argmax(1),
}  # fmt: skip

# What needs a GPU, several machines or a dying process, as it is reported.
REPORTED = {
    "device_mismatch": "RuntimeError: Expected all tensors to be on the same device, but found at least two "
    "devices, cuda:0 "
    "and cpu! (when checking argument for argument mat1 in method wrapper_CUDA_addmm)",
    "device_assert": "/pytorch/aten/src/ATen/native/cuda/Loss.cu:250: nll_loss_forward_reduce_cuda_kernel_2d: block: "
    "[0,0,0], thread: [5,0,0] Assertion `t >= 0 && t < n_classes` failed.\nTraceback (most recent call last):\n"
    '  File "/home/me/train.py", line 42, in step\n    loss.backward()\n'
    "torch.AcceleratorError: CUDA error: device-side assert triggered\nCUDA kernel errors might be "
    "asynchronously reported",
    "tensor_on_gpu": "TypeError: can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy "
    "the tensor to "
    "host memory first.",
    "checkpoint_of_other_device": "RuntimeError: Attempting to deserialize object on a CUDA device but "
    "torch.cuda.is_available() is False.",
    "cuda_unavailable": "AssertionError: Torch not compiled with CUDA enabled",
    "cuda_library_failed": "RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(`",
    "processes_lost_each_other": "[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1204, "
    "OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600012 milliseconds before timing out.",
    "loader_worker_died": "RuntimeError: DataLoader worker (pid 4711) is killed by signal: Bus error. It is "
    "possible that "
    "dataloader's workers are out of shared memory.",
    "unused_parameters": "RuntimeError: Expected to have finished reduction in the prior iteration before "
    "starting a new "
    "one.",
    "checkpoint_with_code": "_pickle.UnpicklingError: Weights only load failed. In PyTorch 2.6, we changed the default",
    "checkpoint_damaged": "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding "
    "central directory",
    "disk_full": "OSError: [Errno 28] No space left on device",
    "unguarded_main": "RuntimeError: \n        An attempt has been made to start a new process before the\n "
    "       current "
    "process has finished its bootstrapping phase.",
}


def text_of(cause):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        cause()
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("code", RAISED)
def test_an_error_that_torch_raises_is_named_with_its_place_and_a_fix(code):
    (finding,) = [one for one in diagnose(told(log=text_of(RAISED[code]))) if one.code != "non_finite_loss"]

    assert (finding.code, finding.severity) == (code, "critical")
    assert finding.evidence["where"].startswith("test_crashes.py:")
    assert finding.fixes
    assert not re.search(r"\{\w*\}|\bNone\b|\(\)", finding.symptom)


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.filterwarnings("ignore:Error detected in")
def test_a_gradient_that_is_nan_is_found_by_anomaly_mode():
    assert "gradient_not_finite" in [one.code for one in diagnose(told(log=text_of(anomaly)))]


@pytest.mark.parametrize("code", REPORTED)
def test_an_error_that_is_pasted_is_named(code):
    assert [one.code for one in diagnose(told(log=REPORTED[code]))] == [code]


def test_what_caught_in_a_loader_gives_way_to_what_was_caught():
    inner = text_of(RAISED["unequal_rows"])
    text = f"RuntimeError: Caught RuntimeError in DataLoader worker process 0.\nOriginal {inner}"

    assert diagnose(told(log=text))[0].code == "unequal_rows"


def test_the_assertion_above_a_traceback_tells_what_the_device_refused():
    (finding,) = diagnose(told(log=REPORTED["device_assert"]))

    assert finding.cause.startswith("A target is no class of the network.")
    assert finding.evidence["where"] == "train.py:42 in step"
    assert finding.evidence["code"] == "loss.backward()"


def test_numbers_of_the_error_are_in_the_advice():
    (images,) = diagnose(told(log=text_of(RAISED["layer_shape_mismatch"])))
    (classes,) = diagnose(told(log=text_of(RAISED["target_out_of_range"])))
    (parallel,) = diagnose(told(log=text_of(lambda: load(nn.Linear(2, 1), {"module.weight": torch.zeros(1, 2)}))))

    assert "784 is 28 x 28: the rows were not flattened" in images.cause
    assert "4 outputs or more" in classes.fixes[0].reason
    assert "prefix module." in parallel.cause


def test_text_of_a_traceback_is_cut_and_shown_not_obeyed():
    evil = "\u202e" + "x" * 500
    (finding,) = diagnose(told(log=f'File "{evil}.py", line 1, in f\nFileNotFoundError: [Errno 2] No such '
                                   f'file or directory: '
                                   f"'{'y' * 150}\u202e'"))  # fmt: skip

    assert "\u202e" not in finding.model_dump_json()
    assert len(finding.symptom) < 150


def test_each_crash_is_tried_here():
    tried = {*RAISED, *REPORTED, "gradient_not_finite"}
    untried = {crash.code for crash in crashes.known()} - tried

    assert untried == {"port_in_use", "cannot_pickle", "too_many_files", "object_array", "dataset_raised"}
