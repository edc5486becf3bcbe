"""Targets do not belong to their rows.

Symptom: neither neighbours nor a plane nor the network tell the target better than guessing; or they do within training
and not in validation.
Cause: inputs and targets were ordered differently, mixed up, or the classes numbered otherwise in one part; or the
inputs say nothing about the target.
Remedy: a person joins inputs and targets anew. No setting helps.
Source: reference/diagnosis.md, rows 22 and 25 (validation at 1.35 x chance while training is good; permuted confusion).
Where nobody asked neighbours, a network that knows its rows and was at chance elsewhere in every epoch tells as much.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.relations import APART, POOR
from trainwell.diagnosis.rows import fact, is_at_chance, shown, validation_fit
from trainwell.diagnosis.settings import number
from trainwell.diagnosis.signals import chance_accuracy, chance_loss, fit, is_regression, long_enough

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *APART, "label_noise", "memorised_noise")

# Skill of neighbours and planes that is none, and that is some; 0 is guessing, 1 is perfect. Of few rows chance alone
# gives more than none: two standard errors, up to the third.
NONE, SOME, BY_CHANCE = 0.1, 0.5, 0.25
# By how much renaming the classes must help.
RENAMED = 0.3
FEWEST_ROWS = 60
# Of texts as many again: few of them share their words, so that neighbours know nothing in any case.
FEWEST_TEXTS = 300
# Beyond these, validation differs in its inputs, which is another rule's case.
SAME_SCALE, SAME_PLACE = (0.4, 2.5), 0.1
# Fit of the training rows that is learning by heart, and that is clearly more than guessing.
LEARNT, LEARNT_SOME = 0.5, 0.4


def check(trace: Trace) -> Finding | None:
    """Judge by what can be told of targets at all, within training and across to validation."""
    here, there = fact(trace, "signal"), fact(trace, "signal_validation")
    if here is None and there is None:
        return _unasked(trace)
    if here is None or there is None or (number(trace.data, "train_rows") or 0) < _fewest(trace):
        return None
    if here >= SOME and _alike(trace):
        return _of_validation(trace, here, there)
    # Where one class is common, nothing beats its share by accuracy, although the others can be told.
    alike = fact(trace, "signal_balanced") or 0.0
    none = max(NONE, _by_chance(trace, "validation_rows"))
    if (
        max(here - _by_chance(trace, "train_rows"), alike) > NONE
        or there > none
        or not is_at_chance(trace, none + 0.05)
    ):
        return None
    by_heart = (fit(trace) or 0.0) >= LEARNT
    return _finding(
        trace,
        "Nothing tells the target better than guessing: not neighbours, not a plane, not the network"
        + (", which learns its rows by heart." if by_heart else "."),
        "Targets that do not belong to their rows (ordered differently, mixed up, off by one), or inputs that say "
        "nothing about them. Join inputs and targets anew and look at some rows.",
        0.95 if by_heart else 0.85,
    )


def _fewest(trace: Trace) -> int:
    return FEWEST_ROWS if fact(trace, "distinct_tokens") is None else FEWEST_TEXTS


def _unasked(trace: Trace) -> Finding | None:
    """Judge a run of which only the scores are known: a stranger's loop."""
    if chance_loss(trace) is None or not long_enough(trace) or not is_at_chance(trace):
        return None
    if (fit(trace) or 0.0) < LEARNT_SOME:
        return None
    return _finding(
        trace,
        "The network learns its training rows by heart and was never better than guessing in validation.",
        "Targets that do not belong to their rows, in one part or in both (ordered differently, mixed up, off by one), "
        "or inputs that say nothing about them. Join inputs and targets anew and look at some rows.",
        0.8,
    )


def _by_chance(trace: Trace, part: str) -> float:
    """Two standard errors of the skill of guessing in so many rows; 0 for values, where guessing has none."""
    rows, base = number(trace.data, part), chance_accuracy(trace)
    if not rows or base is None or base >= 1 or is_regression(trace):
        return 0.0
    return min(BY_CHANCE, 2 * math.sqrt(base / (1 - base) / rows))


def _of_validation(trace: Trace, here: float, there: float) -> Finding | None:
    renamed = fact(trace, "signal_renamed")
    if there > SOME or not is_at_chance(trace, SOME):
        return None
    if renamed is not None and renamed - there >= RENAMED:
        return _finding(
            trace,
            "What is learnt in training is wrong in validation, but right once classes are renamed.",
            "The classes are numbered differently in validation: number both parts by the same list.",
            0.95,
        )
    if there > NONE or here < SOME:
        return None
    return _finding(
        trace,
        "Training targets can be told from the inputs, validation targets cannot.",
        "Validation targets do not belong to their rows: join them anew.",
        0.85,
    )


def _alike(trace: Trace) -> bool:
    ratio, moved = fact(trace, "scale_ratio"), fact(trace, "shifted_columns")
    return (ratio is None or SAME_SCALE[0] <= ratio <= SAME_SCALE[1]) and (moved or 0.0) <= SAME_PLACE


def _finding(trace: Trace, symptom: str, cause: str, confidence: float) -> Finding:
    return Finding(
        code="labels_misaligned",
        severity="critical",
        symptom=symptom,
        cause=cause,
        confidence=confidence,
        cost="There is nothing to learn as the rows stand.",
        evidence=shown({
            "told_within_training": fact(trace, "signal"), "told_in_validation": fact(trace, "signal_validation"),
            "told_with_classes_renamed": fact(trace, "signal_renamed"), "network": validation_fit(trace),
        }),
    )  # fmt: skip
