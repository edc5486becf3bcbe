"""The machine's own memory ran out.

Symptom: MemoryError, or a worker that the kernel killed for want of memory.
Cause: rows, copies of them or lists that grow, in memory that other programs share.
Remedy: fewer rows at once, fewer workers of the loader, other programs ended; smaller micro-batches help where
activations are what is large.
Source: reference/diagnosis.md, rows 60 and 61.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import plain
from trainwell.diagnosis.phrases import HOST_OUT_OF_MEMORY, failures
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.rows import shown
from trainwell.diagnosis.settings import number
from trainwell.diagnosis.signs import by_hand

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace


# What Python and NumPy say when a list, bytes or an array does not fit; torch and the kernel say other things.
IN_PYTHON = re.compile(r"\bMemoryError\b|_ArrayMemoryError|Unable to allocate .* for an array")


def check(trace: Trace) -> Finding | None:
    """Judge by the causes of attempts and the words of errors."""
    hits = [text for text in failures(trace) if HOST_OUT_OF_MEMORY.search(text)]
    if not hits:
        return None
    recovered = trace.error is None and len(trace.attempts) > 1 and bool(trace.epochs)
    pieces = 2 * int(number(trace.config, "accumulate") or 1) * int(number(trace.config, "micro_batch_divisor") or 1)
    return Finding(
        code="host_out_of_memory",
        severity="warning" if recovered else "critical",
        symptom=f"The machine's memory ran out: {plain(hits[-1], 160)}",
        cause="More is held in memory than the machine has: rows, copies of them, lists that grow, or other programs.",
        confidence=0.97,
        cost="The run ends where it happens.",
        evidence=shown({
            "batch_size": number(trace.config, "batch_size"), "failed_attempts": len(trace.attempts) or None,
        }),
        fixes=_by_program() if IN_PYTHON.search(hits[-1]) else fixes(train_fix(
            trace, {"accumulate": pieces},
            reason="Smaller micro-batches, accumulated, if activations are what is large.",
            expected="Less memory in each step; no help against rows or lists that grow.",
        )),
    )  # fmt: skip


def _by_program() -> tuple[Fix, ...]:
    """A MemoryError is Python's: a list, bytes or an array did not fit, which no setting makes smaller."""
    return (
        by_hand(
            "Find the list or array that is built at once, and read it in parts (stream=true, or a generator).",
            "Memory that stays the same however many rows there are.",
        ),
    )
