"""Validation rows are of another kind than training rows.

Symptom: columns lie elsewhere in validation, or its classes are mixed otherwise, and the score falls far behind.
Cause: another time, place or group of rows.
Remedy: train on rows like those that will be met, or divide anew by time or group to see the true score. A person
decides: making the two alike hides the question.
Source: reference/diagnosis.md, row 21 (means more than 1 deviation apart; deepchecks: label drift .15).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.relations import APART, POOR
from trainwell.diagnosis.rows import fact, shown, stays_behind, validation_fit
from trainwell.diagnosis.signals import finite, recent

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *APART)

# Means this many deviations apart, in this share of the columns; more is another preprocessing.
MOVED, COLUMNS = 1.0, 0.1
LABELS = 0.3
# Share of rows with the class of the row before from which rows that are taken in order are sorted.
SORTED = 0.85
# Beyond these it is no shift but another scale, which is another rule's case.
SAME_SCALE = (0.2, 5.0)
ANOTHER_SCALE, ANOTHER_COLUMNS = 3.0, 0.8
# How far validation must fall behind training: accuracy, or loss over loss.
GAP, LOSS_RATIO = 0.05, 1.5


def check(trace: Trace) -> Finding | None:
    """Judge by means and class shares, where validation falls behind."""
    shift, columns, labels = (fact(trace, name) or 0.0 for name in ("shift", "shifted_columns", "label_shift"))
    if trace.facts.get("data.ordered") is True and (fact(trace, "label_runs") or 0.0) >= SORTED:
        return None  # the first rows of sorted ones are no sample of all
    ratio = fact(trace, "scale_ratio")
    moved = shift >= MOVED and columns >= COLUMNS and not (shift >= ANOTHER_SCALE and columns >= ANOTHER_COLUMNS)
    # Other shares of the classes are a fault where they cost something: a network may find rare ones all the same.
    mixed = labels >= LABELS and stays_behind(trace)
    if not (moved or mixed) or not _falls_behind(trace):
        return None
    if ratio is not None and not SAME_SCALE[0] <= ratio <= SAME_SCALE[1]:
        return None
    what = (
        f"{columns:.0%} of the columns lie elsewhere in validation, up to {rounded(shift, 2)} deviations"
        if moved
        else f"the classes are mixed otherwise in validation (a share of {labels:.0%} would have to move)"
    )
    return Finding(
        code="distribution_shift",
        severity="warning",
        symptom=f"Validation rows are of another kind: {what}.",
        cause="Another time, place or group of rows. Train on rows like those that will be met; the score on the "
        "present validation rows is what to expect on such rows.",
        confidence=0.85,
        cost="The training score says little about rows of the other kind.",
        evidence=shown({
            "shift": shift, "shifted_columns": columns, "label_shift": labels, "network": validation_fit(trace),
            "train_accuracy": recent(finite(trace, "train_accuracy")),
        }),
    )  # fmt: skip


def _falls_behind(trace: Trace) -> bool:
    train, val = recent(finite(trace, "train_accuracy")), recent(finite(trace, "val_accuracy"))
    if train is not None and val is not None:
        return train - val > GAP
    train_loss, val_loss = recent(finite(trace, "train_loss")), recent(finite(trace, "val_loss"))
    return train_loss is not None and val_loss is not None and val_loss > LOSS_RATIO * train_loss
