"""The network is judged in training mode.

Symptom: validation is worse than it should be, and two passes over the same rows differ.
Cause: model.eval() is missing before validation: dropout drops, batch norm uses (and learns from) the batch.
Remedy: call model.eval() before validation and model.train() after it.
Source: reference/diagnosis.md, row 15 (dropout or batch norm active in evaluation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_hand, fact

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace


def check(trace: Trace) -> Finding | None:
    """Judge by a forward pass without gradients in training mode, which a watcher saw."""
    dropout, norms = fact(trace, "largest_dropout") or 0.0, fact(trace, "batch_norms") or 0.0
    # Dropout that is a function in the network's forward is no layer of it; it is seen by what it draws.
    draws = trace.facts.get("judging_draws") is True
    if trace.facts.get("judges_in_train_mode") is not True or not (dropout or norms or draws):
        return None
    return Finding(
        code="train_mode_in_validation",
        severity="warning",
        symptom="The network is asked without gradients while it is in training mode.",
        cause="model.eval() is missing before validation.",
        confidence=0.85,
        evidence=rounded_facts(
            largest_dropout=dropout or None, batch_norms=norms or None, draws="yes" if draws else None
        ),
        cost="Validation scores are too low and depend on chance"
        + ("; batch norm learns from the validation rows." if norms else "."),
        fixes=(by_hand("Call model.eval() before validation, and model.train() after it.", "Two passes agree."),),
    )
