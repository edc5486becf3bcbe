"""The target is taken for what it is not: class numbers for a quantity, or a quantity for classes.

Symptom: a regression on a few whole numbers that neighbours share exactly; or as many classes as there are numbers.
Cause: the task was guessed or said wrongly.
Remedy: prepare the data again with the other task.
Source: reference/diagnosis.md, row 12 (classification with MSE or index regression).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.relations import APART, POOR
from trainwell.diagnosis.repair import fixes, prepare_fix
from trainwell.diagnosis.rows import fact, shown, validation_fit
from trainwell.diagnosis.settings import number

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *APART, "class_imbalance", "labels_misaligned")

# Whole numbers from which on a target may be class numbers, and how well neighbours tell the exact one (1 is always).
FEWEST_CODES, SHARED = 3, 0.6
# Classes and rows of each that make a quantity of them, where all names are numbers; and rows where, besides,
# neighbours tell the exact one no better than guessing.
MANY_CLASSES, FEW_ROWS, SOME_ROWS, UNTOLD = 20, 4.0, 10.0, 0.1


def check(trace: Trace) -> Finding | None:
    """Judge by what the values of the target are."""
    task = trace.data.get("task")
    if task == "regression" and _are_codes(trace):
        return _finding(
            trace, "classification",
            f"The target takes {fact(trace, 'target_values'):.0f} whole values, and neighbours share the exact one.",
            "Class numbers taken for a quantity: halfway between two classes lies another one. Learn it as "
            "classification (cross entropy, one output a class).",
        )  # fmt: skip
    if task == "classification" and _are_values(trace):
        return _finding(
            trace, "regression",
            f"There are {number(trace.data, 'num_classes') or 0:.0f} classes, all of them numbers, with few rows each.",
            "A quantity taken for classes: that 151 is near 152 cannot be learnt this way. Learn it as regression.",
        )  # fmt: skip
    return None


def _are_codes(trace: Trace) -> bool:
    values, shared = fact(trace, "target_values"), fact(trace, "code_signal")
    whole = trace.facts.get("data.target_codes") is True
    return bool(whole and values and values >= FEWEST_CODES and shared is not None and shared >= SHARED)


def _are_values(trace: Trace) -> bool:
    classes, numeric, rows = (
        number(trace.data, "num_classes"),
        fact(trace, "numeric_classes"),
        fact(trace, "rows_per_class"),
    )
    if not classes or classes < MANY_CLASSES or numeric != 1.0 or rows is None:
        return False
    told = fact(trace, "signal")
    return rows <= (SOME_ROWS if told is not None and told < UNTOLD else FEW_ROWS)


def _finding(trace: Trace, task: str, symptom: str, cause: str) -> Finding:
    fix = prepare_fix(
        trace, {"task": task}, reason=f"Prepare the data as {task}, then build and train anew.",
        expected="A score that says what is meant, and a better one.",
    )  # fmt: skip
    return Finding(
        code="wrong_target_encoding",
        severity="warning",
        symptom=symptom,
        cause=cause,
        confidence=0.9,
        cost="What is learnt is not what is meant.",
        evidence=shown({
            "target_values": fact(trace, "target_values"), "exact_value_by_neighbours": fact(trace, "code_signal"),
            "rows_per_class": fact(trace, "rows_per_class"), "network": validation_fit(trace),
        }),
        fixes=fixes(fix),
    )  # fmt: skip
