"""Training ended before it had begun to pay.

Symptom: few optimizer steps were made, or the loss was still falling at the end, and the score stays behind.
Cause: too few epochs, or batches so large that an epoch is a step or two.
Remedy: more steps: smaller batches where they are large, then more epochs.
Source: reference/diagnosis.md, row 49 (fewer than 100 updates; batch >= n / 2).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.rows import fact, shown, stays_behind, validation_fit
from trainwell.diagnosis.settings import (
    FEW_UPDATES,
    STILL_FALLING,
    held_back_by,
    lr_is_high,
    lr_is_low,
    number,
    planned_epochs,
)
from trainwell.diagnosis.signals import POOR_FIT, finite, fit, last_medians, late_progress, num_updates

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("underfitting", "plateau", "not_learning")

# Epochs that are few whatever their steps.
FEW_EPOCHS = 3
# With so few epochs this many steps are few, too.
HALF_OF_ENOUGH = 300
# Steps that a repaired run has at least, and the share of the rows from which a batch is large.
WANTED_STEPS, LARGE_BATCH, USUAL_STEPS = 600, 0.25, 16
# Where steps are cheap, as many epochs as a run has by default: early stopping ends those that do not pay.
USUAL_EPOCHS, CHEAP_STEPS = 40, 2_000
ENDED = ("completed", None)


def check(trace: Trace) -> Finding | None:
    """Judge a run that came to its planned end."""
    updates, falling = num_updates(trace), late_progress(trace)
    if not trace.finished or not trace.epochs or not _is_done(trace) or updates is None:
        return None
    short = updates < FEW_UPDATES or (len(trace.epochs) <= FEW_EPOCHS and updates < HALF_OF_ENOUGH)
    if not short and (falling is None or falling < STILL_FALLING):
        return None
    if lr_is_low(trace) or lr_is_high(trace) or held_back_by(trace) is not None:
        return None
    if not _still_learning(trace) or not (short or _validation_gains(trace)):
        return None
    # After so few steps, training rows that are fitted poorly are not yet learnt, whatever neighbours know.
    if not stays_behind(trace) and not (short and (fit(trace) or 0.0) < POOR_FIT):
        return None
    return Finding(
        code="too_few_epochs",
        severity="warning",
        symptom=f"Training ended after {len(trace.epochs)} epochs and {updates} steps, with the loss falling.",
        cause=f"Batches of {number(trace.config, 'batch_size'):.0f} rows leave few steps in an epoch."
        if _batch_is_large(trace)
        else "Too few epochs for the network to learn what the rows tell.",
        confidence=0.85 if short else 0.7,
        cost="The rest of the way: the score was still rising.",
        evidence=shown({
            "epochs": len(trace.epochs), "optimizer_steps": updates, "late_fall": falling,
            "network": validation_fit(trace), "neighbours": fact(trace, "signal_validation"),
        }),
        fixes=_fixes(trace, updates),
    )  # fmt: skip


def _is_done(trace: Trace) -> bool:
    return not trace.attempts or trace.attempts[-1].outcome in ENDED


def _still_learning(trace: Trace) -> bool:
    """Whether training gains to the end, and validation was at its best about then."""
    losses, val = finite(trace, "train_loss"), finite(trace, "val_loss")
    best_late = not val or val.index(min(val)) >= len(val) - max(1, len(val) // 4) - 1
    return best_late and (len(losses) < 2 or losses[-1] < losses[0])


def _validation_gains(trace: Trace) -> bool:
    """Whether the loss of validation still fell, where it was measured: training alone falls for ever."""
    medians = last_medians(trace, "val_loss")
    return medians is None or medians[1] < (1 - STILL_FALLING) * medians[0]


def _batch_is_large(trace: Trace) -> bool:
    batch, rows = number(trace.config, "batch_size"), number(trace.data, "train_rows")
    return batch is not None and rows is not None and batch > 16 and batch >= LARGE_BATCH * rows


def _fixes(trace: Trace, updates: int) -> tuple[Fix, ...]:
    epochs = planned_epochs(trace)
    an_epoch = max(1, updates // max(1, len(trace.epochs)))
    wanted = max(2 * epochs, math.ceil(WANTED_STEPS / an_epoch), min(USUAL_EPOCHS, CHEAP_STEPS // an_epoch))
    longer = train_fix(
        trace, {"epochs": wanted}, reason="Train longer.",
        expected="The loss goes on falling; early stopping ends the run when it no longer pays.",
    )  # fmt: skip
    rows = number(trace.data, "train_rows")
    if not _batch_is_large(trace) or rows is None or "model" not in trace.handles:
        return fixes(longer)
    batch = 2 ** max(4, round(math.log2(max(1.0, rows / USUAL_STEPS))))
    smaller = train_fix(
        trace, {"batch_size": batch, "epochs": max(epochs, math.ceil(WANTED_STEPS * batch / rows))},
        reason="Smaller batches make more steps of each epoch.",
        expected="A clearly lower loss in about the same time.",
    )  # fmt: skip
    return fixes(smaller, longer)
