"""Some weights are not in the optimizer, or no step is ever made.

Symptom: tensors get gradients but never change.
Cause: the optimizer was built over other parameters, or before the network was; or step() is not called.
Remedy: build the optimizer over all parameters of the network that is trained; call step().
Source: reference/diagnosis.md, rows 1 and 2 (TrainCheck).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.settings import number
from trainwell.diagnosis.signals import chance_loss, rounded_facts
from trainwell.diagnosis.signs import by_hand, named, shown, steps_of

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (
    "too_few_epochs",
    "plateau",
    "underfitting",
    "not_learning",
    "learning_rate_too_low",
    "unused_parameters",
)
FEWEST_LOOKS = 4
# First loss over that of guessing, at which a network knew its task before: to train a part of it is a choice.
KNEW_BEFORE = 0.5


def check(trace: Trace) -> Finding | None:
    """Judge by names outside the optimizer, and by weights that stand still under a gradient."""
    names, looks = named(trace, "not_optimised"), [look for look in trace.signals if look.loss_scale is None]
    moving = [look for look in looks if look.lr is None or look.lr > 0]
    still = [
        name
        for name in (moving[0].update_ratios if len(moving) >= FEWEST_LOOKS else ())
        if all(look.update_ratios.get(name) == 0 < look.grad_norms.get(name, 0.0) for look in moving)
    ]
    if not names and not still:
        return None
    found = names or still
    first, guess = number(trace.facts, "loss0"), chance_loss(trace)
    knew = first is not None and guess is not None and first < KNEW_BEFORE * guess
    return Finding(
        code="parameters_not_optimised",
        severity="info" if knew else "critical",
        symptom=f"{shown(found)} never change, though they have a gradient.",
        cause="They are not in the optimizer." if names else "No step moves them: step() is not called, or on others.",
        confidence=0.93,
        evidence=rounded_facts(unchanged=shown(found), steps=steps_of(moving)),
        cost="These weights stay as they were drawn, however long the run.",
        fixes=(by_hand("Build the optimizer over model.parameters(), after the model is complete, and call step().",
                       "Every weight changes in every step."),),
    )  # fmt: skip
