"""Outputs and targets have different shapes, and the loss spreads one over the other.

Symptom: a regression that settles at the mean of the targets.
Cause: outputs (N, 1) and targets (N,) become (N, N): every output is compared with every target.
Remedy: the same shape for both, squeeze or unsqueeze one.
Source: reference/diagnosis.md, row 11; torch warns of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.phrases import failures
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_hand

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "learning_rate_too_low")
_TOLD = re.compile(r"target size \(torch\.Size\(\[[\d, ]*\]\)\).{0,40}different to the input size")


def check(trace: Trace) -> Finding | None:
    """Judge by what a watcher of the loop saw, else by torch's own words."""
    told = next((found[0] for text in failures(trace) if (found := _TOLD.search(text))), None)
    if trace.facts.get("broadcasts") is not True and told is None:
        return None
    return Finding(
        code="target_shape",
        severity="critical",
        symptom="Outputs and targets differ in shape, and the loss spreads one over the other.",
        cause="Every output is compared with every target of the batch, so the mean is the best answer.",
        confidence=0.95,
        evidence=rounded_facts(
            output_shape=str(trace.facts.get("output_shape")), target_shape=str(trace.facts.get("target_shape")),
            warning=told,
        ),
        cost="The network can only learn the mean of the targets.",
        fixes=(by_hand("Give both one shape: loss(output.squeeze(1), target).", "R2 rises above 0 within an epoch."),),
    )  # fmt: skip
