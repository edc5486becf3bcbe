"""There were too few optimizer steps to learn anything.

Symptom: a poor fit at the end of a run of fewer than a hundred steps.
Cause: batches of a good part of all rows, or too few epochs.
Remedy: smaller batches, more epochs.
Source: reference/diagnosis.md, row 49 (fewer than 100 updates, batch of half the rows).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.settings import FEW_UPDATES, held_back_by, lr_is_high, number
from trainwell.diagnosis.signals import POOR_FIT, finite, fit, num_updates, recent, rounded_facts
from trainwell.diagnosis.signs import broke, epochs_of

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "learning_rate_too_low")
FEWEST = 2
# Steps an epoch that a repair brings about.
STEPS_WANTED = 20


def check(trace: Trace) -> Finding | None:
    """Judge a run that has ended by its steps."""
    steps, fitted = num_updates(trace), fit(trace)
    known = trace.finished and steps is not None and fitted is not None and len(trace.epochs) >= FEWEST
    if not known or broke(trace) or lr_is_high(trace) or held_back_by(trace):
        return None
    not_rising = len(values := finite(trace, "train_loss")) >= FEWEST and values[-1] <= 1.02 * values[0]
    if steps is None or steps >= FEW_UPDATES or fitted is None or fitted >= POOR_FIT or not not_rising:
        return None
    rows, batch = number(trace.data, "train_rows"), number(trace.config, "batch_size")
    smaller = None
    if rows and batch and rows / batch < STEPS_WANTED and batch > 8:
        smaller = train_fix(
            trace, {"batch_size": max(8, 2 ** int(rows / STEPS_WANTED).bit_length() // 2)},
            reason="Smaller batches make more steps of each epoch.",
            expected="Several times the steps in the same number of rows seen.",
        )  # fmt: skip
    return Finding(
        code="too_few_updates",
        severity="warning",
        symptom=f"The run ended after {steps} optimizer steps, far from a good fit.",
        cause=f"Only {steps} steps: too few to learn anything.",
        confidence=0.75,
        evidence=rounded_facts(
            optimizer_steps=float(steps), batch_size=batch, train_rows=rows, train_loss_first=values[0],
            train_loss_now=recent(values), epochs=epochs_of(trace),
        ),
        cost="A result that says nothing about what the network can do.",
        fixes=fixes(
            smaller,
            train_fix(
                trace, {"epochs": 10 * int(number(trace.config, "epochs") or len(trace.epochs))},
                reason="Train longer.", expected="The loss goes on not_rising.",
            ),
        ),
    )  # fmt: skip
