"""Gradients are clipped to a small part of their size in nearly every step.

Symptom: the training loss creeps, and nearly all steps are clipped far below their size.
Cause: a clip that is far below the usual gradient norm makes the rate smaller by as much. Adam does not feel it.
Remedy: twice the usual norm.
Source: reference/diagnosis.md, row 44 (clipped in more than 95 % of the steps).
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.settings import lr_is_high, number
from trainwell.diagnosis.signals import finite, rounded_facts
from trainwell.diagnosis.signs import broke, by_hand, epochs_of, is_poor, norms, steps_of

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("too_few_epochs", "plateau", "underfitting", "not_learning", "learning_rate_too_low")
# Clip over the usual norm, and share of the steps that are clipped.
SMALL, NEARLY_ALL = 0.05, 0.95
# Looks whose gradient norms differ by no more than this share: only a clip makes them alike.
FEWEST_LOOKS, ALIKE = 6, 1e-3


def check(trace: Trace) -> Finding | None:
    """Judge by the clip beside the norms, where the optimizer feels it; else by norms that are all alike."""
    if "grad_clip" not in trace.config:
        return _of_a_loop(trace)
    clip, sizes = number(trace.config, "grad_clip"), finite(trace, "grad_norm")
    if not clip or not sizes or trace.config.get("optimizer") not in ("sgd", None):
        return None
    usual = median(sizes)
    counted = [record for record in trace.epochs if record.clipped_steps is not None]
    steps = trace.epochs[-1].step if counted and len(counted) == len(trace.epochs) else 0
    share = sum(record.clipped_steps or 0 for record in counted) / steps if steps else 1.0
    if clip > SMALL * usual or share < NEARLY_ALL or not is_poor(trace) or broke(trace) or lr_is_high(trace):
        return None
    return Finding(
        code="clip_too_small",
        severity="warning",
        symptom=f"Gradients of {rounded(usual)} are clipped to {rounded(clip)} in {share:.0%} of the steps.",
        cause=f"The clip makes every step {rounded(usual / clip, 2)} times smaller than the rate says.",
        confidence=0.75,
        evidence=rounded_facts(grad_clip=clip, grad_norm=usual, clipped=share, epochs=epochs_of(trace)),
        cost="The run learns at a fraction of its rate.",
        fixes=fixes(
            train_fix(
                trace, {"grad_clip": 2 * usual}, reason="Clip at twice the usual norm: outliers only.",
                expected="The loss falls at the pace of the rate.",
            )
        ),
    )  # fmt: skip


def _of_a_loop(trace: Trace) -> Finding | None:
    """The same in a loop that is not ours, whose clip is not told: gradients are measured behind it."""
    sizes = norms(trace.signals)
    alike = len(sizes) >= FEWEST_LOOKS and max(sizes) - min(sizes) <= ALIKE * max(sizes) and min(sizes) > 0
    if not alike or not is_poor(trace) or broke(trace):
        return None
    return Finding(
        code="clip_too_small",
        severity="warning",
        symptom=f"The gradient has the norm {rounded(median(sizes))} in all {len(sizes)} steps that were looked at.",
        cause="Gradients are clipped to that norm in every step, however large they are.",
        confidence=0.85,
        evidence=rounded_facts(grad_norm=median(sizes), steps=steps_of(trace.signals), epochs=epochs_of(trace)),
        cost="The run learns at a fraction of its rate.",
        fixes=(by_hand("Clip at twice the usual norm before clipping: outliers only.", "The loss falls at its pace."),),
    )
