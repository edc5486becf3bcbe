"""Batch norm takes its statistics from too few rows.

Symptom: the same training rows are fitted far worse in evaluation than in training, or badly altogether.
Cause: mean and variance of four rows or fewer say little about all of them.
Remedy: larger batches (or smaller accumulate), else group or layer norm.
Source: reference/diagnosis.md, row 57.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, model_fix, train_fix
from trainwell.diagnosis.rows import possible_fit, stays_behind
from trainwell.diagnosis.settings import number
from trainwell.diagnosis.signals import POOR_FIT, finite, fit, num_updates, recent, reference_loss, rounded_facts
from trainwell.diagnosis.signs import epochs_of, fact, is_poor

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "overfitting", "oscillation", "learning_rate_too_high",
            "too_few_epochs")  # fmt: skip
TINY = 4
# Steps after which a poor fit is no beginning any more: such batches make many steps of one epoch.
ENOUGH_STEPS = 500
# Rows of a batch of the repaired run.
LARGER = 32
# Loss of the same rows in evaluation over that in training, at a level that matters beside guessing.
WORSE, MATTERS = 1.5, 0.3
# How far below what neighbours tell validation must stay.
BEHIND = 0.1


def check(trace: Trace) -> Finding | None:
    """Judge by the rows of a pass and by rows that are fitted worse without dropout than with it."""
    layers, batch = fact(trace, "batch_norms"), number(trace.config, "batch_size")
    if not layers or batch is None:
        return None
    parts = (number(trace.config, "accumulate") or 1) * (number(trace.config, "micro_batch_divisor") or 1)
    rows = batch / parts
    train, judged = recent(finite(trace, "train_loss")), recent(finite(trace, "fitted_loss"))
    reference = reference_loss(trace)
    worse = (
        train is not None and judged is not None and reference is not None
        and judged > WORSE * train and judged > MATTERS * reference
    )  # fmt: skip
    if rows > TINY or not (worse or is_poor(trace) or _is_poor_after_many_steps(trace)):
        return None
    return Finding(
        code="batch_norm_tiny_batches",
        severity="warning",
        symptom=f"Training rows have a loss of {rounded(train)} in training and {rounded(judged)} in evaluation."
        if worse
        else f"A poor fit, with batch norm over {rows:.0f} rows.",
        cause=f"{layers:.0f} batch norm layers take mean and variance from {rows:.0f} rows at a time.",
        confidence=0.85 if worse else 0.65,
        evidence=rounded_facts(
            rows_of_a_pass=rows, batch_norms=layers, train_loss=train, fitted_loss=judged, epochs=epochs_of(trace)
        ),
        cost="What the network learnt holds for its batches, not for single rows.",
        fixes=fixes(
            train_fix(
                trace, {"batch_size": LARGER, "accumulate": 1} | _epochs(trace),
                reason=f"Batches of {LARGER} rows in one pass, and epochs enough for as many steps as learning takes.",
                expected="Training and evaluation agree on the same rows.",
            ),
            model_fix(
                trace, {"batch_norm": False}, reason="Or no batch norm. Then train the new model.",
                expected="The same network in training and evaluation.",
            ),
        ),
    )  # fmt: skip


def _is_poor_after_many_steps(trace: Trace) -> bool:
    """Whether a run of few epochs has had its time all the same, and fits badly."""
    fitted, steps = fit(trace), num_updates(trace)
    poor = fitted is not None and (
        fitted < POOR_FIT or (possible_fit(trace) is not None and stays_behind(trace, BEHIND))
    )
    return trace.finished and poor and (steps or 0) >= ENOUGH_STEPS


def _epochs(trace: Trace) -> dict[str, int]:
    """More epochs, where larger batches would leave too few steps; nothing where the present ones are enough."""
    epochs, batch, steps = number(trace.config, "epochs"), number(trace.config, "batch_size"), num_updates(trace)
    if epochs is None or batch is None or not steps or not trace.epochs:
        return {}
    rows_of_an_epoch = batch * steps / len(trace.epochs)
    wanted = math.ceil(ENOUGH_STEPS * LARGER / rows_of_an_epoch)
    return {"epochs": wanted} if wanted > epochs else {}
