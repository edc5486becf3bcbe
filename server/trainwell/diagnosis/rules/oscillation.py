"""The loss goes up and down without getting anywhere.

Symptom: the training loss changes its direction in most epochs, by a good part of its height.
Cause: steps that are too long, a momentum that is too high, or batches that are too small; other rules tell which.
Remedy: half the rate, a schedule that falls, larger batches.
Source: reference/diagnosis.md, rows 41 and 46; AutoTrainer: swings in at least 20 % of the epochs.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, lower_lr, train_fix
from trainwell.diagnosis.signals import finite, long_enough, reference_loss, rounded_facts
from trainwell.diagnosis.signs import epochs_of, is_good

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting")
# Epochs that are looked at, share of them that turn, and how far they swing as a share of the loss.
FEWEST, TURNS, SWING = 8, 0.5, 0.15
# A loss below this share of guessing may swing: it is small.
MATTERS = 0.2
# Over the later half the loss must not have fallen by more than this share.
FELL = 0.15


def check(trace: Trace) -> Finding | None:
    """Judge by the turns of the training loss in the later half of the run."""
    values, reference = finite(trace, "train_loss"), reference_loss(trace)
    later = values[len(values) // 3 :]
    if len(later) < FEWEST or reference is None or is_good(trace) or not long_enough(trace):
        return None
    changes = [b - a for a, b in pairwise(later)]
    turns = sum(a * b < 0 for a, b in pairwise(changes)) / (len(changes) - 1)
    level = median(later)
    swing = median(abs(change) for change in changes) / level if level > 0 else 0.0
    half = len(later) // 2
    fell = median(later[:half]) - median(later[half:])
    if turns < TURNS or swing < SWING or level < MATTERS * reference or fell > FELL * level:
        return None
    return Finding(
        code="oscillation",
        severity="warning",
        symptom=f"The training loss swings by {swing:.0%} of its height around {rounded(level)}, epoch by epoch.",
        cause="Steps that are too long for the slope they follow, or batches too small to show it.",
        confidence=0.6,
        evidence=rounded_facts(swing=swing, turns=turns, train_loss=level, epochs=epochs_of(trace)),
        cost="The run stays where it is, whatever time it gets.",
        fixes=fixes(
            lower_lr(trace, factor=0.3, reason="Lower the rate to a third.", expected="Smaller swings, lower down."),
            train_fix(
                trace, {"scheduler": "cosine"}, reason="Let the rate fall towards the end.",
                expected="The swings die down and the loss sinks below its present level.",
            ),
        ),
    )  # fmt: skip
