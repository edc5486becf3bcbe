"""Texts are cut before they say what they are about.

Symptom: most texts fill all places there are.
Cause: a length that is too short for them.
Remedy: a greater length.
Source: reference/diagnosis.md, row 31 (truncated > 20 %; here more, since the beginning often says enough).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.relations import APART, POOR
from trainwell.diagnosis.repair import fixes, prepare_fix
from trainwell.diagnosis.rows import fact, shown, validation_fit
from trainwell.diagnosis.signals import GOOD_FIT

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *APART)

# Share of texts that fill every place.
CUT = 0.5


def check(trace: Trace) -> Finding | None:
    """Judge by the share of texts that are cut, where the score is not good."""
    share, places, reached = fact(trace, "cut_rows"), fact(trace, "places"), validation_fit(trace)
    if share is None or places is None or share < CUT or (reached is not None and reached >= GOOD_FIT):
        return None
    return Finding(
        code="truncated_sequences",
        severity="warning",
        symptom=f"{share:.0%} of the texts are cut after {places:.0f} tokens.",
        cause="A length that is too short: what comes behind is not read.",
        confidence=0.85,
        cost="Whatever the ends of the texts say.",
        evidence=shown({"cut_rows": share, "places": places, "network": reached}),
        fixes=fixes(prepare_fix(
            trace, {"options": {"length": None}},
            reason="Let the length follow from the texts, as it does by itself, then build and train anew.",
            expected="A better score if the ends matter; steps take longer.",
        )),
    )  # fmt: skip
