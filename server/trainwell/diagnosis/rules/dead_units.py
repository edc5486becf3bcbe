"""Units are dead: they give nothing for any row, so no gradient reaches their weights.

Symptom: nearly all units of a layer are zero for a whole batch, and the network fits badly.
Cause: biases or weights that put them there at the start; later, a step that was too long.
Remedy: the usual initialisation with biases of zero; a leaky activation; a lower rate where they died on the way.
Source: above 90 % at step 0 (reference/diagnosis.md, row 37; SageMaker 50 %, AutoTrainer 70 % zero gradients).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.repair import fixes, lower_lr, model_fix
from trainwell.diagnosis.settings import is_mlp
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import EARLY_STEPS, by_hand, by_name, is_poor, largest, late, steps_of

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "vanishing_gradients", "learning_rate_too_low",
            "symmetric_weights", "too_few_epochs")  # fmt: skip
# Share of a layer's units from which it is dead; from which a run need not go on to show it.
DEAD, ALL = 0.9, 0.999
# Looks that must agree.
FEWEST_LOOKS = 4


def check(trace: Trace) -> Finding | None:
    """Judge by the share of units without output, at the start and later."""
    early = [look for look in trace.signals if look.step < EARLY_STEPS]
    at_start = largest(by_name(early[:1], "dead"))
    now = largest(by_name(late(trace)[-FEWEST_LOOKS:], "dead"))
    if now is None or now[1] < DEAD or len(trace.signals) < FEWEST_LOOKS:
        return None
    if not is_poor(trace) and not (now[1] >= ALL and not trace.epochs):
        return None
    born = at_start is not None and at_start[1] >= DEAD
    layer, share = now
    return Finding(
        code="dead_units",
        severity="warning",
        symptom=f"{share:.0%} of the units of layer {layer} give nothing for any row of a batch.",
        cause="They were dead from the first step: the weights or biases were drawn so."
        if born
        else "They died on the way: a step pushed them where no gradient comes from.",
        confidence=0.93 if born else 0.85,
        evidence=rounded_facts(
            layer=layer, dead=share, dead_at_start=at_start[1] if at_start else None, steps=steps_of(trace.signals)
        ),
        cost="What passes through this layer is lost; no further training brings it back.",
        fixes=_fixes(trace, born=born),
    )


def _fixes(trace: Trace, *, born: bool):  # noqa: ANN202 - as `fixes`
    leaky = model_fix(
        trace, {"activation": "leaky_relu", "init": "auto"},
        reason="A leaky activation keeps a gradient where the unit is off. Then train the new model.",
        expected="No layer without output; the loss falls.",
    )  # fmt: skip
    lower = lower_lr(
        trace, reason="Lower the rate: long steps kill units.", expected="The share of dead units stays small."
    )
    hand = by_hand(
        "Draw the weights as usual (He) and the biases as zero." if born else "Take a leaky activation.",
        "Fewer than half of the units of a layer are off for a whole batch.",
    )
    if born:  # no rate brings to life what was never alive
        return fixes(leaky) if is_mlp(trace) else (hand,)
    return fixes(lower, leaky)
