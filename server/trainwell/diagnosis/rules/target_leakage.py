"""One column gives the target away.

Symptom: a single column tells the target almost without error, far better than the next best one.
Cause: it was made from the target, or is known only afterwards.
Remedy: a person who knows when the column is filled in leaves it out. The score falls to what can be reached without
knowing the answer; that is the point. No setting mends it, and to hide it would mend nothing.
Source: reference/diagnosis.md, row 24 (single column > .995 accuracy; deepchecks: predictive power >= .8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.findings import Finding
from trainwell.contract.text import quoted, rounded
from trainwell.diagnosis.rows import fact, shown
from trainwell.diagnosis.signals import is_regression

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# Skill of the best column alone (1 is perfect), and how far ahead of the next it must be: for classes, and values.
TELLS, AHEAD = 0.98, 0.04
TELLS_VALUE, AHEAD_VALUE = 0.98, 0.1
SUSPECT = "leakage_suspect"


def check(trace: Trace) -> Finding | None:
    """Judge by the best column beside the next best, or by what was seen when the data were prepared."""
    column, told = _column(trace)
    if column is None:
        return None
    asked: dict[str, Any] = trace.data.get("asked") or {}
    left_out = ", ".join(quoted(one, 60) for one in (*(asked.get("drop_columns") or ()), column))
    return Finding(
        code="target_leakage",
        severity="warning",
        symptom=f"Column {quoted(column, 60)} alone tells the target almost without error.",
        cause="It was made from the target, or is known only afterwards. A person knows whether it is there when a "
        f"prediction is made; if it is not: prepare_data with drop_columns [{left_out}], then build and train anew. "
        f"The score falls to an honest one: without it the best column tells {_next(trace)}.",
        confidence=0.9,
        cost="The score says nothing about rows whose answer is not known yet.",
        evidence=shown({"column": quoted(column, 60), "tells": told, "next_best": fact(trace, "next_column_tells")}),
    )  # fmt: skip


def _column(trace: Trace) -> tuple[str | None, float | None]:
    """The column that gives the target away, and how well it tells it."""
    suspects: dict[str, str] = trace.data.get("suspect_columns") or {}
    if SUSPECT in suspects:
        return suspects[SUSPECT], fact(trace, "best_column_tells")
    best, following = fact(trace, "best_column_tells"), fact(trace, "next_column_tells")
    tells, ahead = (TELLS_VALUE, AHEAD_VALUE) if is_regression(trace) else (TELLS, AHEAD)
    if best is None or following is None or best < tells or best - following < ahead:
        return None, None
    return str(trace.facts.get("data.best_column", "?")), best


def _next(trace: Trace) -> str:
    following = fact(trace, "next_column_tells")
    return "less" if following is None else f"{rounded(following, 2)} of the way from guessing to perfect"
