"""Momentum is too high: steps go on long after the slope has turned.

Symptom: the loss swings in long waves or does not settle.
Cause: a momentum of .99 and more averages over hundreds of steps, and makes the rate a hundred times larger.
Remedy: .9.
Source: reference/diagnosis.md, row 46.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.settings import number
from trainwell.diagnosis.signals import finite, recent, rounded_facts
from trainwell.diagnosis.signs import by_hand, epochs_of, is_poor

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("learning_rate_too_high", "oscillation", "divergence", "loss_spikes", "plateau", "underfitting",
            "non_finite_loss", "overfitting", "stopped_too_early")  # fmt: skip
HIGH = 0.985
# Validation loss at the end over its lowest, from which the run has swung past a minimum.
THROWN_BACK = 1.5


def check(trace: Trace) -> Finding | None:
    """Judge by the momentum of a run that goes badly; our own optimizers have .9."""
    momentum = number(trace.config, "momentum")
    val = finite(trace, "val_loss")
    thrown_back = bool(val) and (recent(val) or 0.0) > THROWN_BACK * min(val)
    if momentum is None or momentum < HIGH or not (is_poor(trace) or thrown_back):
        return None
    return Finding(
        code="momentum_too_high",
        severity="warning",
        symptom=f"The loss does not settle: it is {rounded(recent(finite(trace, 'train_loss')))} in the last epochs.",
        cause=f"Momentum {rounded(momentum)} carries each gradient through {1 / max(1 - momentum, 1e-6):.0f} steps.",
        confidence=0.85 if is_poor(trace) else 0.7,
        evidence=rounded_facts(momentum=momentum, epochs=epochs_of(trace)),
        cost="The weights swing past every minimum.",
        fixes=(by_hand("Set momentum to 0.9.", "The waves die down within two epochs."),),
    )
