"""Some weights take no part in the loss.

Symptom: tensors that should learn get no gradient at all, and the network fits badly.
Cause: a branch that is not called, or a graph that was cut (detach, no_grad, numpy) on the way.
Remedy: wire the branch in, or remove the cut.
Source: reference/diagnosis.md, row 3 (gradient None after backward).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.signals import GOOD_FIT, fit, long_enough, rounded_facts
from trainwell.diagnosis.signs import by_hand, is_poor, named, shown

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "too_few_epochs", "no_nonlinearity")


def check(trace: Trace) -> Finding | None:
    """Judge by tensors without a gradient, in a run that fits less than well."""
    names = named(trace, "no_gradient")
    fitted = fit(trace)
    falls_short = fitted is not None and fitted < GOOD_FIT and long_enough(trace)
    if not names or not (is_poor(trace) or falls_short):
        return None
    return Finding(
        code="unused_parameters",
        severity="warning",
        symptom=f"No gradient reaches {shown(names)}.",
        cause="They take no part in the loss: a branch that is not called, or a graph that was cut.",
        confidence=0.8,
        evidence=rounded_facts(no_gradient=shown(names), step=0),
        cost="These weights stay as they were drawn.",
        fixes=(
            by_hand(
                "Call the branch in forward, or take detach/no_grad out of its way.", "A gradient for every weight."
            ),
        ),
    )
