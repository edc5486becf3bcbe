"""A few values of the target are so far from the others that they are all that the loss sees.

Symptom: a regression stays near its baseline, while a handful of rows carry nearly all of the target's variance.
Cause: wrong units, a slipped decimal point, a code for "unknown", or true extremes that a squared loss cannot bear.
Remedy: a person looks at those rows and corrects them or leaves them out; or predicts the logarithm.
Source: Huber 1964 (one far value moves a squared loss without bound); the thresholds are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.relations import APART, POOR, WILD
from trainwell.diagnosis.rows import fact, shown, validation_fit

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (
    *POOR, *WILD, *APART, "labels_misaligned", "label_noise", "memorised_noise", "distribution_shift",
    "target_not_normalised",
)  # fmt: skip

# Part of the variance that they carry.
PART = 0.9
# A fit from which they are told well enough.
TOLD = 0.5


def check(trace: Trace) -> Finding | None:
    """Judge by the part of the variance that the far values carry, where the network does not tell them."""
    share, part = fact(trace, "target_outliers"), fact(trace, "target_outlier_part")
    largest = fact(trace, "target_farthest")
    if not share or part is None or part < PART or largest is None:
        return None
    reached = validation_fit(trace)
    if reached is not None and reached >= TOLD:
        return None
    return Finding(
        code="outliers_in_target",
        severity="critical",
        symptom=f"{share:.1%} of the training targets lie far beyond all others (up to {rounded(largest)} times the "
        f"usual distance from the middle) and carry {part:.0%} of the variance.",
        cause="Wrong units, a slipped decimal point or a code among the targets: correct those rows or leave them out. "
        "If they are true, predict the logarithm.",
        confidence=0.9,
        cost="The loss is about these rows alone, the others are not learnt.",
        evidence=shown({"outliers": share, "part_of_variance": part, "farthest": largest, "network": reached}),
    )
