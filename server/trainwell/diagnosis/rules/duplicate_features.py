"""Columns repeat each other.

Symptom: several columns are the same up to scale and sign.
Cause: a join that added a table twice, or one quantity in several units.
Remedy: drop the copies. A network learns with them too, so this is information unless most of the input is copies.
Source: reference/diagnosis.md, group B; the threshold is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import quoted
from trainwell.diagnosis.rows import fact, shown

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# Share of the columns that are copies, from which it is told and from which it is more than information.
SOME, MOST = 0.3, 0.6


def check(trace: Trace) -> Finding | None:
    """Judge by the share of columns that repeat others."""
    columns, repeated = fact(trace, "columns"), fact(trace, "repeated_columns")
    if not columns or repeated is None or repeated < SOME * columns:
        return None
    pair = trace.facts.get("data.repeated_example") or ("?", "?")
    return Finding(
        code="duplicate_features",
        severity="warning" if repeated >= MOST * columns else "info",
        symptom=f"{repeated:.0f} of {columns:.0f} columns repeat others, e.g. {quoted(str(pair[0]), 40)} and "
        f"{quoted(str(pair[1]), 40)}.",
        cause="A join that added columns twice, or one quantity in several units: keep one of each.",
        confidence=0.8,
        cost="Width without content: slower, and sums of copies count several times.",
        evidence=shown({"columns": columns, "repeated_columns": repeated}),
    )
