"""The network does not learn although its weights move as they should.

Symptom: loss and score stay at guessing, while gradients reach all layers and steps have their usual size.
Cause: inputs that say nothing about the target: rows and labels that do not belong together, or the wrong column.
Remedy: look at rows beside their labels; try to fit sixteen rows by heart. No argument repairs it.
Source: reference/diagnosis.md, rows 25 and 51.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.settings import held_back_by, lr_is_high, lr_is_low
from trainwell.diagnosis.signals import (
    finite,
    fit_by_loss,
    fit_by_score,
    long_enough,
    recent,
    reference_loss,
    rounded_facts,
)
from trainwell.diagnosis.signs import broke, by_hand, epochs_of, late, steps_of, typical_update

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting")
# Share of the way from guessing that is none, by the loss and by the score.
NOTHING_BY_LOSS, NOTHING_BY_SCORE = 0.03, 0.06
# Updates of an ordinary size.
ORDINARY = (3e-4, 3e-2)


def check(trace: Trace) -> Finding | None:
    """Judge by a fit of nothing under updates of an ordinary size."""
    moved, by_loss, by_score = typical_update(trace), fit_by_loss(trace), fit_by_score(trace)
    if moved is None or not ORDINARY[0] <= moved <= ORDINARY[1] or by_loss is None or not long_enough(trace):
        return None
    if lr_is_high(trace) or lr_is_low(trace) or held_back_by(trace) or broke(trace):
        return None
    if not -NOTHING_BY_LOSS * 10 < by_loss < NOTHING_BY_LOSS or (by_score or 0.0) > NOTHING_BY_SCORE:
        return None
    return Finding(
        code="not_learning",
        severity="warning",
        symptom=f"The training loss stays at {rounded(recent(finite(trace, 'train_loss')))}; guessing gives "
        f"{rounded(reference_loss(trace))}.",
        cause="Steps have their usual size, so it is not the rate: the inputs say nothing about the target.",
        confidence=0.6,
        evidence=rounded_facts(
            update_ratio=moved, fit_by_loss=by_loss, fit_by_score=by_score, steps=steps_of(late(trace)),
            epochs=epochs_of(trace),
        ),
        cost="A network that guesses.",
        fixes=(
            by_hand(
                "Look at some rows beside their labels (inspect_data), and see whether sixteen rows can be fitted.",
                "Rows and labels belong together, or the fault is found.",
            ),
        ),
    )  # fmt: skip
