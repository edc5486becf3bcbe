"""Rows come in the order of their targets.

Symptom: neighbouring rows have the same class, batches hold one class each, and the network forgets the last one.
Cause: a loader without shuffle=True on sorted rows.
Remedy: shuffle. From Python, stream=False lets the engine do it.
Source: reference/diagnosis.md, row 28.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.relations import APART, POOR, WILD
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.rows import fact, shown, validation_fit
from trainwell.diagnosis.signals import GOOD_FIT, is_regression

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *WILD, *APART)

# Share of rows with the class of the row before, and what it may be by chance.
SAME, BY_CHANCE = 0.85, 0.7
# Correlation of a value with the one before it.
FOLLOWS = 0.9


def check(trace: Trace) -> Finding | None:
    """Judge by the order of the targets, where rows are taken in order and the score is not good."""
    reached = validation_fit(trace)
    if trace.facts.get("data.ordered") is not True or (reached is not None and reached >= GOOD_FIT):
        return None
    same, chance = fact(trace, "label_runs"), fact(trace, "label_chance")
    follows = fact(trace, "target_runs")
    classes_sorted = same is not None and chance is not None and same >= SAME and chance <= BY_CHANCE
    if not classes_sorted and not (is_regression(trace) and follows is not None and follows >= FOLLOWS):
        return None
    return Finding(
        code="unshuffled_data",
        severity="warning",
        symptom="The rows come in the order of their targets, and are taken in that order.",
        cause="A loader without shuffle=True on sorted rows: each batch teaches one class and forgets the others.",
        confidence=0.95,
        cost="Nearly all of the score.",
        evidence=shown({
            "same_class_as_before": same, "by_chance": chance, "follows_the_value_before": follows, "network": reached,
        }),
        fixes=fixes(train_fix(
            trace, {"stream": False},
            reason="Let the engine read the rows once and shuffle them; or give the loader shuffle=True.",
            expected="A loss that falls smoothly and a score as for shuffled rows.",
        )),
    )  # fmt: skip
