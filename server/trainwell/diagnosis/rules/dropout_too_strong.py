"""Dropout leaves too little of each row to learn from.

Symptom: a large share of the values is dropped, the loss in training is far above that with dropout off, and the score
stays behind.
Cause: too much dropout for so few units or rows.
Remedy: 0.2, then none.
Source: reference/diagnosis.md, row 54 (dropout >= .8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.relations import POOR
from trainwell.diagnosis.repair import fixes, model_fix
from trainwell.diagnosis.rows import fact, shown, stays_behind, validation_fit
from trainwell.diagnosis.settings import STRONG_DROPOUT, lr_is_high, lr_is_low, model_options, number
from trainwell.diagnosis.signals import finite, long_enough, recent

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = POOR

MILD = 0.1


def check(trace: Trace) -> Finding | None:
    """Judge by the dropout, where the score shows that it matters."""
    asked, found = number(model_options(trace), "dropout"), number(trace.facts, "largest_dropout")
    dropout = max((value for value in (asked, found) if value is not None), default=0.0)
    if dropout < STRONG_DROPOUT or not long_enough(trace, 2) or not stays_behind(trace):
        return None
    if lr_is_low(trace) or lr_is_high(trace):
        return None
    return Finding(
        code="dropout_too_strong",
        severity="warning",
        symptom=f"Dropout {rounded(dropout)} removes most of a layer in every step, and the score stays behind.",
        cause="Too much dropout: what is left of a row does not tell its target.",
        confidence=0.85,
        cost="The score, in training and in validation.",
        evidence=shown({
            "dropout": dropout, "train_loss": recent(finite(trace, "train_loss")),
            "loss_without_dropout": recent(finite(trace, "fitted_loss")), "network": validation_fit(trace),
            "neighbours": fact(trace, "signal_validation"),
        }),
        fixes=fixes(
            model_fix(
                trace, {"dropout": MILD}, reason="Drop fewer units. Then train the new model.",
                expected="The training score rises clearly within the first epochs.",
            ),
            model_fix(
                trace, {"dropout": 0.0}, reason="If that is not enough: none. Then train the new model.",
                expected="The training score rises; watch the gap to validation.",
            ),
        ),
    )  # fmt: skip
