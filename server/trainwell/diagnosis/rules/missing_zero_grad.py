"""Gradients are never set to zero: each step adds to those of all steps before.

Symptom: the gradient norm grows with the number of steps from the first one on.
Cause: optimizer.zero_grad() is missing in the loop.
Remedy: call it before backward.
Source: reference/diagnosis.md, row 6 (norm grows linearly within an epoch; gradient not zero before backward).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.settings import lr_is_high
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import EARLY_STEPS, by_hand, is_good, norms, rises_with_steps, steps_of

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("divergence", "learning_rate_too_high", "non_finite_loss", "oscillation", "exploding_gradients", "plateau",
            "underfitting", "missing_warmup", "loss_spikes")  # fmt: skip
# Growth over the first looks, how straight it is, and how much further it goes.
GROWTH, STRAIGHT = 3.0, 0.95


def check(trace: Trace) -> Finding | None:
    """Judge by what a watcher of the loop saw, else by norms that grow step by step."""
    early = [look for look in trace.signals if look.step < EARLY_STEPS]
    sizes = norms(early)
    told = trace.facts.get("keeps_gradients") is True
    grows = (
        len(sizes) == EARLY_STEPS
        and sizes[-1] > GROWTH * sizes[0] > 0
        and rises_with_steps(sizes) > STRAIGHT
        and all(b > a for a, b in zip(sizes, sizes[2:], strict=False))
    )
    if not told and (not grows or is_good(trace) or lr_is_high(trace) or not trace.epochs):
        return None
    return Finding(
        code="missing_zero_grad",
        severity="critical" if told else "warning",
        symptom=f"The gradient norm grew from {rounded(sizes[0])} to {rounded(sizes[-1])} over the first steps."
        if sizes
        else "Gradients are there before backward is called.",
        cause="Gradients add up from step to step: they are never set to zero.",
        confidence=0.95 if told else 0.6,
        evidence=rounded_facts(
            grad_norm_first=sizes[0] if sizes else None, grad_norm_then=sizes[-1] if sizes else None,
            steps=steps_of(early),
        ),
        cost="Each step follows slopes that are long past; the longer the run, the wilder.",
        fixes=(by_hand("Call optimizer.zero_grad() before loss.backward().", "Gradient norms of one size."),),
    )  # fmt: skip
