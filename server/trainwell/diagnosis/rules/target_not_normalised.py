"""The values to be learnt are on a scale that networks learn slowly.

Symptom: a regression whose target lies far from 0 or spreads far from 1 does not get there.
Cause: the output must first grow to the target's size, at steps of the learning rate's size.
Remedy: standardise the target in the dataset and undo it in what is predicted; a person does, in the program.
Source: reference/diagnosis.md, row 19 (deviation > 3 in the prototype). `prepare_data` always standardises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.relations import POOR, WILD
from trainwell.diagnosis.rows import fact, shown, stays_behind, validation_fit

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *WILD)

# A target whose mean is this far from 0 in units of 1 or of its deviation, or whose deviation is outside.
FAR, SMALL, LARGE = 5.0, 0.05, 20.0


def check(trace: Trace) -> Finding | None:
    """Judge by the target's mean and deviation, where the score shows that they matter."""
    mean, spread = fact(trace, "target_mean"), fact(trace, "target_std")
    if mean is None or spread is None or not stays_behind(trace):
        return None
    if abs(mean) <= FAR * max(spread, 1.0) and SMALL <= spread <= LARGE:
        return None
    return Finding(
        code="target_not_normalised",
        severity="warning",
        symptom=f"The target lies {rounded(abs(mean))} from 0 and spreads by {rounded(spread)}.",
        cause="A scale that networks learn slowly: standardise the target in the dataset, and undo it in predictions.",
        confidence=0.9,
        cost="Most of the training goes into reaching the target's size.",
        evidence=shown({
            "target_mean": mean, "target_std": spread, "neighbours": fact(trace, "signal_validation"),
            "network": validation_fit(trace),
        }),
    )  # fmt: skip
