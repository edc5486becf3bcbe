"""Rows or targets hold NaN or infinity.

Symptom: the loss is NaN from the first step, or from the first batch with such a row.
Cause: gaps or overflows in the data that nobody filled.
Remedy: a person decides what a gap means: drop the rows, or fill them in. No other setting helps.
Source: reference/diagnosis.md, row 17 (count > 0; runmedic, traintools).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.forensics import proven_cause, step_evidence
from trainwell.diagnosis.relations import POOR, WILD
from trainwell.diagnosis.rows import fact, named, shown

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *WILD)


def check(trace: Trace) -> Finding | None:
    """Judge by the share of rows and of targets that are not finite."""
    rows, targets = fact(trace, "nonfinite_rows") or 0.0, fact(trace, "nonfinite_targets") or 0.0
    of_step = step_evidence(trace)
    seen = {name: of_step.get(f"{name}_finite") is False for name in ("inputs", "target")}
    if rows <= 0 and targets <= 0 and not any(seen.values()):
        return None
    where = f"a share of {rounded(rows)} of the rows (column {named(trace, 'nonfinite_column')})" if rows else ""
    proven = proven_cause(trace)
    also = f"a share of {rounded(targets)} of the targets" if targets else ""
    if not (where or also):
        where = f"the {'inputs' if seen['inputs'] else 'targets'} of the batch of step {of_step.get('first_bad_step')}"
    return Finding(
        code="non_finite_inputs",
        severity="critical",
        symptom=f"NaN or infinity stands in {' and in '.join(filter(None, (where, also)))}.",
        cause=" ".join(filter(None, (proven and proven[1],
            "Gaps or overflows in the data. One such row makes the loss and then all weights NaN: drop these rows or "
            "fill them in before training."))),
        confidence=0.98,
        cost="Nothing is learnt after the first such row.",
        evidence=shown({
            "rows": rows, "targets": targets, "first_row": fact(trace, "nonfinite_first"),
            "rows_looked_at": fact(trace, "rows_looked_at"),
        }) | of_step | ({"likely_cause": proven[0]} if proven else {}),
    )  # fmt: skip
