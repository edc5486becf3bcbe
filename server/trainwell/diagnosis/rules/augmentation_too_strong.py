"""Training rows are changed so much that little of them is left.

Symptom: rows as they are have a far lower loss than the changed ones that are trained on, and the score stays behind;
or the loader's rows are noise beside those of validation.
Cause: augmentation that is too strong, or that changes what a row means.
Remedy: none of it first, then one change at a time.
Source: reference/diagnosis.md, row 32 (training-mode accuracy far below that on the same rows as they are).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.relations import POOR, WILD
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.rows import fact, shown, stays_behind, validation_fit
from trainwell.diagnosis.signals import finite, recent

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *WILD)

# Training loss over that of the same rows as they are.
HARDER = 1.5
# Skill of neighbours among validation rows over that among training rows, and the spread of theirs.
LOST, SPREAD = 0.3, 0.6


def check(trace: Trace) -> Finding | None:
    """Judge by what training sees beside the rows as they are."""
    if not stays_behind(trace, 0.03):
        return None
    harder, drowned = _is_harder(trace), _is_drowned(trace)
    if not harder and not drowned:
        return None
    asked = trace.config.get("augment") or ()
    return Finding(
        code="augmentation_too_strong",
        severity="warning",
        symptom="The changed rows that are trained on are far harder than the rows as they are."
        if harder
        else "The loader's rows tell far less of the target than validation rows do, and spread further.",
        cause=f"Augmentation that leaves little of a row: {', '.join(map(str, asked))}."
        if asked
        else "Augmentation or noise in the loader that leaves little of a row: weaken it.",
        confidence=0.85,
        cost="Most of the training goes into noise.",
        evidence=shown({
            "train_loss": recent(finite(trace, "train_loss")), "loss_of_rows_as_they_are": recent(
                finite(trace, "fitted_loss")
            ), "told_within_training": fact(trace, "signal"), "told_within_validation": fact(trace, "signal_others"),
            "network": validation_fit(trace),
        }),
        fixes=fixes(train_fix(
            trace, {"augment": []}, reason="Train on the rows as they are; then add one change at a time.",
            expected="A training loss near that of the rows as they are, and a better score.",
        ) if asked else None),
    )  # fmt: skip


def _is_harder(trace: Trace) -> bool:
    train, fitted = recent(finite(trace, "train_loss")), recent(finite(trace, "fitted_loss"))
    return bool(trace.config.get("augment")) and train is not None and fitted is not None and train > HARDER * fitted


def _is_drowned(trace: Trace) -> bool:
    """Whether a loader's own rows are noise beside those of validation."""
    here, others, spread = (fact(trace, name) for name in ("signal", "signal_others", "scale_ratio"))
    if trace.facts.get("data.ordered") is not True or here is None or others is None or spread is None:
        return False
    return others - here >= LOST and spread <= SPREAD
