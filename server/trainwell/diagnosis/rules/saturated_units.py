"""Units sit at the ends of their range, where the slope is nothing.

Symptom: most outputs of a sigmoid or tanh layer are at its ends, and the network fits badly.
Cause: weights drawn too large or inputs that are not scaled.
Remedy: the usual initialisation; normalisation before the activation; scaled inputs.
Source: above 50 % (reference/diagnosis.md, row 38; DeepDiagnosis and SageMaker 50 %).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.repair import fixes, model_fix
from trainwell.diagnosis.rows import possible_fit, stays_behind
from trainwell.diagnosis.settings import is_mlp
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_hand, by_name, is_poor, largest, steps_of

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (
    "too_few_epochs",
    "plateau",
    "underfitting",
    "not_learning",
    "learning_rate_too_low",
    "oscillation",
    "overfitting",
)
# Share of a layer's outputs at the ends of its range, at the first step and over all looks.
SATURATED = 0.5
# How far validation may lie below what neighbours tell in a network that learns its rows by heart all the same.
FAR_BEHIND = 0.08


def check(trace: Trace) -> Finding | None:
    """Judge by the share of outputs at the ends, at the start and on the way."""
    first = largest(by_name(trace.signals[:1], "saturated"))
    usual = largest(by_name(trace.signals, "saturated"))
    if first is None or usual is None or min(first[1], usual[1]) < SATURATED:
        return None
    by_heart = possible_fit(trace) is not None and stays_behind(trace, FAR_BEHIND)
    if not (is_poor(trace) or by_heart):
        return None
    layer, share = usual
    return Finding(
        code="saturated_units",
        severity="warning",
        symptom=f"{share:.0%} of the outputs of layer {layer} lie at the ends of their range.",
        cause="The weights were drawn too large, or the inputs are not scaled: there is no slope to learn by.",
        confidence=0.8,
        evidence=rounded_facts(layer=layer, saturated=share, at_start=first[1], steps=steps_of(trace.signals)),
        cost="The layers before it learn next to nothing.",
        fixes=fixes(
            model_fix(
                trace, {"init": "auto", "batch_norm": True},
                reason="Draw the weights as usual and normalise before the activation. Then train the new model.",
                expected="Less than a fifth of the outputs at the ends.",
            ),
            model_fix(
                trace, {"activation": "relu"}, reason="Or take an activation without ends.",
                expected="Gradients of one size in all layers.",
            ),
        )
        if is_mlp(trace)
        else (
            by_hand(
                "Draw the weights as usual (Glorot) or put a normalisation before the activation.",
                "Less than a fifth of the outputs at the ends.",
            ),
        ),
    )  # fmt: skip
