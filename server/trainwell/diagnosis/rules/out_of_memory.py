"""Memory ran out.

Symptom: torch.OutOfMemoryError on a GPU, "can't allocate memory" from the CPU allocator, or a killed process.
Cause: the activations of a batch, or the weights and the optimizer's state by themselves, do not fit.
Remedy: the same rows per optimizer step in smaller pieces, then fewer rows, then a smaller network.
Source: reference/diagnosis.md, row 60; Composer halves the micro-batch and keeps the effective batch.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.diagnosis.phrases import HOST_OUT_OF_MEMORY, OUT_OF_MEMORY, failures
from trainwell.diagnosis.repair import fixes, model_fix, train_fix
from trainwell.diagnosis.settings import hidden_dims, number
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_hand

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# Reserved but unallocated memory over the request, from which the memory is there but in pieces.
FRAGMENTED = 1.0
# Bytes that no device has for a single row: what asks for more grows with something else than the batch.
MOST_FOR_A_ROW = 2**40
_UNITS = {"": 1, "bytes": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_SIZE = r"(\d[\d,]*(?:\.\d+)?)\s*(kib|mib|gib|kb|mb|gb|bytes|b)\b"
_SIZES = {
    "requested_bytes": re.compile(rf"tried to allocate\s+{_SIZE}", re.IGNORECASE),
    "capacity_bytes": re.compile(rf"total capacity of\s+{_SIZE}", re.IGNORECASE),
    "free_bytes": re.compile(rf"of which\s+{_SIZE}\s+is free", re.IGNORECASE),
    "unallocated_bytes": re.compile(rf"{_SIZE}\s+is reserved by pytorch but unallocated", re.IGNORECASE),
}


def check(trace: Trace) -> Finding | None:
    """Judge by the error's text, the attempts, or what was told."""
    hits = [text for text in failures(trace) if _is_of_device(text)]
    if not hits and "out_of_memory" not in trace.told:
        return None
    sizes = _sizes(" ".join(hits))
    recovered = trace.error is None and len(trace.attempts) > 1 and bool(trace.epochs)
    return Finding(
        code="out_of_memory",
        severity="warning" if recovered else "critical",
        symptom="Memory ran out; a retry with smaller pieces got past it." if recovered else "Memory ran out.",
        cause=_cause(sizes),
        confidence=0.98 if hits else 0.9,
        evidence=_evidence(trace, sizes),
        cost="The run cannot go on.",
        fixes=_of_one_row(trace, sizes) or _fixes(trace, recovered=recovered),
    )


def _is_of_device(text: str) -> bool:
    """Whether an allocator said so; what the machine itself says is the case of `host_out_of_memory`."""
    if HOST_OUT_OF_MEMORY.search(text):
        return False
    return text.startswith("out_of_memory:") or bool(OUT_OF_MEMORY.search(text))


def _sizes(text: str) -> dict[str, int]:
    found = {name: pattern.search(text) for name, pattern in _SIZES.items()}
    return {
        name: int(float(match[1].replace(",", "")) * _UNITS[match[2].lower()])
        for name, match in found.items()
        if match is not None
    }


def _cause(sizes: dict[str, int]) -> str:
    requested, free = sizes.get("requested_bytes"), sizes.get("free_bytes")
    unallocated = sizes.get("unallocated_bytes", 0)
    if requested and unallocated > FRAGMENTED * requested:
        return (
            f"{_shown(unallocated)} is reserved but in pieces, {_shown(requested)} was asked for in one: "
            "set PYTORCH_ALLOC_CONF=expandable_segments:True, or take smaller batches."
        )
    if requested and sizes.get("capacity_bytes", requested) < requested:
        return f"One tensor of {_shown(requested)} is more than the device has: the network or batch is far too large."
    if requested and free is not None:
        return f"{_shown(requested)} was asked for with {_shown(free)} free: the batch's activations do not fit."
    asked = f" ({_shown(requested)} was asked for)" if requested else ""
    return f"The batch's activations, or the network with its optimizer state, do not fit in memory{asked}."


def _shown(size: int) -> str:
    for unit, scale in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} bytes"


def _evidence(trace: Trace, sizes: dict[str, int]) -> dict[str, object]:
    settings = rounded_facts(
        batch_size=number(trace.config, "batch_size"),
        accumulate=number(trace.config, "accumulate"),
        parameters=number(trace.model, "parameters"),
        failed_attempts=len(trace.attempts) or None,
    )
    return {**sizes, **settings}


def _of_one_row(trace: Trace, sizes: dict[str, int]) -> tuple[Fix, ...]:
    """What a person does where not even one row would fit."""
    if sizes.get("requested_bytes", 0) < MOST_FOR_A_ROW * (number(trace.config, "batch_size") or 1) / _pieces(trace):
        return ()
    return (
        by_hand(
            "Find the tensor of this size in the network (a product of all pairs, a wrong shape); no batch is small "
            "enough for it.",
            "Memory that grows with the rows of a batch, and no faster.",
        ),
    )


def _pieces(trace: Trace) -> int:
    """Micro-batches in each step of the last attempt: as asked, times what the retries divided by."""
    return int(number(trace.config, "accumulate") or 1) * int(number(trace.config, "micro_batch_divisor") or 1)


def _fixes(trace: Trace, *, recovered: bool) -> tuple[Fix, ...]:
    batch = number(trace.config, "batch_size")
    pieces = _pieces(trace)
    wanted = pieces if recovered else 2 * pieces
    split = None
    if batch is None or batch >= wanted:
        split = train_fix(
            trace,
            {"accumulate": wanted},
            reason="Smaller micro-batches, accumulated: as many rows in each optimizer step as before.",
            expected="Less activation memory (half with each doubling), the same learning curve, slightly slower.",
        )
    smaller = None
    if batch is None or batch >= 2:
        smaller = train_fix(
            trace,
            {"batch_size": 32 if batch is None else int(batch) // 2},
            reason="Halve the batch.",
            expected="About half the activation memory; the curve gets a little noisier.",
        )
    dims = hidden_dims(trace)
    narrower = model_fix(
        trace,
        {"hidden_dims": [max(dim // 2, 1) for dim in dims] or [128, 64]},
        reason="If it fails at the smallest batch too, the network is too large: halve its layers, then train it.",
        expected="About a quarter of the weights' and the optimizer's memory.",
    )
    return fixes(split, smaller, narrower)
