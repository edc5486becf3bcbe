"""The learning rate is too high: the loss explodes, bounces, or is thrown back to guessing.

Symptom: the training loss rises far above its minimum or above guessing, or bounces without falling.
Cause: steps that are too long for the curvature; the weights move by more than some per cent in each.
Remedy: a tenth of the rate, again if needed; a longer warm-up.
Source: update-to-weight ratio above 3e-2 (reference/diagnosis.md, row 41); growth and roughness calibrated on
the runs in tests/diagnosis.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, lower_lr, train_fix
from trainwell.diagnosis.rows import chance_error, possible_fit, stays_behind, validation_fit
from trainwell.diagnosis.settings import held_back_by, learning_rate, lr_is_high, lr_is_low, number
from trainwell.diagnosis.signals import (
    GOOD_FIT,
    POOR_FIT,
    RECENT_EPOCHS,
    finite,
    fit,
    long_enough,
    recent,
    reference_loss,
    rounded_facts,
)
from trainwell.diagnosis.signs import epochs_of, typical_update

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (
    "divergence",
    "oscillation",
    "plateau",
    "underfitting",
    "not_learning",
    "missing_warmup",
    "loss_spikes",
    "dead_units",
    "exploding_gradients",
    "saturated_units",
    "too_few_epochs",
    "batch_norm_tiny_batches",
)
# Three epochs' median of the training loss over its earlier minimum, and over the loss of guessing.
RISE_OVER_MINIMUM = 2.0
RISE_OVER_GUESSING = 1.5
# A single epoch this far above guessing is an explosion, even when the loss came back.
EXPLOSION_OVER_GUESSING = 5.0
# The epochs in which a run shows whether it stands its rate.
EARLY = 2
# A rise counts only where the loss is this share of guessing or more: a converged run may double its tiny loss.
MATTERS_FROM = 0.2
# Median step from epoch to epoch, as a share of the loss; and how many of the steps must lead up by half of that.
ROUGHNESS = 0.2
SHARE_OF_RISES = 0.25
# How far behind what neighbours tell a run at such a rate may stay.
FAR_BEHIND = 0.08
# Accuracy that a run lost from its best epoch to its last.
LOST = 0.05
# Median update-to-weight ratio of an optimizer step.
LARGE_UPDATES = 3e-2
# Rate of the last epoch over the highest, from which it was never brought down.
STILL_HIGH = 0.5


def check(trace: Trace) -> Finding | None:
    """Judge by explosion, bouncing, the size of the updates and the rate itself."""
    signs = _signs(trace)
    told = trace.told & {"loss_explodes", "loss_oscillates", "lr_high"}
    stuck = trace.told & {"loss_stuck", "score_stuck", "non_finite_loss"}
    if lr_is_low(trace) or not (signs or told or (stuck and lr_is_high(trace))):
        return None
    wild = "explosion" in signs or "divergence" in signs
    return Finding(
        code="learning_rate_too_high",
        severity="critical" if wild and (fit(trace) or 0.0) < POOR_FIT else "warning",
        symptom=_symptom(trace, signs),
        cause=_cause(trace),
        confidence=_confidence(trace, signs),
        evidence=_evidence(trace, signs),
        cost="The run ends far above what the network can reach, or breaks.",
        fixes=_fixes(trace),
    )


def _signs(trace: Trace) -> tuple[str, ...]:
    losses, reference = finite(trace, "train_loss"), reference_loss(trace)
    if len(losses) < RECENT_EPOCHS or reference is None:
        return ()
    signs: list[str] = []
    if _explodes(losses, reference):
        signs.append("explosion")
    if _diverges(losses, reference):
        signs.append("divergence")
    if held_back_by(trace) is None or lr_is_high(trace):
        signs += _restless(trace, reference)
    return tuple(signs)


def _explodes(losses: list[float], reference: float) -> bool:
    now = median(losses[-RECENT_EPOCHS:])
    lowest = min(losses[:2])
    grown = now > RISE_OVER_GUESSING * max(reference, lowest)
    far = [place for place, loss in enumerate(losses) if loss > EXPLOSION_OVER_GUESSING * max(reference, lowest)]
    # One epoch that is thrown up once the run is well under way is a spike, which another rule tells of.
    return grown or len(far) > 1 or 0 < min(far, default=0) <= EARLY


def _diverges(losses: list[float], reference: float) -> bool:
    """Whether three epochs in a row stood far above an earlier minimum, at a level that matters."""
    lowest = losses[0]
    for start in range(1, len(losses) - RECENT_EPOCHS + 1):
        level = min(losses[start : start + RECENT_EPOCHS])
        if level > max(RISE_OVER_MINIMUM * lowest, MATTERS_FROM * reference):
            return True
        lowest = min(lowest, losses[start])
    return False


def _restless(trace: Trace, reference: float) -> list[str]:
    """Signs of steps that are too long in a run that fits badly."""
    fitted = fit(trace)
    if fitted is None or not long_enough(trace):
        return []
    signs: list[str] = []
    train, val = finite(trace, "train_loss"), finite(trace, "val_loss")
    if _rough(train, reference) or (
        _rough(val, reference) and median(train[-RECENT_EPOCHS:]) > MATTERS_FROM * reference
    ):
        signs.append("bouncing")
    if lr_is_high(trace) and possible_fit(trace) is not None and stays_behind(trace, FAR_BEHIND):
        return [*signs, "high_rate"]
    if _never_lowered(trace) and ((validation_fit(trace) or 1.0) < GOOD_FIT or _is_unsteady(trace)):
        signs.append("never_lowered")
    if fitted >= GOOD_FIT:
        return signs
    if (typical_update(trace) or 0.0) > LARGE_UPDATES:
        signs.append("large_updates")
    if lr_is_high(trace) and fitted < POOR_FIT:
        signs.append("high_rate")
    return signs


def _never_lowered(trace: Trace) -> bool:
    """Whether the rate is suspect by itself and still stood near its height in the last epoch."""
    rates = finite(trace, "lr")
    return lr_is_high(trace) and trace.finished and bool(rates) and rates[-1] > STILL_HIGH * max(rates)


def _is_unsteady(trace: Trace) -> bool:
    """Whether validation fell back from its best by more than chance, or a forecast is worse than the naive one."""
    scores, best = finite(trace, "val_accuracy"), validation_fit(trace)
    naive = number(trace.data, "baseline") if trace.data.get("task") == "forecasting" else None
    if naive is not None and best is not None:
        return best < naive
    return bool(scores) and max(scores) - scores[-1] > max(LOST, chance_error(trace))


def _rough(losses: list[float], reference: float) -> bool:
    late = losses[len(losses) // 3 :]
    if len(late) < 2 * RECENT_EPOCHS or min(late) <= 0 or median(late) < MATTERS_FROM * reference:
        return False
    steps = [(b - a) / a for a, b in pairwise(late)]
    rises = sum(step > ROUGHNESS / 2 for step in steps)
    return median(map(abs, steps)) > ROUGHNESS and rises >= SHARE_OF_RISES * len(steps)


def _symptom(trace: Trace, signs: tuple[str, ...]) -> str:
    losses = finite(trace, "train_loss")
    if "explosion" in signs or "divergence" in signs:
        least = losses.index(min(losses))
        if least < len(losses) - 1:
            return f"The training loss rose from {rounded(losses[least])} to {rounded(max(losses[least:]))}."
        return f"The training loss was thrown up to {rounded(max(losses))} before it fell to {rounded(losses[least])}."
    if "bouncing" in signs:
        return f"The loss bounces around {rounded(recent(losses))} without falling."
    if signs == ("never_lowered",):
        reached = rounded(validation_fit(trace), 2)
        return f"The rate is unusual and never came down; validation got {reached} of the way from guessing to perfect."
    if signs:
        return f"The training loss stays at {rounded(recent(losses))} although every step moves the weights far."
    return "The loss explodes, bounces or stays high, as you told."


def _cause(trace: Trace) -> str:
    lr = learning_rate(trace)
    if lr_is_high(trace):
        return f"The learning rate {rounded(lr)} is above what its optimizer stands."
    if lr is None:
        return "Steps that are too long: most likely the learning rate; next, inputs or targets that are not scaled."
    return f"Steps that are too long: the learning rate {rounded(lr)} is too high for this network and data."


def _confidence(trace: Trace, signs: tuple[str, ...]) -> float:
    if signs == ("never_lowered",):
        return 0.6
    confidence = 0.45 + 0.15 * len(signs) + 0.1 * ("lr_high" in trace.told) + 0.05 * ("loss_explodes" in trace.told)
    return round(min(confidence + (0.25 if lr_is_high(trace) else 0.0), 0.95), 2)


def _evidence(trace: Trace, signs: tuple[str, ...]) -> dict[str, object]:
    losses = finite(trace, "train_loss")
    return rounded_facts(
        signs=", ".join(signs) or None,
        train_loss_first=losses[0] if losses else None,
        train_loss_lowest=min(losses, default=None),
        train_loss_highest=max(losses, default=None),
        train_loss_now=recent(losses),
        loss_of_guessing=reference_loss(trace),
        update_ratio=typical_update(trace),
        lr=learning_rate(trace),
        epochs=epochs_of(trace),
    )


def _fixes(trace: Trace) -> tuple[Fix, ...]:
    return fixes(
        lower_lr(
            trace,
            reason="Lower the learning rate to a tenth, further where that is still far too high.",
            expected="The training loss falls from epoch to epoch.",
        ),
        lower_lr(
            trace,
            factor=0.01,
            reason="If a tenth still bounces: a hundredth.",
            expected="A smooth, slower fall of the loss.",
        ),
        train_fix(
            trace,
            {"grad_clip": 1.0},
            reason="Clip the gradients, so that single steps cannot throw the weights away.",
            expected="Fewer jumps of the loss; not a cure for a rate that is far too high.",
        ),
    )
