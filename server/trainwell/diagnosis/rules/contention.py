"""Other programs took the processor.

Symptom: fewer rows a second than at first, while more programs want a core than there are cores.
Cause: another program, or a second training with threads of its own.
Remedy: end it, wait, or let fewer runs go at once. Nothing is wrong with the training itself.
Source: reference/diagnosis.md, row 65; 46 to 128 times slower steps were measured with threads that share a core
(training/threads.py).
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.rows import shown

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("slow_steps",)

# Rows a second now over those at first, and programs for each core: now, and at first.
LEFT, CROWDED, FREE = 0.6, 1.5, 1.2
FEWEST_EPOCHS = 6


def check(trace: Trace) -> Finding | None:
    """Judge by speed beside the load of the machine, the first epoch left out."""
    rows = [(one.samples_per_second, one.machine_load) for one in trace.epochs[1:]]
    known = [(speed, load) for speed, load in rows if speed is not None and load is not None]
    if len(known) < FEWEST_EPOCHS:
        return None
    quarter = max(2, len(known) // 4)
    (speed, load), (now, crowd) = (
        tuple(median(column) for column in zip(*part, strict=True)) for part in (known[:quarter], known[-quarter:])
    )
    if now > LEFT * speed or crowd < CROWDED or load > FREE:
        return None
    return Finding(
        code="contention",
        severity="warning",
        symptom=f"Training slowed down from {rounded(speed, 3)} to {rounded(now, 3)} rows a second while "
        f"{rounded(crowd, 2)} programs wanted each core.",
        cause="Other programs took the processor: end them, wait, or let fewer runs go at once.",
        confidence=0.8,
        cost="Time only; what is learnt is the same.",
        evidence=shown({
            "rows_per_second_at_first": speed, "rows_per_second_now": now, "load_at_first": load, "load_now": crowd,
        }),
    )  # fmt: skip
