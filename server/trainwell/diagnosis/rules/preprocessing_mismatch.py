"""Validation rows were prepared otherwise than training rows.

Symptom: their numbers are on another scale, and the score is bad or by chance.
Cause: scaling, units or decoding that was done to one part only.
Remedy: send both parts through the same steps, fitted on training rows; a person does, in the step that makes them.
Source: reference/diagnosis.md, row 20 (ratio of deviations > 5 or < .2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.relations import APART, POOR, WILD
from trainwell.diagnosis.rows import fact, shown, validation_fit

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *WILD, *APART, "distribution_shift", "labels_misaligned", "inputs_not_normalised")

# Deviation in validation over that in training: of the middle column, or of most columns.
SMALLEST, LARGEST = 0.2, 5.0
MOST_COLUMNS = 0.5
# Or nearly all columns moved this many deviations.
MOVED, MOVED_COLUMNS = 3.0, 0.8


def check(trace: Trace) -> Finding | None:
    """Judge by the scale of the columns in both parts."""
    ratio, scaled = fact(trace, "scale_ratio"), fact(trace, "rescaled_columns") or 0.0
    shift, columns = fact(trace, "shift") or 0.0, fact(trace, "shifted_columns") or 0.0
    if ratio is None:
        return None
    another = not SMALLEST <= ratio <= LARGEST or scaled >= MOST_COLUMNS
    if not another and not (shift >= MOVED and columns >= MOVED_COLUMNS):
        return None
    return Finding(
        code="preprocessing_mismatch",
        severity="critical",
        symptom=f"Validation numbers spread {rounded(ratio, 2)} times as far as those of training."
        if another
        else f"{columns:.0%} of the columns lie up to {rounded(shift, 2)} deviations elsewhere in validation.",
        cause="The two parts were prepared differently (scaling, units, decoding): send both through the same steps, "
        "fitted on the training rows.",
        confidence=0.92,
        cost="The validation score, the best epoch and early stopping mean nothing.",
        evidence=shown({
            "scale_ratio": ratio, "rescaled_columns": scaled, "shift": shift, "shifted_columns": columns,
            "network": validation_fit(trace),
        }),
    )  # fmt: skip
