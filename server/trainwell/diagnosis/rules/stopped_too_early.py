"""Training was stopped while it still got better.

Symptom: it ended by early stopping with little patience, or by its time limit, and the score stays behind.
Cause: a patience shorter than the noise of the score, or too little time.
Remedy: more patience, more time.
Source: reference/diagnosis.md, row 59 (patience shorter than the plateau).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.rows import fact, shown, stays_behind, validation_fit
from trainwell.diagnosis.settings import STILL_FALLING, number
from trainwell.diagnosis.signals import last_medians

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("too_few_epochs", "underfitting", "plateau")

# Epochs without a better score that are no patience, and that are.
IMPATIENT, PATIENT = 4, 15
# A run that its limit ended after this share of its epochs or less was cut.
CUT = 0.6
# How much longer a repair lets it run at least, and the room that it has beyond what its epochs took so far.
LONGER, ROOM = 5, 1.5


def check(trace: Trace) -> Finding | None:
    """Judge by what ended the run, and how much was left to learn."""
    outcome = trace.attempts[-1].outcome if trace.finished and trace.attempts else None
    patience, planned = number(trace.config, "early_stopping"), number(trace.config, "epochs")
    impatient = outcome == "early_stopping" and patience is not None and 0 < patience <= IMPATIENT
    cut = outcome == "time_limit" and planned is not None and len(trace.epochs) <= CUT * planned
    if not (impatient or cut) or (impatient and not trace.epochs):
        return None
    if not stays_behind(trace) and not (impatient and _was_falling(trace)):
        return None
    how = f"early stopping after {patience:.0f} epochs without a better score" if impatient else "the time limit"
    return Finding(
        code="stopped_too_early",
        severity="warning",
        symptom=f"Training was ended by {how}, at epoch {len(trace.epochs)} of {rounded(planned)}.",
        cause="A patience shorter than the noise of the score." if impatient else "Too little time.",
        confidence=0.85,
        cost="The rest of the way: the network was not done.",
        evidence=shown({
            "early_stopping": patience, "epochs": len(trace.epochs), "planned": planned,
            "network": validation_fit(trace), "neighbours": fact(trace, "signal_validation"),
        }),
        fixes=_fixes(trace, impatient=impatient),
    )  # fmt: skip


def _was_falling(trace: Trace) -> bool:
    """Whether the validation loss was still coming down when it was stopped."""
    medians = last_medians(trace, "val_loss")
    return medians is not None and medians[1] < (1 - STILL_FALLING) * medians[0]


def _fixes(trace: Trace, *, impatient: bool) -> tuple[Fix, ...]:
    if impatient:
        patient = train_fix(
            trace, {"early_stopping": PATIENT}, reason="Wait longer for a better score.",
            expected="The score goes on rising; the best weights are kept all the same.",
        )  # fmt: skip
        return fixes(patient)
    minutes = number(trace.config, "max_minutes") or 1.0
    whole = minutes * (number(trace.config, "epochs") or 0) / max(1, len(trace.epochs))
    longer = train_fix(
        trace, {"max_minutes": max(LONGER * minutes, ROOM * whole)}, reason="Give it more time; or fewer epochs.",
        expected="The score goes on rising.",
    )  # fmt: skip
    return fixes(longer)
