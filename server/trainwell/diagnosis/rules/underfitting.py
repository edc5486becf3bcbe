"""The network learns, but cannot fit even its training rows.

Symptom: training and validation score are both poor and close together.
Cause: too small a network, or weight decay that is too strong. Where none of these shows, the rest may be noise that
nothing can learn, and the finding is only informative unless cheap neighbours tell much more. Too few steps and too
much dropout have rules of their own.
Remedy: wider layers, less weight decay, more epochs.
Source: reference/diagnosis.md, rows 47 (weight decay) and 53 (capacity).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, model_fix, train_fix
from trainwell.diagnosis.rows import possible_fit, stays_behind
from trainwell.diagnosis.settings import (
    FEW_UPDATES,
    STILL_FALLING,
    WIDTHS,
    held_back_by,
    lr_is_high,
    lr_is_low,
    model_options,
    number,
    planned_epochs,
    widths,
)
from trainwell.diagnosis.signals import (
    POOR_FIT,
    finite,
    fit,
    fit_by_loss,
    is_multilabel,
    is_regression,
    late_progress,
    long_enough,
    num_updates,
    recent,
    rounded_facts,
)

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "no_nonlinearity")
# Train minus validation accuracy above which the network does fit its rows: another rule's case.
LARGEST_GAP = 0.12
# Validation over training loss above which the same holds.
LARGEST_LOSS_RATIO = 1.5
# By the loss alone, less than this share of the way from guessing is no learning at all unless settings explain it.
LEARNED_SOMETHING = 0.15
# How far behind its rows a narrow network must stay, as a share of the way from guessing; and any other one, before
# its poor fit is a fault and not what the rows allow.
FAR_BEHIND, MUCH_TOO_FAR = 0.08, 0.25
# What keeps a network back and has a rule of its own.
ELSEWHERE = ("dropout", "too_few_steps")
# How much a first repair widens the layers, and how wide it makes a layer at least and at most.
WIDER, NARROWEST_REPAIRED, WIDEST_REPAIRED = 4, 64, 1024


def check(trace: Trace) -> Finding | None:
    """Judge a run that has had time to learn, or what was told of one."""
    told, reason = "train_poor" in trace.told, _reason(trace)
    if not (told or _poor(trace)) or reason in ELSEWHERE:
        return None
    known_better = reason == "unknown" and trace.finished and _neighbours_tell_more(trace)
    return Finding(
        code="underfitting",
        severity="warning" if told or known_better or reason != "unknown" else "info",
        symptom=_symptom(trace),
        cause=_cause(trace, "network" if known_better else reason),
        confidence=0.55 if told or known_better else (0.4 if reason == "unknown" else 0.8),
        evidence=_evidence(trace) | {"held_back_by": reason},
        cost="Predictions that stay behind what the data would allow.",
        fixes=_fixes(trace, reason),
    )


def _poor(trace: Trace) -> bool:
    if not long_enough(trace) or lr_is_high(trace) or lr_is_low(trace) or _fits_its_rows(trace):
        return False
    if held_back_by(trace) == "capacity" and stays_behind(trace, FAR_BEHIND):
        return True
    fitted, by_loss = fit(trace), fit_by_loss(trace)
    if fitted is None or fitted >= POOR_FIT:
        return False
    learned = by_loss is None or by_loss >= LEARNED_SOMETHING
    return learned or held_back_by(trace) is not None


def _neighbours_tell_more(trace: Trace) -> bool:
    possible = possible_fit(trace)
    return possible is not None and stays_behind(trace, MUCH_TOO_FAR)


def _fits_its_rows(trace: Trace) -> bool:
    train, val = recent(finite(trace, "train_accuracy")), recent(finite(trace, "val_accuracy"))
    if train is not None and val is not None:
        return train - val > LARGEST_GAP
    train_loss, val_loss = recent(finite(trace, "train_loss")), recent(finite(trace, "val_loss"))
    return train_loss is not None and val_loss is not None and val_loss > LARGEST_LOSS_RATIO * train_loss > 0


def _reason(trace: Trace) -> str:
    held, falling, updates = held_back_by(trace), late_progress(trace), num_updates(trace)
    if held is not None or not trace.finished:
        return held or "unknown"
    few = updates is not None and updates < FEW_UPDATES
    return "too_few_steps" if few or (falling is not None and falling > STILL_FALLING) else "unknown"


def _symptom(trace: Trace) -> str:
    name, field = ("R2", "val_r2") if is_regression(trace) else ("accuracy", "val_accuracy")
    name, field = ("F1", "val_f1") if is_multilabel(trace) else (name, field)
    train, val = recent(finite(trace, "train_accuracy")), recent(finite(trace, field))
    if train is None and val is None:
        loss = recent(finite(trace, "train_loss"))
        return "Even the training score is poor, as you told." if loss is None else f"The loss ends at {rounded(loss)}."
    if train is None:
        return f"The fit is poor: {name} {rounded(val)} in validation, a training loss of {rounded(_loss(trace))}."
    return (
        f"Even the training rows are fitted poorly: {name} {rounded(train)} in training, {rounded(val)} in validation."
    )


def _loss(trace: Trace) -> float | None:
    return recent(finite(trace, "train_loss"))


def _cause(trace: Trace, reason: str) -> str:
    decay = number(trace.config, "weight_decay")
    return {
        "weight_decay": f"Weight decay {rounded(decay)} pulls the weights to zero faster than the data can raise them.",
        "capacity": f"{_narrow(trace)} too narrow to tell the targets apart: give the network more room.",
        "network": "Cheap neighbours tell these rows far better, so it is the network: too small, too deep for its "
        "activation, or trained for too short a time.",
        "unknown": "Too small a network or too few epochs; or the rest is noise that no network can learn.",
    }[reason]


def _evidence(trace: Trace) -> dict[str, object]:
    return rounded_facts(
        epochs=len(trace.epochs) or None,
        train_loss=recent(finite(trace, "train_loss")),
        val_loss=recent(finite(trace, "val_loss")),
        train_accuracy=recent(finite(trace, "train_accuracy")),
        val_accuracy=recent(finite(trace, "val_accuracy")),
        val_r2=recent(finite(trace, "val_r2")),
        val_f1=recent(finite(trace, "val_f1")),
        fit=fit(trace),
        late_fall=late_progress(trace),
        optimizer_steps=num_updates(trace),
        parameters=number(trace.model, "parameters"),
        weight_decay=number(trace.config, "weight_decay"),
    )


def _narrow(trace: Trace) -> str:
    narrow = widths(trace)
    return f"Layers of {narrow} numbers are" if narrow else "The network is"


def _fixes(trace: Trace, reason: str) -> tuple[Fix, ...]:
    wider, longer, looser = _wider(trace), _longer(trace), _looser(trace)
    if reason == "weight_decay":
        return fixes(looser, wider, longer)
    if reason == "capacity":
        return fixes(wider, longer, looser) if wider is not None else ()
    return fixes(wider, longer, _less_dropout(trace))


def _wider(trace: Trace) -> Fix | None:
    """Each option that says how wide the network is, raised."""
    options = model_options(trace)
    several = {name: value for name, value in options.items() if name in ("hidden_dims", "channels") and value}
    changes: dict[str, Any] = {name: [_widened(width) for width in value] for name, value in several.items()}
    if len(several.get("channels", (0, 0))) == 1:
        changes["channels"] = None  # one stage sees small spots only: as many as the picture has room for
    changes |= {name: _widened(options[name]) for name in WIDTHS if isinstance(options.get(name), int)}
    return model_fix(
        trace,
        changes or {"hidden_dims": [_widened(64), _widened(64)]},
        reason="Give the network more room: wide layers, and as many as it needs. Then train the new model.",
        expected="The training score rises clearly; if it does not, the size was not the cause.",
    )


def _widened(width: int) -> int:
    return min(max(WIDER * width, NARROWEST_REPAIRED), max(WIDEST_REPAIRED, width))


def _longer(trace: Trace) -> Fix | None:
    return train_fix(
        trace,
        {"epochs": 2 * planned_epochs(trace) or 100},
        reason="Train longer.",
        expected="The loss goes on falling; early stopping ends the run when it no longer pays.",
    )


def _looser(trace: Trace) -> Fix | None:
    decay = number(trace.config, "weight_decay")
    return train_fix(
        trace,
        {"weight_decay": 0.0 if decay is None else min(decay * 0.01, 0.01)},
        reason="Weaken the weight decay.",
        expected="The training loss falls below its present floor within a few epochs.",
    )


def _less_dropout(trace: Trace) -> Fix | None:
    dropout = number(model_options(trace), "dropout")
    if dropout is None or dropout <= 0:
        return None
    return model_fix(
        trace,
        {"dropout": 0.2 if dropout > 0.4 else 0.0},
        reason="Drop fewer units. Then train the new model.",
        expected="The training score rises clearly within the first epochs.",
    )
