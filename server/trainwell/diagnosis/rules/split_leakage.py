"""Validation rows are training rows.

Symptom: the inputs of many validation rows occur in training, to the last bit.
Cause: rows were copied (oversampled, joined, augmented) before they were divided, or the wrong file was given.
Remedy: remove the copies, or divide by a group that keeps copies together; the score then falls to the true one.
Nothing here does that by itself: a leak is not mended by a setting.
Source: reference/diagnosis.md, row 23 (> 10 % exact copies; told from there, a warning from 20 %); copies of rows that
can take few values do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.rows import fact, shown, validation_fit

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# Share of validation rows that occur in training from which it is told, and from which it is no accident: measured
# rows repeat by themselves in up to 15 % (segment of KEEL).
TOLD, COPIED = 0.1, 0.2


def check(trace: Trace) -> Finding | None:
    """Judge by the share of copies."""
    share = fact(trace, "copies")
    if share is None or share < TOLD:
        return None
    return Finding(
        code="split_leakage",
        severity="warning" if share >= COPIED else "info",
        symptom=f"{share:.0%} of the validation rows occur in training, with the same inputs.",
        cause="Rows were copied before they were divided, or the same file was given twice. Remove the copies, or "
        "divide by a column that keeps copies together (split=group, split_by); expect a lower score, the true one.",
        confidence=0.95,
        cost="The score flatters: it measures memory.",
        evidence=shown({"copies": share, "network": validation_fit(trace)}),
    )
