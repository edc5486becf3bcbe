"""Weights that should learn are frozen.

Symptom: a poor fit of the training rows while a good part of the weights does not learn.
Cause: requires_grad is False for them. Where the fit is good, they are frozen on purpose and all is well.
Remedy: let them learn, the last layers first.
Source: reference/diagnosis.md, row 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.signals import fit, rounded_facts
from trainwell.diagnosis.signs import by_hand, fact, is_poor, named, shown

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("too_few_epochs", "plateau", "underfitting", "not_learning", "unused_parameters")
# Share of all weights from which it matters.
SHARE = 0.2


def check(trace: Trace) -> Finding | None:
    """Judge by the frozen share and a poor fit."""
    share, names = fact(trace, "frozen_share"), named(trace, "frozen")
    if share is None or share < SHARE or not names or not is_poor(trace):
        return None
    return Finding(
        code="frozen_parameters",
        severity="warning",
        symptom=f"The training rows are fitted poorly, and {share:.0%} of the weights do not learn.",
        cause=f"Frozen (requires_grad is False): {shown(names)}.",
        confidence=0.75,
        evidence=rounded_facts(frozen_share=share, frozen=shown(names), fit=fit(trace), step=0),
        cost="The rest of the network must make do with features that nobody fitted to these rows.",
        fixes=(
            by_hand("Let them learn: set requires_grad, the last of them first.", "A better fit of the training rows."),
        ),
    )
