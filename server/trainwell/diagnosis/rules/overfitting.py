"""The network learns its training rows by heart.

Symptom: the validation loss rises above its minimum while the training loss falls, or the training score is far
above the validation score.
Cause: more capacity than the rows can hold in check; wrong labels make it worse.
Remedy: regularisation (dropout, weight decay, label smoothing), a smaller network, more rows. The best weights
are kept in any case.
Source: +15 % over the minimum in three evaluations (runmedic), gap .12 (reference/diagnosis.md, row 52). The order
of the repairs follows measurements on the runs in tests/diagnosis.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, model_fix, train_fix
from trainwell.diagnosis.rows import BEHIND, possible_fit, validation_fit
from trainwell.diagnosis.settings import hidden_dims, model_options, number
from trainwell.diagnosis.signals import (
    GOOD_FIT,
    RECENT_EPOCHS,
    chance_accuracy,
    finite,
    is_regression,
    loss_floor,
    pairs,
    recent,
    rounded_facts,
)
from trainwell.diagnosis.signs import epochs_of

if TYPE_CHECKING:
    from trainwell.contract.trace import EpochRecord, Trace

# Where validation gets worse, more epochs are no cure.
EXPLAINS = ("too_few_epochs",)

# Epochs with both losses before anything is said.
FEWEST_EPOCHS = 6
# Relative rise of the validation loss (median of three epochs) over its minimum.
RISE = 0.15
# The same from which a run is far behind its best epoch.
FAR = 0.5
# Share of its value at the minimum by which the training loss must have fallen since.
TRAIN_FELL = 0.1
# Train minus validation accuracy: enough beside a rise, and enough by itself.
GAP_WITH_RISE = 0.08
GAP_ALONE = 0.12
# Training accuracy, as a share of the way from guessing, from which a gap means learning by heart.
LEARNED_ROWS = 0.7
# For regression and strangers' losses: validation over training loss that must accompany a rise.
LOSS_RATIO = 1.5
# Loss of R2 or F1 since its best that must accompany a rise: a good fit that wobbles is left alone.
SCORE_LOST = 0.02
# Rise of the loss, and loss of any score since its best, that do no harm where the best weights do well.
HARMLESS_RISE, HARMLESS_LOSS = 0.6, 0.035
# Epochs of a shorter run over those to the best validation loss.
COMES_DOWN = 1.25
# Standard errors of the validation accuracy that a gap must exceed on top.
STANDARD_ERRORS = 2.0


def check(trace: Trace) -> Finding | None:
    """Judge by the two loss curves and the gap of the scores."""
    rise, gap = _rise(trace), _gap(trace)
    rose = rise is not None and rise >= RISE and _hurts(trace, gap)
    apart = gap is not None and gap >= GAP_ALONE and _knows_its_rows(trace) and not _still_generalises(trace)
    told = trace.told & {"val_loss_rises", "train_val_gap"}
    if not (rose or apart or told) or (told and "loss_explodes" in trace.told):
        return None
    return Finding(
        code="overfitting",
        severity="info" if not told and _is_harmless(trace, rise or 0.0) else "warning",
        symptom=_symptom(trace, rise if rose else None, gap if apart or rose else None),
        cause=_cause(trace),
        confidence=_confidence(rose=rose, apart=apart, told=len(told)),
        evidence=_evidence(trace, rise, gap),
        cost="The last weights are worse on new rows than those of the best epoch.",
        fixes=_fixes(trace, far=rose and (rise or 0.0) >= FAR),
    )


def _rise(trace: Trace) -> float | None:
    """How far the validation loss rose over its minimum while the training loss fell, as a share."""
    both = pairs(trace, "train_loss", "val_loss")
    if len(both) < FEWEST_EPOCHS:
        return None
    val = [loss for _, loss in both]
    best = val.index(min(val))
    now, train_now = recent(val), recent([loss for loss, _ in both])
    if len(both) - 1 - best < RECENT_EPOCHS or now is None or train_now is None or val[best] <= 0:
        return None
    return (now - val[best]) / val[best] if train_now <= (1 - TRAIN_FELL) * both[best][0] else None


def _gap(trace: Trace) -> float | None:
    """Train minus validation accuracy over the last epochs, less what chance explains in few validation rows."""
    val = finite(trace, "val_accuracy")
    train, now = _train_accuracy(trace), recent(val)
    if len(val) < FEWEST_EPOCHS or train is None or now is None:
        return None
    rows = number(trace.data, "validation_rows") or number(trace.data, "val_rows")
    error = math.sqrt(max(now * (1 - now), 0.0) / rows) if rows else 0.0
    return train - (now + _by_mixture(trace)) - STANDARD_ERRORS * error


def _by_mixture(trace: Trace) -> float:
    """What validation accuracy loses because its classes are mixed otherwise than those of training."""
    recalls = next((one.recalls for one in reversed(trace.epochs) if one.recalls), list[float | None]())
    here: list[int] = trace.facts.get("data.train_classes") or []
    there: list[int] = trace.facts.get("data.validation_classes") or []
    if not len(recalls) == len(here) == len(there) or not sum(here) or not sum(there):
        return 0.0
    parts = zip(recalls, here, there, strict=True)
    return sum((own / sum(here) - other / sum(there)) * (recall or 0.0) for recall, own, other in parts)


def _train_accuracy(trace: Trace) -> float | None:
    """As recorded; else what the training loss says: exp(-loss) is the mean probability of the right class.

    It is a geometric mean and so below the accuracy of a network that fits its rows: the gap is understated.
    """
    recorded = recent(finite(trace, "train_accuracy"))
    loss = recent(finite(trace, "train_loss"))
    if recorded is not None or loss is None or is_regression(trace):
        return recorded
    return math.exp(-max(loss - loss_floor(trace), 0.0))


def _hurts(trace: Trace, gap: float | None) -> bool:
    """Whether the rise is more than overconfidence in a run that is good all the same."""
    if gap is not None:
        return gap >= GAP_WITH_RISE
    score = finite(trace, "val_r2") or finite(trace, "val_f1")
    if score and max(score) - (recent(score) or 0.0) < SCORE_LOST:
        return False
    train, val = recent(finite(trace, "train_loss")), recent(finite(trace, "val_loss"))
    return train is not None and val is not None and val >= LOSS_RATIO * train


def _still_generalises(trace: Trace) -> bool:
    """Whether validation still gets clearly better, long after the training rows are known."""
    val = finite(trace, "val_loss")
    late = val[2 * len(val) // 3 :]
    return len(late) >= FEWEST_EPOCHS and (recent(late) or math.inf) <= (1 - TRAIN_FELL) * max(late[:RECENT_EPOCHS])


def _is_harmless(trace: Trace, rise: float) -> bool:
    """Whether the network is surer than it should be and no more.

    Its score is about what it was at its best, and better than what cheap neighbours reach, or good where they were
    not asked.
    """
    score = finite(trace, "val_accuracy") or finite(trace, "val_r2") or finite(trace, "val_f1")
    reached, possible = validation_fit(trace), possible_fit(trace)
    if not score or reached is None or max(score) - (recent(score) or 0.0) > HARMLESS_LOSS or rise > HARMLESS_RISE:
        return False
    return reached > possible + BEHIND if possible is not None else reached >= GOOD_FIT


def _knows_its_rows(trace: Trace) -> bool:
    train, chance = _train_accuracy(trace), chance_accuracy(trace) or 0.0
    return train is not None and chance < 1 and (train - chance) / (1 - chance) >= LEARNED_ROWS


def _symptom(trace: Trace, rise: float | None, gap: float | None) -> str:
    both = pairs(trace, "train_loss", "val_loss")
    if rise is not None:
        val = [loss for _, loss in both]
        best = val.index(min(val))
        epochs = [record.epoch for record in trace.epochs if record.val_loss == val[best]]
        where = f" at epoch {epochs[0]}" if epochs else ""
        return (
            f"The validation loss rose from {rounded(val[best])}{where} to {rounded(recent(val))} "
            f"while the training loss fell to {rounded(recent([loss for loss, _ in both]))}."
        )
    if gap is not None:
        train, val_score = rounded(_train_accuracy(trace)), rounded(recent(finite(trace, "val_accuracy")))
        about = "" if finite(trace, "train_accuracy") else "about "
        return f"Training accuracy ({about}{train}) stands far above validation accuracy ({val_score})."
    told = trace.told_numbers
    if "train_accuracy" in told and "val_accuracy" in told:
        return (
            f"Accuracy is {rounded(told['train_accuracy'])} in training, {rounded(told['val_accuracy'])} in validation."
        )
    if "train_loss" in told and "val_loss" in told:
        train_loss, val_loss = rounded(told["train_loss"]), rounded(told["val_loss"])
        return f"The loss is {train_loss} in training, {val_loss} in validation."
    return "Validation gets worse, or stays far behind, while training gets better, as you told."


def _cause(trace: Trace) -> str:
    parameters, rows = number(trace.model, "parameters"), number(trace.data, "train_rows")
    if parameters is None or rows is None or rows < 1:
        return "The network learns its training rows by heart: too much capacity or too little regularisation for them."
    return (
        f"{int(parameters):,} parameters learn {int(rows):,} training rows by heart; "
        "wrong labels among them make it worse."
    )


def _confidence(*, rose: bool, apart: bool, told: int) -> float:
    if rose and apart:
        return 0.95
    if rose or apart:
        return 0.85
    return 0.7 if told > 1 else 0.6


def _evidence(trace: Trace, rise: float | None, gap: float | None) -> dict[str, object]:
    val = finite(trace, "val_loss")
    return rounded_facts(
        epochs=epochs_of(trace),
        val_loss_best=min(val, default=None),
        val_loss_now=recent(val),
        train_loss_now=recent(finite(trace, "train_loss")),
        val_loss_rise=rise,
        accuracy_gap=gap,
        train_accuracy=recent(finite(trace, "train_accuracy")),
        val_accuracy=recent(finite(trace, "val_accuracy")),
        val_r2=recent(finite(trace, "val_r2")),
        val_f1=recent(finite(trace, "val_f1")),
        train_rows=number(trace.data, "train_rows"),
        parameters=number(trace.model, "parameters"),
    )


def _fixes(trace: Trace, *, far: bool) -> tuple[Fix, ...]:
    dropout, decay = number(model_options(trace), "dropout") or 0.0, number(trace.config, "weight_decay")
    more_dropout = model_fix(
        trace,
        {"dropout": 0.3 if dropout < 0.2 else min(dropout + 0.2, 0.6)},
        reason="More dropout, so that no unit can learn a row by heart. Then train the new model.",
        expected="The last epochs come close to the best one; the kept best weights gain little.",
    )
    stop = None
    if number(trace.config, "early_stopping") == 0:
        stop = train_fix(
            trace,
            {"early_stopping": 10},
            reason="Stop when validation no longer gets better; what follows is learning by heart.",
            expected="The same best weights in less time.",
        )
    more_decay = train_fix(
        trace,
        {"weight_decay": 0.1 if decay is None else max(decay * 10, 0.01)},
        reason="Stronger weight decay keeps the weights small.",
        expected="A slower rise of the validation loss; a weak repair with AdamW.",
    )
    # Where validation got far worse, to end where it was best is certain to help; less is mended by dropout.
    first = (_shorter(trace), more_dropout) if far else (more_dropout, _shorter(trace))
    return fixes(*first, _simpler(trace), stop, more_decay)


def _shorter(trace: Trace) -> Fix | None:
    """As many epochs as it takes to where validation was best, and some for the rate to come down."""
    best = min((one for one in trace.epochs if one.val_loss is not None), key=_val_loss, default=None)
    planned = number(trace.config, "epochs")
    if best is None or planned is None or best.epoch + RECENT_EPOCHS >= planned:
        return None
    return train_fix(
        trace,
        {"epochs": max(FEWEST_EPOCHS // 2, math.ceil(best.epoch * COMES_DOWN))},
        reason="End where validation was best, with the rate coming down by then; what follows is learning by heart.",
        expected="A validation loss at the end near its best, in less time.",
    )


def _val_loss(record: EpochRecord) -> float:
    loss = record.val_loss
    return math.inf if loss is None or math.isnan(loss) else loss


def _simpler(trace: Trace) -> Fix | None:
    """Half the width for regression, smooth labels for classification."""
    if not is_regression(trace):
        return train_fix(
            trace,
            {"label_smoothing": number(trace.config, "label_smoothing") or 0.1},
            reason="Smooth the labels, so that wrong ones pull less.",
            expected="A flatter validation loss and a slightly better score, most with wrong labels.",
        )
    dims = hidden_dims(trace)
    return model_fix(
        trace,
        {"hidden_dims": [max(dim // 2, 1) for dim in dims] or [32]},
        reason="Halve the layers, so that there is less room for rows learned by heart. Then train the new model.",
        expected="The last epochs come close to the best one.",
    )
