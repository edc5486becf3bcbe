"""Tensors on different devices, devices that are not there, and processes that no longer hear each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.diagnosis.crashes import Crash

if TYPE_CHECKING:
    from re import Match


def _input_and_weight(match: Match[str]) -> dict[str, str] | None:
    given, wanted = match["given"], match["wanted"]
    if ("cuda" in given) != ("cuda" in wanted):
        place = "CPU" if "cuda" in wanted else "GPU"
        return {
            "why": f"The input is on the {place}, the network is not.",
            "first": "Move every batch: x = x.to(next(model.parameters()).device).",
        }
    return {
        "why": "Both are on one device, but count in different types.",
        "first": "Convert the input: x.float(), or run under torch.autocast.",
    }


_MOVE = (
    (
        "Move inputs, targets and the network to one device, and make new tensors in forward there: "
        "torch.zeros(..., device=x.device), or register_buffer.",
        "One device in every line.",
    ),
    (
        "Call model.to(device) before the optimizer is built, and give class weights to the loss on that device.",
        "Optimizer state and weights lie together.",
    ),
)

CRASHES = (
    Crash(
        "device_mismatch",
        re.compile(r"Expected all tensors to be on the same device"),
        "Tensors on different devices met.",
        "The network was moved to the GPU and the batch was not, or a tensor is made in forward without a device.",
        _MOVE,
    ),
    Crash(
        "device_mismatch",
        re.compile(
            r"Input type \((?P<given>[\w.: ]{1,60})\) and (?:weight|bias) type \((?P<wanted>[\w.: ]{1,60})\) should "
            r"be the same"
        ),
        "The input is {given}, the weights are {wanted}.",
        "{why}",
        (("{first}", "The forward pass goes through."),),
        _input_and_weight,
    ),
    Crash(
        "tensor_on_gpu",
        re.compile(r"can't convert cuda:?\d* device type tensor to numpy"),
        "NumPy was given a tensor that lies on the GPU.",
        "A metric or a plot uses it as it is.",
        (("x.detach().cpu().numpy()", "A copy on the host, without the graph."),),
    ),
    Crash(
        "checkpoint_of_other_device",
        re.compile(r"Attempting to deserialize object on (?:a CUDA|CUDA) device"),
        "A checkpoint was written on a GPU that this machine does not have.",
        "torch.load puts tensors back where they were.",
        (("torch.load(path, map_location='cpu', weights_only=True), then move the network.", "It loads anywhere."),),
    ),
    Crash(
        "cuda_unavailable",
        re.compile(
            r"Torch not compiled with CUDA enabled|Found no NVIDIA driver|CUDA driver version is insufficient"
            r"|no kernel image is available for execution|No CUDA GPUs are available"
            r"|CUDA driver initialization failed"
        ),
        "The GPU cannot be used by this torch.",
        "A build of torch without CUDA or for other GPUs, an old driver, or CUDA_VISIBLE_DEVICES that hides all.",
        (
            (
                "Compare torch.__version__, torch.version.cuda and nvidia-smi; install the build for that "
                "driver and GPU.",
                "torch.cuda.is_available() is True.",
            ),
            ("Until then: device = 'cuda' if torch.cuda.is_available() else 'cpu'.", "It runs on the CPU."),
        ),
    ),
    Crash(
        "cuda_library_failed",
        re.compile(r"CU(?:BLAS|DNN)_STATUS_(?P<status>NOT_INITIALIZED|EXECUTION_FAILED|INTERNAL_ERROR|INVALID_VALUE)"),
        "A library on the GPU failed ({status}).",
        "Rarely the library: memory is nearly full, or a target or index out of range broke the device earlier.",
        (
            (
                "Run one batch on the CPU: an index out of range is said there in words.",
                "Either a clear error, or none.",
            ),
            ("Halve the batch.", "It passes if memory was the reason."),
        ),
        confidence=0.7,
    ),
    Crash(
        "processes_lost_each_other",
        re.compile(
            r"NCCL (?:error|WARN)|nccl(?:InternalError|UnhandledCudaError|SystemError|RemoteError)"
            r"|Watchdog caught collective operation timeout|ProcessGroupNCCL.{0,80}timeout"
        ),
        "The processes of a distributed training no longer hear each other.",
        "One of them died or did less steps than the others (uneven data, a branch that only rank 0 takes); "
        "or the network.",
        (
            (
                "Look for the first error in the logs of all ranks: the timeout of the others only follows.",
                "The rank that failed first.",
            ),
            (
                "Run with NCCL_DEBUG=INFO TORCH_DISTRIBUTED_DEBUG=DETAIL; give every rank as many batches "
                "(drop_last=True).",
                "It is said which collective hangs, and on whom.",
            ),
        ),
        confidence=0.8,
    ),
    Crash(
        "port_in_use",
        re.compile(r"Address already in use|EADDRINUSE"),
        "The port for the processes to meet is taken.",
        "An earlier training still runs, or two of them use one MASTER_PORT.",
        (
            (
                "End the old processes, or choose another port: torchrun --master-port 29501, or --standalone.",
                "The processes meet.",
            ),
        ),
    ),
)
