"""A rare class is not found.

Symptom: one class has many times the rows of another, accuracy is fine, and the rare class is mostly missed.
Cause: the loss counts every row alike, so that the rare class hardly counts.
Remedy: weigh the classes, and judge by the recall of each.
Source: reference/diagnosis.md, row 27 (ratio > 10, SageMaker and mlloop; and balanced accuracy far below accuracy).
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import rounded
from trainwell.diagnosis.relations import POOR
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.rows import shown
from trainwell.diagnosis.settings import class_shares, planned_epochs, weighs_classes

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = POOR

# Rows of the largest class over those of a rare one.
RATIO = 10.0
# Recall of a rare class that is too low, and how far it may lie below that of the other classes.
MISSED, BELOW = 0.6, 0.25
# Times the epochs of a second repair.
LONGER = 3


def check(trace: Trace) -> Finding | None:
    """Judge by the classes' rows and what was found of each."""
    shares, recalls = _shares(trace), _recalls(trace)
    if len(shares) < 2 or len(recalls) != len(shares) or max(shares) <= 0:
        return None
    rare = [place for place, share in enumerate(shares) if 0 < share * RATIO < max(shares)]
    missed = [recall for place in rare if (recall := recalls[place]) is not None]
    known = [recall for recall in recalls if recall is not None]
    accuracy = next((one.val_accuracy for one in reversed(trace.epochs) if one.val_accuracy is not None), None)
    others = [recall for place, recall in enumerate(recalls) if recall is not None and place not in rare]
    if not missed or not others or accuracy is None or min(missed) > min(MISSED, median(others) - BELOW):
        return None
    return Finding(
        code="class_imbalance",
        severity="warning",
        symptom=f"Accuracy is {rounded(accuracy)}, but of the rarest class only {min(missed):.0%} is found.",
        cause=f"The largest class has {max(shares) / min(share for share in shares if share > 0):.0f} times the rows "
        f"of the rarest, and {_why(trace)}.",
        confidence=0.9,
        cost="The rare class is mostly missed, and accuracy does not show it.",
        evidence=shown({
            "largest_over_rarest": max(shares) / min(share for share in shares if share > 0),
            "recall_of_rare": min(missed), "mean_recall": sum(known) / len(known), "accuracy": accuracy,
        }),
        fixes=_fixes(trace),
    )  # fmt: skip


def _why(trace: Trace) -> str:
    return "its few rows make few steps" if weighs_classes(trace) else "the loss counts every row alike"


def _fixes(trace: Trace) -> tuple[Fix, ...]:
    weighted, longer = {"class_weights": "balanced"}, {"epochs": LONGER * planned_epochs(trace)}
    more = train_fix(
        trace, weighted | longer,
        reason="Weigh the classes, and give the rare rows more epochs: of few rows there are few steps.",
        expected="Recall of the rare class goes on rising.",
    )  # fmt: skip
    if weighs_classes(trace):
        return fixes(more)
    first = train_fix(
        trace, weighted, reason="Weigh the classes, so that a rare row counts for more.",
        expected="Recall of the rare class rises clearly; accuracy may fall a little. Judge by recall or F1.",
    )  # fmt: skip
    return fixes(first, more)


def _shares(trace: Trace) -> list[float]:
    """Of the training rows, where their classes were counted."""
    counts: list[int] = trace.facts.get("data.train_classes") or []
    if sum(counts):
        return [count / sum(counts) for count in counts]
    return class_shares(trace)


def _recalls(trace: Trace) -> list[float | None]:
    told = [one.recalls for one in trace.epochs if one.recalls]
    return told[-1] if told else []
