"""Device decisions, all of them: where to train, in which precision, with which kernels, and where the data lies.

`read_facts` looks at the machine, `decide` is a pure function from facts and work to a `Setup`; each choice comes
with a sentence for the agent.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import torch

from trainwell.training.optimizers import fused_works

# bf16 on a CPU pays when its matrix units are this much faster than fp32 ...
BF16_SPEEDUP = 1.5
# ... and the matrices are large enough to hide the casts (multiply-adds of one step, forward).
BF16_WORK = 2e7
# torch.compile takes about so long to start (s; 13 to 120 were measured), saves about this share of a step on a GPU
# (a sixth to two thirds are reported for networks of many small operations), and must save so many times its cost.
COMPILE_SECONDS, COMPILE_GAIN, COMPILE_MARGIN = 60.0, 0.2, 3.0
# Data may take this share of the free memory of the device that trains.
RESIDENT_SHARE = 0.5
_PROBE_SIZE = 384
_PROBE_REPEATS = 4


@dataclass(frozen=True)
class Facts:
    """What this machine can do.

    Attributes:
        kind: cpu or cuda.
        name: For people.
        cores: CPU cores that this process may use.
        memory_free: Bytes free on the device.
        capability: CUDA compute capability, None on a CPU.
        bf16_speedup: Measured bf16 matrix product against fp32 on a CPU with units for it, 0 without such units.
        fused: Whether the fused optimizer kernels work.
        compiler: Whether what torch.compile needs for this device is installed.
    """

    kind: str
    name: str
    cores: int
    memory_free: int
    capability: tuple[int, int] | None = None
    bf16_speedup: float = 0.0
    fused: bool = True
    compiler: bool = False


@dataclass(frozen=True)
class Work:
    """What is to be trained, in the numbers that device decisions hang on.

    Attributes:
        steps: Optimizer steps of the whole run.
        step_seconds: Measured time of one; None while it is not known.
        same_shapes: Whether batches have one shape, but for the last of an epoch.
    """

    task: str
    parameters: int
    batch_rows: int
    data_bytes: int
    convolutions: bool
    deterministic: bool
    steps: int = 0
    step_seconds: float | None = None
    same_shapes: bool = True


@dataclass(frozen=True)
class Setup:
    """The decisions, and why.

    Attributes:
        autocast: dtype of the forward pass under autocast; None is plain fp32.
        scaler: Whether the loss is scaled against fp16 underflow.
        fused: Fused optimizer kernels.
        channels_last: Memory format of images and convolutions.
        resident: Whether all rows lie on the device; else they are gathered on the host, batch by batch.
        pinned: Whether gathered rows pass through page-locked memory.
        compile: Whether the training's forward and backward pass go through torch.compile.
        words: One sentence a decision.
    """

    device: torch.device
    precision: str
    autocast: torch.dtype | None
    scaler: bool
    fused: bool
    channels_last: bool
    resident: bool
    pinned: bool
    compile: bool
    words: tuple[str, ...]


def usable_cores() -> int:
    """CPU cores that this process may use: its affinity, capped by the container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):
        return cores


def free_memory() -> int:
    """Bytes of host memory that can still be taken: the machine's, capped by the container's limit."""
    free = psutil.virtual_memory().available
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        return max(0, min(free, limit - used))
    except (OSError, ValueError):
        return free


def read_facts() -> Facts:
    """Look at the machine. The slow parts are measured once a process."""
    if torch.cuda.is_available():
        index = torch.cuda.current_device()
        free, _ = torch.cuda.mem_get_info(index)
        return Facts(
            kind="cuda",
            name=torch.cuda.get_device_name(index),
            cores=usable_cores(),
            memory_free=free,
            capability=torch.cuda.get_device_capability(index),
            fused=_fused("cuda"),
            compiler=_has_compiler(),
        )
    return Facts(
        kind="cpu",
        name="CPU",
        cores=usable_cores(),
        memory_free=free_memory(),
        bf16_speedup=_bf16_speedup() if _has_bf16_units() else 0.0,
        fused=_fused("cpu"),
    )


@cache
def _fused(kind: str) -> bool:
    return fused_works(torch.device(kind))


def _has_compiler() -> bool:
    return importlib.util.find_spec("triton") is not None and any(map(shutil.which, ("cc", "gcc", "clang")))


def _has_bf16_units() -> bool:
    # Without them torch emulates: 260 times slower where it was measured (AVX2).
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check is not None and check() for check in checks)


@cache
def _bf16_speedup() -> float:
    """Time of an fp32 matrix product over that of a bf16 one, the best of a few (about 5 ms)."""
    times = {dtype: _product_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return times[torch.float32] / times[torch.bfloat16]


def _product_seconds(dtype: torch.dtype) -> float:
    matrix = torch.ones(_PROBE_SIZE, _PROBE_SIZE, dtype=dtype)
    best = float("inf")
    for _ in range(_PROBE_REPEATS):
        start = time.perf_counter()
        torch.mm(matrix, matrix)
        best = min(best, time.perf_counter() - start)
    return best


_ALLOCATOR_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "failed to allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; the CPU allocator has no exception type of its own."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _ALLOCATOR_WORDS)


def release_memory(device: torch.device) -> None:
    """Give cached blocks back, so that smaller ones can be cut from them."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def describe_devices() -> list[dict[str, Any]]:
    """The devices of this machine, for people and agents: JSON."""
    found: list[dict[str, Any]] = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        major, minor = torch.cuda.get_device_capability(index)
        found.append(
            {
                "kind": "cuda",
                "name": torch.cuda.get_device_name(index),
                "memory_bytes": total,
                "memory_free_bytes": free,
                "capability": f"{major}.{minor}",
            }
        )
    cores = usable_cores()
    cpu = {
        "kind": "cpu",
        "name": f"CPU with {cores} cores",
        "cores": cores,
        "memory_free_bytes": free_memory(),
        "vector_units": torch.backends.cpu.get_cpu_capability(),
        "bf16_units": _has_bf16_units(),
    }
    return [*found, cpu]


def decide(facts: Facts, work: Work, precision: str, earlier: str | None = None) -> Setup:
    """Turn facts and work into a setup.

    Args:
        facts: The machine.
        work: The training.
        precision: auto, fp32, bf16 or fp16; anything but auto is obeyed, with a warning in words where it costs.
        earlier: The precision that the same run was trained in so far; auto then keeps it.
    """
    chosen, why = _precision(facts, work, precision)
    if precision == "auto" and earlier is not None:
        chosen, why = earlier, "as in the attempt before"
    resident = work.data_bytes <= facts.memory_free * RESIDENT_SHARE
    compiles, compile_words = decide_compile(facts, work)
    fixed = "deterministic: only algorithms that give the same bits each time"
    words = (
        f"device {facts.kind}: " + ("a GPU is there" if facts.kind == "cuda" else "no GPU was found"),
        f"precision {chosen}: {why}",
        "optimizer kernel fused: one pass over the weights"
        if facts.fused
        else "optimizer kernel foreach: this device has no fused one",
        f"data resident: {_megabytes(work.data_bytes)} lie on the {facts.kind} as tensors"
        if resident
        else f"data streamed: {_megabytes(work.data_bytes)} do not fit beside the network, rows are read as needed",
        compile_words,
        *(("channels_last: convolutions run faster on it",) if work.convolutions else ()),
        *((fixed,) if work.deterministic else ()),
    )
    return Setup(
        device=torch.device(facts.kind),
        precision=chosen,
        autocast={"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[chosen],
        scaler=chosen == "fp16",
        fused=facts.fused,
        channels_last=work.convolutions,
        resident=resident,
        pinned=facts.kind == "cuda" and not resident,
        compile=compiles,
        words=words,
    )


def decide_compile(facts: Facts, work: Work) -> tuple[bool, str]:
    """Whether torch.compile pays, and why: when it saves several times what it takes to start."""
    if facts.kind == "cpu":
        return (
            False,
            "compile off: on a CPU it takes 13 to 120 s to start and gains nothing on such networks (measured)",
        )
    if not facts.compiler:
        return False, "compile off: it needs triton and a C compiler, and they are not here"
    if not work.same_shapes:
        return False, "compile off: batches differ in length, and it would start anew for each"
    if work.step_seconds is None:
        return False, "compile off: the run decides when it has timed a step"
    saved = COMPILE_GAIN * work.steps * work.step_seconds
    told = f"it would save about {saved:.0f} s of {work.steps} steps and take about {COMPILE_SECONDS:.0f} s to start"
    pays = saved > COMPILE_MARGIN * COMPILE_SECONDS
    return pays, f"compile {'on' if pays else 'off'}: {told}"


def _precision(facts: Facts, work: Work, asked: str) -> tuple[str, str]:
    if asked != "auto":
        slow = facts.kind == "cpu" and (asked == "fp16" or (asked == "bf16" and facts.bf16_speedup < BF16_SPEEDUP))
        return asked, "as asked" + (", though this CPU has no fast units for it" if slow else "")
    if work.deterministic:
        return "fp32", "the deterministic mode keeps full precision"
    if work.task == "regression":
        return "fp32", "in regression small differences matter"
    if facts.kind == "cpu":
        return _cpu_precision(facts, work)
    if facts.capability is not None and facts.capability >= (8, 0):
        return "bf16", "the GPU has units for it"
    if facts.capability is not None and facts.capability >= (7, 0):
        return "fp16", "the GPU has units for it; the loss is scaled"
    return "fp32", "the GPU has no units for less"


def _cpu_precision(facts: Facts, work: Work) -> tuple[str, str]:
    if facts.bf16_speedup < BF16_SPEEDUP:
        return "fp32", "this CPU has no fast units for less"
    if work.parameters * work.batch_rows < BF16_WORK:
        return "fp32", "the network is too small for bf16 to pay"
    return "bf16", f"this CPU multiplies {facts.bf16_speedup:.1f} times faster in it"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"
