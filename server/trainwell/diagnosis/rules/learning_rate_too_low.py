"""The learning rate is too low: every step moves the weights by next to nothing.

Symptom: the training loss falls by a hair in each epoch, or not at all, and the fit is poor at the end.
Cause: a rate far below what the optimizer usually takes, so that a step changes the weights by less than 1e-4.
Remedy: ten times the rate, again if needed; then more epochs.
Source: update-to-weight ratio below 3e-5 to 1e-4 (reference/diagnosis.md, row 42); calibrated on tests/diagnosis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import USUAL_LR, fixes, raise_lr, train_fix
from trainwell.diagnosis.rows import stays_behind
from trainwell.diagnosis.settings import held_back_by, learning_rate, lr_is_high, lr_is_low, optimizer, planned_epochs
from trainwell.diagnosis.signals import finite, fit, long_enough, num_updates, recent, reference_loss, rounded_facts
from trainwell.diagnosis.signs import broke, epochs_of, is_poor, late, steps_of, typical_update

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "too_few_epochs", "schedule_ends_too_early")
# Median update-to-weight ratio below which the weights hardly move, beside a rate that is low by itself, or alone.
SMALL_UPDATES, TINY_UPDATES = 1e-3, 6e-5
# Rate over the usual one, and the way of the weights over all steps, that together leave them where they began.
SMALL_RATE, SHORT_WAY = 0.2, 0.1
# The loss must not have been lower before by this factor: then the run was thrown about, not slow.
NOT_THROWN = 1.3
# Times the epochs of a second repair.
LONGER = 3


def check(trace: Trace) -> Finding | None:
    """Judge by the rate, by how far the steps move the weights, and by a loss that goes nowhere."""
    moved, losses = typical_update(trace), finite(trace, "train_loss")
    low = lr_is_low(trace) and (moved is None or moved < SMALL_UPDATES)
    had_its_time = is_poor(trace) and long_enough(trace)
    ended_before = low and moved is not None and trace.finished and len(losses) > 1 and stays_behind(trace)
    if not (had_its_time or ended_before) or broke(trace) or lr_is_high(trace) or held_back_by(trace):
        return None
    if not (low or (moved is not None and moved < TINY_UPDATES) or _hardly_moved(trace)):
        return None
    if losses and (losses[-1] > NOT_THROWN * min(losses) or max(losses) > NOT_THROWN * losses[0]):
        return None
    lr = learning_rate(trace)
    return Finding(
        code="learning_rate_too_low",
        severity="warning",
        symptom=f"The training loss is still {rounded(recent(losses))} after {len(losses)} epochs.",
        cause="The learning rate is too low: the weights hardly move."
        if lr is None
        else f"The learning rate {rounded(lr)} is too low: the weights hardly move.",
        confidence=0.92 if low and moved is not None else 0.8,
        evidence=rounded_facts(
            lr=lr,
            update_ratio=moved,
            steps=steps_of(late(trace)),
            epochs=epochs_of(trace),
            train_loss_first=losses[0] if losses else None,
            train_loss_now=recent(losses),
            loss_of_guessing=reference_loss(trace),
            fit=fit(trace),
        ),
        cost="All the time of the run for a network that has hardly left its start.",
        fixes=fixes(
            raise_lr(
                trace,
                reason="Raise the learning rate, so that the weights move.",
                expected="The training loss leaves its level within a few epochs.",
            ),
            _and_longer(
                trace,
                raise_lr(
                    trace,
                    reason="Raise it, and train longer: what was lost at the low rate takes time at any other.",
                    expected="The loss leaves its level and goes on falling.",
                ),
            ),
        ),
    )


def _hardly_moved(trace: Trace) -> bool:
    """Whether all steps of a low rate together moved the weights by a few per cent."""
    lr, moved, steps = learning_rate(trace), typical_update(trace), num_updates(trace)
    if lr is None or moved is None or steps is None or not trace.finished or trace.facts.get("frozen"):
        return False
    return lr < SMALL_RATE * USUAL_LR[optimizer(trace)] and moved * steps < SHORT_WAY


def _and_longer(trace: Trace, raised: Fix | None) -> Fix | None:
    """A repair with more epochs; of those alone the weights would hardly move further."""
    epochs = {"epochs": LONGER * planned_epochs(trace)}
    if raised is None:
        return train_fix(trace, epochs, reason="Train longer.", expected="The fall goes on.")
    return train_fix(trace, raised.patch["train"] | epochs, reason=raised.reason, expected=raised.expected)
