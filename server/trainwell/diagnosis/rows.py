"""What is known of a run's rows, and how far the network stays behind what they tell: facts named `data.*`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainwell.contract.text import quoted
from trainwell.diagnosis.settings import number
from trainwell.diagnosis.signals import (
    GOOD_FIT,
    chance_accuracy,
    finite,
    fit,
    is_multilabel,
    is_regression,
    recent,
)

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# Architectures that get numbers as they are; the others scale pictures themselves, and tables are scaled before.
OWN_NETWORKS = ("module", "python")
# How far below cheap neighbours a network's validation score may stay, as a share of the way from guessing.
BEHIND = 0.04
# Share of wrong labels from which they matter, and of what chance would give from which neighbours tell nothing.
WRONG_LABELS, BY_CHANCE = 0.08, 0.8
# Beyond this share it is the neighbours that know nothing.
MOST_WRONG = 0.5
# Validation labels are right where at most this share of the training's mistakes is found among them.
FAR_FEWER = 0.5
# Epochs that say how well a run does: the best of them, since that one is kept.
_SCORES = ("val_accuracy", "val_f1", "val_r2")


def fact(trace: Trace, name: str) -> float | None:
    """A number of `data.*`, or None when it is not known."""
    return number(trace.facts, f"data.{name}")


def named(trace: Trace, name: str) -> str:
    """A name out of the data, quoted and cut."""
    return quoted(str(trace.facts.get(f"data.{name}", "?")), 60)


def sees_raw_numbers(trace: Trace) -> bool:
    """Whether the network gets numbers that nobody has scaled."""
    return trace.model.get("architecture") in OWN_NETWORKS


def has_no_tools(trace: Trace) -> bool:
    """Whether the run belongs to a Python program, so that no call of a tool prepares its data."""
    return trace.model.get("architecture") == "python"


def validation_fit(trace: Trace) -> float | None:
    """Share of the way from guessing to perfect that the best epoch came on validation rows."""
    for name in _SCORES:
        scores = finite(trace, name)
        if not scores:
            continue
        if name == "val_r2":
            return max(scores)
        base = (chance_accuracy(trace) if name == "val_accuracy" else number(trace.data, "baseline")) or 0.0
        return (max(scores) - base) / (1 - base) if base < 1 else None
    return None


def stays_behind(trace: Trace, by: float = BEHIND) -> bool:
    """Whether the network does worse than its rows allow, with regard to how few validation rows there may be.

    What neighbours can tell is the measure where they were asked, else a good fit is. Without a score of validation
    the fit of the training rows speaks; nothing measured at all is behind.
    """
    reached = validation_fit(trace)
    if reached is None:
        fitted = fit(trace)
        return fitted is None or fitted < GOOD_FIT
    possible = possible_fit(trace)
    if possible is None:
        return reached + chance_error(trace) < GOOD_FIT
    return possible - reached > max(by, chance_error(trace))


def possible_fit(trace: Trace) -> float | None:
    """What cheap neighbours reach on validation rows, 0 is guessing and 1 perfect: a network should come near it."""
    told = [fact(trace, name) for name in ("signal_validation", "signal_others")]
    return max((skill for skill in told if skill is not None), default=None)


def chance_error(trace: Trace) -> float:
    """Two standard errors of a validation score near the best, on the scale of `validation_fit`."""
    rows, reached = number(trace.data, "validation_rows") or _judged_rows(trace), validation_fit(trace)
    if not rows or reached is None or is_regression(trace) or is_multilabel(trace):
        return 0.0
    chance = chance_accuracy(trace) or 0.0
    accuracy = min(max(chance + reached * (1 - chance), 0.0), 1.0)
    return 2 * math.sqrt(accuracy * (1 - accuracy) / rows) / max(1 - chance, 1e-6) / 2


def _judged_rows(trace: Trace) -> int | None:
    """Rows of validation as the counts of the named classes tell; a loop of somebody's own says no more."""
    return next((sum(one.predicted) for one in reversed(trace.epochs) if one.predicted), None)


def is_at_chance(trace: Trace, within: float = 0.15) -> bool:
    """Whether validation is hardly better than guessing."""
    reached = validation_fit(trace)
    return reached is not None and reached <= within


def wrong_labels(trace: Trace) -> float | None:
    """Share of training labels that are wrong, where it is large enough to matter.

    Sure neighbours contradict it, and hardly any of validation. Where they contradict both parts alike, nothing tells
    mistakes from classes that overlap, and nothing is said.
    """
    share = fact(trace, "wrong_labels")
    by_chance = fact(trace, "wrong_by_chance")
    if share is None or share < WRONG_LABELS or share > min(MOST_WRONG, BY_CHANCE * (by_chance or 1.0)):
        return None
    others = fact(trace, "wrong_labels_validation")
    clean = others is not None and share - others >= WRONG_LABELS and others <= FAR_FEWER * share
    return share if clean else None


def learns_wrong_labels(trace: Trace) -> bool:
    """Whether training rows are fitted better than what is right in them allows, and than those of validation."""
    share, accuracy = wrong_labels(trace), recent(finite(trace, "train_accuracy"))
    elsewhere = recent(finite(trace, "val_accuracy"))
    if share is None or accuracy is None or (elsewhere is not None and accuracy <= elsewhere):
        return False
    return accuracy > 1 - share / 2


def shown(facts: dict[str, Any]) -> dict[str, Any]:
    """Evidence without what is not known, numbers to four digits."""
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in facts.items()
        if value is not None
    }
