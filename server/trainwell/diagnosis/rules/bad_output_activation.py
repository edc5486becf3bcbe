"""The outputs cannot reach the targets: an activation behind the last layer holds them back.

Symptom: outputs that are never below 0, or always between fixed ends, for targets that lie beyond; a poor fit.
Cause: ReLU, sigmoid, tanh or softplus behind the last layer.
Remedy: no activation behind the last layer for values and for losses that take raw scores.
Source: reference/diagnosis.md, row 9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.signals import fit, rounded_facts
from trainwell.diagnosis.signs import by_hand, fact, is_poor

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (
    "too_few_epochs",
    "plateau",
    "underfitting",
    "not_learning",
    "learning_rate_too_low",
    "dead_units",
)
# How far below 0 targets must lie, in their own units (standardised ones).
BELOW = -0.5


def check(trace: Trace) -> Finding | None:
    """Judge by the range of the first outputs, what the loss wants, and a poor fit."""
    low, high, least = fact(trace, "output_min"), fact(trace, "output_max"), fact(trace, "target_min")
    loss = trace.facts.get("loss_name")
    if low is None or high is None or trace.facts.get("rows_sum_to_one") is True or not is_poor(trace):
        return None
    never_below = loss == "mse" and low >= 0 and least is not None and least < BELOW
    held = loss in ("cross_entropy", "bce_logits") and low >= 0 and high <= 1 and high > low
    if not (never_below or held):
        return None
    return Finding(
        code="bad_output_activation",
        severity="warning",
        symptom=f"The outputs lie between {rounded(low)} and {rounded(high)}"
        + (f", the targets reach down to {rounded(least)}." if never_below else ", where the loss wants raw scores."),
        cause="An activation behind the last layer (ReLU, sigmoid, softplus) holds the outputs back.",
        confidence=0.8 if low == 0 or held else 0.6,
        evidence=rounded_facts(output_min=low, output_max=high, target_min=least, fit=fit(trace), step=0),
        cost="A part of the targets can never be reached.",
        fixes=(by_hand("Take the activation behind the last layer out.", "Outputs on both sides of 0; a better fit."),),
    )
