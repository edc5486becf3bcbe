"""The loss is being raised: the sign of the loss or of the update is turned.

Symptom: the loss rises from the first step on, steadily, under updates of an ordinary size.
Cause: a minus before the loss, gradient ascent (maximize=True), or a score that is maximised as if it were a loss.
Remedy: turn the sign. A lower rate only makes it rise more slowly, which tells it from a rate that is too high.
Source: reference/diagnosis.md, row 5.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.settings import lr_is_high
from trainwell.diagnosis.signals import finite, rounded_facts
from trainwell.diagnosis.signs import EARLY_STEPS, by_hand, by_name, losses, rises_with_steps, steps_of, typical_update

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("divergence", "learning_rate_too_high", "non_finite_loss", "exploding_gradients", "dead_units", "plateau",
            "underfitting", "missing_warmup", "missing_zero_grad", "bad_initialisation")  # fmt: skip
# How straight the loss rises over the first looks, and by how much at least over all of them.
STRAIGHT, RISE = 0.8, 1.05
# Updates that are not too long; and short ones, in which a loss that rises in each of so many epochs is raised.
ORDINARY, SHORT, FEWEST_RISES = 3e-2, 1e-2, 3
# A rate that is too high breaks a run, or bounces, before it has risen so often.
MANY_RISES = 8


def check(trace: Trace) -> Finding | None:
    """Judge by the first looks and by epochs that rise from the first on."""
    early = [look for look in trace.signals if look.step < EARLY_STEPS]
    first, values = losses(early), finite(trace, "train_loss")
    moved = max(by_name(early, "update_ratios").values(), default=0.0)
    steady = (
        len(values) > FEWEST_RISES
        and len(first) > 0
        and values[0] >= first[0]
        and all(b > a for a, b in pairwise(values))
    )
    climbs = steady and (typical_update(trace) or ORDINARY) < (ORDINARY if len(values) > MANY_RISES else SHORT)
    if len(first) < EARLY_STEPS - 2 or not (0 < moved < ORDINARY or climbs) or lr_is_high(trace):
        return None
    told = trace.facts.get("maximises") is True
    rises = rises_with_steps(first) > STRAIGHT and first[-1] > RISE * first[0] > 0
    onward = bool(losses(trace.signals)) and losses(trace.signals)[-1] >= first[-1]
    epochs = len(values) > 1 and values[-1] > values[0] and values[0] >= first[0]
    if not (told or climbs or (rises and onward and epochs)):
        return None
    return Finding(
        code="wrong_sign",
        severity="critical",
        symptom=f"The loss rises from the first step: {rounded(first[0])}, then {rounded(first[-1])}, now "
        f"{rounded(values[-1] if values else first[-1])}.",
        cause="The loss is being raised: its sign, or that of the update, is turned.",
        confidence=0.85 if told or len(values) > 2 else 0.7,
        evidence=rounded_facts(loss_first=first[0], loss_then=first[-1], update_ratio=moved, steps=steps_of(early)),
        cost="Every step makes the network worse.",
        fixes=(
            by_hand("Minimise the loss: no minus before it, maximize=False.", "The loss falls from the first step."),
        ),
    )
