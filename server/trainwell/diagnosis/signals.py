"""What a trace shows, as numbers that rules may compare: series, chance level, how well the run fits."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

from trainwell.contract.text import rounded
from trainwell.diagnosis.settings import class_shares, number, weighs_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.trace import Trace

# Epochs that are read together as "now": one epoch is noise, three are a state.
RECENT_EPOCHS = 3
# Fewest epochs before a run may be called one that does not learn.
FEWEST_EPOCHS = 5
# Share of the planned epochs that a run still going must have behind it: warm-up ends at 0.3 with OneCycle.
SHARE_PAST_WARMUP = 0.4
# Share of the way from guessing (0) to perfect (1) from which a fit counts as good, and below which as poor.
GOOD_FIT = 0.8
# R2 above which what an autoencoder gives back is no poor fit.
FAIR_RECONSTRUCTION = 0.3
MULTILABEL = "multilabel"
# Tasks whose target is made of numbers.
VALUES = ("regression", "forecasting", "reconstruction")
POOR_FIT = 0.6


def measured(trace: Trace, name: str) -> list[float]:
    """Every measured value of an epoch field, in order; NaN and infinity are kept."""
    values: list[float | None] = [vars(record)[name] for record in trace.epochs]
    return [value for value in values if value is not None]


def finite(trace: Trace, name: str) -> list[float]:
    """The finite values of an epoch field, in order."""
    return [value for value in measured(trace, name) if math.isfinite(value)]


def pairs(trace: Trace, first: str, second: str) -> list[tuple[float, float]]:
    """Both fields of the epochs in which both are finite."""
    both = [(vars(record)[first], vars(record)[second]) for record in trace.epochs]
    return [(a, b) for a, b in both if a is not None and b is not None and math.isfinite(a) and math.isfinite(b)]


def recent(values: Sequence[float]) -> float | None:
    """Median of the last three values; None without any."""
    return median(values[-RECENT_EPOCHS:]) if values else None


def is_regression(trace: Trace) -> bool:
    """Whether values are learnt, one or many a row: as said by the data, else as shown by the metrics."""
    task = trace.data.get("task")
    if task in (*VALUES, "classification", MULTILABEL):
        return task in VALUES
    return any(record.val_r2 is not None or record.val_rmse is not None for record in trace.epochs)


def chance_loss(trace: Trace) -> float | None:
    """Loss of a guess that looks at the target alone, in nats (standardised squared units for values)."""
    told = number(trace.data, "chance_loss")
    if told is not None:
        return told or None
    if is_regression(trace):
        # Only our own preparation standardises the target; a stranger's squared units are unknown.
        return 1.0 if trace.data.get("task") in VALUES else None
    if is_multilabel(trace):
        return _chance_loss_of_labels(trace)
    shares = [share for share in class_shares(trace) if share > 0]
    if weighs_classes(trace):  # every class has the same say in the loss
        shares = [1 / len(shares)] * len(shares)
    entropy = -sum(share * math.log(share) for share in shares)
    return entropy if entropy > 0 else None


def is_multilabel(trace: Trace) -> bool:
    """Whether each row may have several labels."""
    return trace.data.get("task") == MULTILABEL


def _chance_loss_of_labels(trace: Trace) -> float | None:
    """Mean over the labels of the entropy of how often each applies."""
    rows = number(trace.data, "rows")
    counts: list[float] = [float(count) for count in trace.data.get("class_counts") or ()]
    shares = [count / rows for count in counts if 0 < count < rows] if rows else []
    if not shares:
        return None
    return sum(-share * math.log(share) - (1 - share) * math.log(1 - share) for share in shares) / len(counts)


def chance_accuracy(trace: Trace) -> float | None:
    """Accuracy of always naming the commonest class, or None when the classes are unknown."""
    baseline = trace.data.get("baseline")
    if isinstance(baseline, dict):
        baseline = baseline.get("value")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    told = number({"baseline": baseline}, "baseline")
    if told is not None and 0 < told < 1 and not is_regression(trace):
        return told
    return max(class_shares(trace), default=None)


def loss_floor(trace: Trace) -> float:
    """Lowest loss that label smoothing leaves possible, in nats."""
    smoothing = number(trace.config, "label_smoothing") or 0.0
    # A label is a choice between two: it applies or not.
    classes = 2 if is_multilabel(trace) else len(class_shares(trace))
    if not 0 < smoothing < 1 or classes < 2:
        return 0.0
    off = smoothing / classes
    if not off:  # too small for a float
        return 0.0
    on = 1.0 - smoothing + off
    return -on * math.log(on) - (classes - 1) * off * math.log(off)


def reference_loss(trace: Trace) -> float | None:
    """The loss of knowing nothing: the chance level where it is known, else the first epochs' loss."""
    known = chance_loss(trace)
    if known is not None:
        return known
    losses = finite(trace, "train_loss") or finite(trace, "val_loss")
    first = max(losses[:2], default=None)
    return first if first is not None and first > 0 else None


def fit_by_loss(trace: Trace) -> float | None:
    """Share of the way from the reference loss to the lowest possible one; negative when worse than guessing."""
    reference, now = reference_loss(trace), recent(finite(trace, "train_loss"))
    if reference is None or now is None:
        return None
    floor = min(loss_floor(trace), 0.9 * reference)
    return (reference - now) / (reference - floor)


def fit_by_score(trace: Trace) -> float | None:
    """Share of the way from guessing to perfect by accuracy, F1 or R2; the better of training and validation.

    Dropout lowers the score that is measured while training, so validation may speak for it.
    """
    if is_regression(trace):
        return _fit_by_r2(trace)
    if is_multilabel(trace):
        f1, base = recent(finite(trace, "val_f1")), number(trace.data, "baseline") or 0.0
        return None if f1 is None else (f1 - base) / (1.0 - base) if base < 1 else f1
    chance = chance_accuracy(trace)
    scores = [recent(finite(trace, name)) for name in ("train_accuracy", "val_accuracy")]
    known = [score for score in scores if score is not None]
    if not known:
        return None
    base = chance if chance is not None and chance < 1 else 0.0
    return (max(known) - base) / (1.0 - base)


def _fit_by_r2(trace: Trace) -> float | None:
    """R2 of validation, but no poor fit where there is good reason for a low one.

    What is to come is partly chance: a forecast that beats the naive one is a fair one. What comes back through a
    narrow code is meant to be less than what went in.
    """
    r2, task = recent(finite(trace, "val_r2")), trace.data.get("task")
    if r2 is None or task not in ("forecasting", "reconstruction"):
        return r2
    naive = number(trace.data, "baseline")
    fair = FAIR_RECONSTRUCTION if task == "reconstruction" else naive
    return max(r2, POOR_FIT) if fair is not None and r2 > fair else r2


def fit(trace: Trace) -> float | None:
    """How well the run fits its training rows now: 0 is guessing, 1 is perfect, None is unknown."""
    by_score, by_loss = fit_by_score(trace), fit_by_loss(trace)
    if by_score is None or by_loss is None:
        return by_loss if by_score is None else by_score
    # A validation score alone may be poor in a network that knows its training rows by heart.
    return by_score if finite(trace, "train_accuracy") else max(by_score, by_loss)


def long_enough(trace: Trace, fewest: int = FEWEST_EPOCHS) -> bool:
    """Whether the run has gone on long enough to say that it does not learn."""
    epochs = len(finite(trace, "train_loss") or finite(trace, "val_loss"))
    planned = number(trace.config, "epochs")
    if epochs < fewest:
        return False
    return trace.finished or planned is None or epochs >= SHARE_PAST_WARMUP * planned


def late_progress(trace: Trace) -> float | None:
    """Relative fall of the training loss from the three epochs before the last three to those; None below six."""
    medians = last_medians(trace, "train_loss")
    if medians is None:
        return None
    before, now = medians
    return (before - now) / before if before > 0 else None


def last_medians(trace: Trace, name: str) -> tuple[float, float] | None:
    """Medians of the three epochs before the last three, and of those; None below six."""
    values = finite(trace, name)
    if len(values) < 2 * RECENT_EPOCHS:
        return None
    return median(values[-2 * RECENT_EPOCHS : -RECENT_EPOCHS]), median(values[-RECENT_EPOCHS:])


def num_updates(trace: Trace) -> int | None:
    """Optimizer steps so far: as recorded, else rows over batch times epochs; None when unknown."""
    steps = max((record.step for record in trace.epochs), default=0)
    if steps > len(trace.epochs):
        return steps
    rows, batch = number(trace.data, "train_rows"), number(trace.config, "batch_size")
    if rows is None or batch is None or batch < 1:
        return None
    return math.ceil(rows / batch) * len(trace.epochs)


def rounded_facts(**facts: float | str | None) -> dict[str, Any]:
    """Evidence with four significant digits; NaN and infinity as words, so that JSON stays valid; None left out."""
    return {name: _short(value) for name, value in facts.items() if value is not None}


def _short(value: float | str) -> float | str:
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return rounded(value)
    short = float(f"{value:.4g}")
    return short if math.isfinite(short) else value
