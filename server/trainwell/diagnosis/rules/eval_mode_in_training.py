"""The network learns in evaluation mode.

Symptom: dropout does nothing and batch norm keeps its first statistics while weights are updated.
Cause: model.eval() was called for validation and model.train() never again.
Remedy: call model.train() at the beginning of each epoch.
Source: reference/diagnosis.md, row 16 (module.training is False in a training step).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_hand, fact

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("overfitting",)


def check(trace: Trace) -> Finding | None:
    """Judge by what a watcher of the loop saw; without dropout and batch norm the mode means nothing."""
    dropout, norms = fact(trace, "largest_dropout") or 0.0, fact(trace, "batch_norms") or 0.0
    if trace.facts.get("learns_in_eval_mode") is not True or not (dropout or norms):
        return None
    return Finding(
        code="eval_mode_in_training",
        severity="warning",
        symptom="Training steps are made in evaluation mode.",
        cause="model.eval() was called, and model.train() not again before the next training step.",
        confidence=0.95,
        evidence=rounded_facts(largest_dropout=dropout or None, batch_norms=norms or None),
        cost="Dropout holds nothing back, and batch norm never learns the statistics of the data.",
        fixes=(by_hand("Call model.train() at the beginning of each epoch.", "Dropout and batch norm work again."),),
    )
