"""Gradients explode on their way to the first layers, or in the steps of a recurrent network.

Symptom: gradient norms far above what a step can use, most in the first layers; the loss jumps, breaks or stays high.
Cause: weights drawn too large, many layers without normalisation, or a recurrence that multiplies.
Remedy: the usual initialisation, then clipping, then a tenth of the rate.
Source: ratio above 70 (AutoTrainer), above 50 early in recurrent networks (reference/diagnosis.md, row 36).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, lower_lr, model_fix, train_fix
from trainwell.diagnosis.settings import lr_is_high, number
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_name, is_poor, norms, steps_of

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (
    "too_few_epochs", "non_finite_loss", "learning_rate_too_high", "divergence", "oscillation",
    "loss_spikes", "plateau", "underfitting", "not_learning",
)  # fmt: skip
# First over last gradient, with a norm that matters; and norms early in a recurrent network, and anywhere.
RATIO, MATTERS = 70.0, 10.0
RECURRENT_NORM, EARLY = 50.0, 60
HUGE = 1e4


def check(trace: Trace) -> Finding | None:
    """Judge by the gradients of the first looks."""
    looks = [look for look in trace.signals if look.step < EARLY]
    sizes = list(by_name(looks, "grad_norms").items())
    if len(sizes) < 2 or not is_poor(trace) or lr_is_high(trace):
        return None
    (first, front), (last, back) = sizes[0], sizes[-1]
    most = max(norms(looks), default=0.0)
    apart = front > RATIO * back > 0 and front > MATTERS
    recurrent = bool(trace.facts.get("recurrent")) and most > RECURRENT_NORM
    if not (apart or recurrent or most > HUGE):
        return None
    clipped = number(trace.config, "grad_clip")
    return Finding(
        code="exploding_gradients",
        severity="warning",
        symptom=f"The gradient norm reached {rounded(most)} in the first steps.",
        cause=f"Gradients grow from {rounded(back)} in {last} to {rounded(front)} in {first}."
        if apart
        else "Gradients multiply on their way back through the network.",
        confidence=0.8 if apart else 0.7,
        evidence=rounded_facts(
            first_gradient=front, last_gradient=back, grad_norm_max=most, grad_clip=clipped, steps=steps_of(looks)
        ),
        cost="Single steps throw away what many others have learnt.",
        fixes=fixes(
            model_fix(
                trace, {"init": "auto", "batch_norm": True},
                reason="Draw the weights as usual and normalise inside. Then train the new model.",
                expected="Gradient norms near 1 from the first step.",
            ),
            train_fix(
                trace, {"grad_clip": 1.0}, reason="Clip the gradients.",
                expected="Steps of a bounded size; the loss falls without jumps.",
            ),
            lower_lr(trace, reason="Lower the rate to a tenth.", expected="Smaller jumps, slower progress."),
        ),
    )  # fmt: skip
