"""The loss does not move: the network stays near guessing.

Symptom: after enough epochs the training loss is still close to the loss of guessing.
Cause: a learning rate that is too low, or inputs that say nothing about the target; with a high rate or strong
regularisation other rules speak.
Remedy: ten times the rate; then more epochs; then look at the data.
Source: update-to-weight ratio below 3e-5 (reference/diagnosis.md, row 42; row 51: a plateau is
never a cause by itself.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, model_fix, raise_lr, train_fix
from trainwell.diagnosis.rows import is_at_chance, possible_fit, stays_behind
from trainwell.diagnosis.settings import (
    FEW_UPDATES,
    held_back_by,
    learning_rate,
    lr_is_high,
    lr_is_low,
    number,
    planned_epochs,
)
from trainwell.diagnosis.signals import (
    POOR_FIT,
    finite,
    fit,
    fit_by_loss,
    long_enough,
    num_updates,
    recent,
    reference_loss,
    rounded_facts,
)
from trainwell.diagnosis.signs import epochs_of

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# Share of the way from guessing to perfect below which, by the loss, nothing was learned.
NOTHING_LEARNED = 0.15
# The same from which something was.
LEARNED_SOMETHING = 0.05
# Median update-to-weight ratio below which the weights hardly move.
TINY_UPDATES = 3e-5
# How close a told loss must be to ln k, in nats, to be the loss of guessing among k classes.
NEAR_LN_K = 0.02
MOST_CLASSES_GUESSED = 100
# For strangers' curves: fewest epochs, change from the second third of the run to the last, loss over that of the
# start, and the accuracy from which a level is no trouble.
FEWEST_OF_STRANGERS, STANDS_STILL, HIGH_UP, WELL_FITTED = 9, 0.03, 0.45, 0.95
# Above this share of the highest known training loss the run has been thrown about, which is another rule's case.
FALLEN_FROM_GUESSING = 1.5


def check(trace: Trace) -> Finding | None:
    """Judge a run that has had time to learn, or what was told of one."""
    stranger = _flat_for_a_stranger(trace)
    if not (_flat(trace) or _told(trace) or stranger):
        return None
    slow = _too_slow(trace)
    return Finding(
        code="plateau",
        severity="warning" if not stranger or _flat(trace) else "info",
        symptom=_symptom(trace),
        cause=_cause(trace, slow=slow),
        confidence=_confidence(trace, slow=slow),
        evidence=_evidence(trace),
        cost="A network that hardly knows more than how often each answer is right.",
        fixes=_fixes(trace),
    )


def _flat(trace: Trace) -> bool:
    if not long_enough(trace) or lr_is_high(trace) or (held_back_by(trace) and not _too_slow(trace)):
        return False
    fitted, by_loss = fit(trace), fit_by_loss(trace)
    if fitted is None or fitted >= POOR_FIT or _was_thrown(trace):
        return False
    if _too_slow(trace):
        return True
    return by_loss is not None and by_loss < NOTHING_LEARNED and not _knows_what_rows_tell(trace)


def _knows_what_rows_tell(trace: Trace) -> bool:
    """Whether validation is as good as neighbours make it: where rows tell little, a poor fit is all there is."""
    if possible_fit(trace) is None or (fit_by_loss(trace) or 0.0) < LEARNED_SOMETHING:
        return False
    return not is_at_chance(trace) and not stays_behind(trace)


def _flat_for_a_stranger(trace: Trace) -> bool:
    """Whether a loss of which nothing else is known has stood still, high up, for most of the run."""
    losses = finite(trace, "train_loss")
    if trace.config or trace.data or trace.signals or len(losses) < FEWEST_OF_STRANGERS or losses[0] <= 0:
        return False
    third = len(losses) // 3
    before, now, last = median(losses[third : 2 * third]), median(losses[2 * third :]), max(losses[2 * third :])
    fallen = (before - now) / before if before > 0 else 1.0
    accuracy = recent(finite(trace, "train_accuracy"))
    return (
        abs(fallen) < STANDS_STILL and now > HIGH_UP * max(losses[:2]) and last < FALLEN_FROM_GUESSING * now
        and (accuracy is None or accuracy < WELL_FITTED)
    )  # fmt: skip


def _was_thrown(trace: Trace) -> bool:
    """Whether the loss once was clearly lower than now, or far above guessing."""
    losses, reference, now = finite(trace, "train_loss"), reference_loss(trace), recent(finite(trace, "train_loss"))
    if not losses or reference is None or now is None:
        return False
    return max(losses[1:], default=now) > FALLEN_FROM_GUESSING * max(reference, losses[0]) or min(losses) * 1.2 < now


def _told(trace: Trace) -> bool:
    stuck = trace.told & {"loss_stuck", "score_stuck", "loss_slow", "lr_low"}
    other = trace.told & {"val_loss_rises", "train_val_gap", "loss_explodes", "loss_oscillates", "train_poor"}
    return bool(stuck) and not other and not lr_is_high(trace)


def _too_slow(trace: Trace) -> bool:
    updates = finite(trace, "update_ratio")
    return lr_is_low(trace) or "lr_low" in trace.told or bool(updates and median(updates) < TINY_UPDATES)


def guessed_classes(loss: float | None) -> int | None:
    """The k for which a loss is ln k, the loss of guessing among k classes; None when there is none near."""
    if loss is None or not math.log(2) - NEAR_LN_K <= loss <= math.log(MOST_CLASSES_GUESSED):
        return None
    classes = round(math.exp(loss))
    return classes if abs(math.log(classes) - loss) <= min(NEAR_LN_K, 0.25 / classes) else None


def _level(trace: Trace) -> float | None:
    level = recent(finite(trace, "train_loss"))
    return level if level is not None else number(trace.told_numbers, "loss")


def _symptom(trace: Trace) -> str:
    level, reference = _level(trace), reference_loss(trace)
    if level is None:
        return "The loss or the score does not move, as you told."
    if reference is not None:
        return f"The training loss stays at {rounded(level)}; guessing gives {rounded(reference)}."
    classes = guessed_classes(level)
    guess = f", which is ln {classes}: guessing among {classes} classes" if classes else ""
    return f"The loss stays at {rounded(level)}{guess}."


def _cause(trace: Trace, *, slow: bool) -> str:
    lr = learning_rate(trace)
    if slow and lr is not None:
        return f"The learning rate {rounded(lr)} is too low: the weights hardly move."
    updates = num_updates(trace)
    if trace.finished and updates is not None and updates < FEW_UPDATES:
        return f"Only {updates} optimizer steps: too few to learn anything."
    rate = (
        "the learning rate is too low" if lr is None else f"the learning rate {rounded(lr)} is too low for this network"
    )
    return f"Most likely {rate}; else the inputs say little about the target, or the labels are misaligned."


def _confidence(trace: Trace, *, slow: bool) -> float:
    if not _flat(trace):
        return 0.65 if slow else 0.5
    return 0.9 if slow else 0.65


def _evidence(trace: Trace) -> dict[str, object]:
    losses, updates = finite(trace, "train_loss"), finite(trace, "update_ratio")
    return rounded_facts(
        epochs=epochs_of(trace),
        train_loss_first=losses[0] if losses else None,
        train_loss_now=_level(trace),
        loss_of_guessing=reference_loss(trace),
        train_accuracy=recent(finite(trace, "train_accuracy")),
        fit=fit(trace),
        update_ratio=median(updates) if updates else None,
        optimizer_steps=num_updates(trace),
        lr=learning_rate(trace),
    )


def _fixes(trace: Trace) -> tuple[Fix, ...]:
    epochs = planned_epochs(trace)
    return fixes(
        raise_lr(
            trace,
            reason="Raise the learning rate, so that the weights move.",
            expected="The training loss leaves the level of guessing within a few epochs.",
        ),
        train_fix(
            trace,
            {"epochs": 3 * epochs},
            reason="If the loss was falling, however slowly: train longer.",
            expected="The fall goes on.",
        )
        if epochs
        else None,
        model_fix(
            trace,
            {"batch_norm": True},
            reason="Normalise inside the network, where deep layers pass on too little gradient.",
            expected="Larger gradients in the first layers and a faster fall of the loss.",
        ),
    )
