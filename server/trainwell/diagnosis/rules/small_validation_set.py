"""Too few rows to judge by.

Symptom: the validation score jumps by several points from row to row.
Cause: a validation part of a handful of rows.
Remedy: hold out more rows; with few rows in all, repeat with other seeds.
Source: reference/diagnosis.md, row 30: below 30 rows the interval of an accuracy is wider than .1; below FEWEST it is
wider than any difference that one would want to see.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainwell.contract.findings import Finding
from trainwell.diagnosis.relations import APART
from trainwell.diagnosis.repair import fixes, prepare_fix
from trainwell.diagnosis.rows import shown
from trainwell.diagnosis.settings import number

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = APART

# Rows below which it is told, and below which nothing can be judged.
FEW, FEWEST = 30, 15
# Share of the training rows below which more could have been held out with ease.
STINGY = 0.025
FRACTION = 0.2


def check(trace: Trace) -> Finding | None:
    """Judge by the number of validation rows."""
    rows = number(trace.data, "validation_rows")
    if rows is None or not 0 < rows < FEW:
        return None
    error = math.sqrt(0.25 / rows)
    asked: dict[str, Any] = trace.data.get("asked") or {}
    larger = None
    if "validation_source" not in asked:
        larger = prepare_fix(
            trace, {"validation_fraction": FRACTION}, reason="Hold out more rows, then build and train anew.",
            expected="A score that moves less by chance.",
        )  # fmt: skip
    return Finding(
        code="small_validation_set",
        severity="warning" if rows < max(FEWEST, STINGY * (number(trace.data, "train_rows") or 0)) else "info",
        symptom=f"Only {rows:.0f} rows to validate by: an accuracy is known to about {2 * error:.2f} either way.",
        cause="A validation part that is too small to tell good from better.",
        confidence=0.9,
        cost="The best epoch and every comparison are chosen by chance.",
        evidence=shown({"validation_rows": rows, "train_rows": number(trace.data, "train_rows")}),
        fixes=fixes(larger),
    )
