"""The network gives another answer each time, also when it is judged.

Symptom: two passes of the same rows in evaluation mode differ, and the score stays behind.
Cause: dropout (or other noise) that does not ask whether the network trains: `F.dropout(x)` without
`training=self.training`.
Remedy: a person changes it in the network.
Source: reference/diagnosis.md, row 15 (two passes differ).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.relations import POOR
from trainwell.diagnosis.rows import fact, shown, stays_behind, validation_fit
from trainwell.diagnosis.signals import GOOD_FIT

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, "dropout_too_strong")


def check(trace: Trace) -> Finding | None:
    """Judge by two passes before the first step, where the score is not what it could be."""
    reached = validation_fit(trace)
    suffers = stays_behind(trace) or (reached is not None and reached < GOOD_FIT)
    if trace.facts.get("eval_varies") is not True or not suffers:
        return None
    return Finding(
        code="dropout_always_on",
        severity="warning",
        symptom="The network answers the same rows differently each time, also in evaluation mode.",
        cause="Dropout or noise that is never off: write F.dropout(x, p, training=self.training), or use nn.Dropout.",
        confidence=0.9,
        cost="The score, and predictions that nobody can repeat.",
        evidence=shown({"network": reached, "neighbours": fact(trace, "signal_validation")}),
    )
