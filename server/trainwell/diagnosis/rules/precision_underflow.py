"""Updates are lost in rounding: the weights are kept in half precision.

Symptom: the loss stops falling although gradients are there; most weights do not change in a step.
Cause: weights in bf16 or fp16, whose steps are 1/256 or 1/2048 of a weight: smaller updates round to nothing.
Remedy: weights in fp32, half precision for the passes only (autocast).
Source: reference/diagnosis.md, row 55 (update below 2**-8 of the weight in bf16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_hand, is_poor, late, named, steps_of, typical_update

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "learning_rate_too_low")
# Half of the distance between two neighbours, over the weight: what is smaller is lost.
STEPS = {"bfloat16": 2.0**-9, "float16": 2.0**-12}


def check(trace: Trace) -> Finding | None:
    """Judge by the types of the weights and the size of their updates."""
    half = [kind for kind in named(trace, "weight_types") if kind in STEPS]
    moved = typical_update(trace)
    if not half or moved is None or moved > STEPS[half[0]] or not is_poor(trace):
        return None
    return Finding(
        code="precision_underflow",
        severity="warning",
        symptom=f"A step changes the weights by {rounded(moved)} of their size, and they are kept in {half[0]}.",
        cause=f"Updates below {STEPS[half[0]]:.2g} of a weight round to nothing in {half[0]}.",
        confidence=0.8,
        evidence=rounded_facts(update_ratio=moved, weight_type=half[0], steps=steps_of(late(trace))),
        cost="From here on training stands still.",
        fixes=(by_hand("Keep the weights in float32 and use autocast for the passes.", "The loss falls on."),),
    )
