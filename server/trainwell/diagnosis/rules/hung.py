"""A training made no step for a long time.

Symptom: the watchdog ended an attempt, or found its process without a step.
Cause: a deadlock: worker processes of a loader, a lock in foreign code, a device that does not answer.
Remedy: the stacks are in the run's log; a loader with num_workers=0 tells whether its workers are at fault.
Source: reference/diagnosis.md, row 69 (no progress, process alive).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import plain
from trainwell.diagnosis.rows import shown

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

STALLED = "stalled"


def check(trace: Trace) -> Finding | None:
    """Judge by what attempts died of."""
    hung = [attempt for attempt in trace.attempts if attempt.cause == STALLED]
    if not hung:
        return None
    last = hung[-1]
    return Finding(
        code="hung",
        severity="critical" if trace.attempts[-1].cause == STALLED else "warning",
        symptom=f"Training stood still: {plain(last.message or 'no step for a long time.', 200)}",
        cause="A deadlock in foreign code, in a loader's workers or in a device. The stacks of all threads are in the "
        "run's log.txt: the innermost frame names the place.",
        confidence=0.95,
        cost="The time that it stood still, each time again.",
        evidence=shown({"attempts_that_hung": len(hung), "step": last.step}),
    )
