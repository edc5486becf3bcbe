"""The loss became NaN or infinite.

Symptom: a training or validation loss that is not a finite number.
Cause: in this order of likelihood a learning rate that makes the weights explode, inputs or targets that hold
NaN, infinity or huge values, or half precision that overflows.
Where the bad step was made again (`training.replay`), what helped there is the cause.
Remedy: the rate first, the data when the rate is sane; gradient clipping only where it was off.
Source: of 15 runs with a non-finite loss, clipping repaired one (reference/diagnosis.md, section 0, row 40).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import rounded
from trainwell.diagnosis.forensics import proven_cause, step_evidence
from trainwell.diagnosis.phrases import NON_FINITE, failures
from trainwell.diagnosis.repair import fixes, lower_lr, train_fix
from trainwell.diagnosis.settings import learning_rate, lr_is_high, number
from trainwell.diagnosis.signals import finite, reference_loss, rounded_facts

if TYPE_CHECKING:
    from trainwell.contract.trace import EpochRecord, Trace

EXPLAINS = (
    "learning_rate_too_high",
    "divergence",
    "loss_spikes",
    "oscillation",
    "missing_warmup",
    "plateau",
    "underfitting",
)
# Loss of the first finite epoch over the loss of guessing, from which the scale of the data or weights is at fault.
FAR_OFF_AT_START = 5.0
# Growth of the training loss before it broke, from which the run was already diverging.
GROWTH_BEFORE = 1.5
# Warnings of the data that can make a loss non-finite.
BAD_DATA = ("non_finite", "infinite", "nan_", "scale", "extreme", "outlier", "large_value")


def check(trace: Trace) -> Finding | None:
    """Judge by the first bad epoch, the error text, the attempts, or what was told."""
    bad = next((record for record in trace.epochs if _broken(record)), None)
    if bad is None and not _reported(trace):
        return None
    cause, why = _cause(trace, bad)
    recovered = bad is None and _recovered(trace)
    return Finding(
        code="non_finite_loss",
        severity="warning" if recovered else "critical",
        symptom=_symptom(bad, recovered=recovered),
        cause=why,
        confidence=0.95 if bad is not None or recovered else 0.85,
        evidence=_evidence(trace, bad) | step_evidence(trace) | {"likely_cause": cause},
        cost="Nothing is learnt from here on: weights that are not numbers stay so.",
        fixes=_fixes(trace, cause),
    )


def _broken(record: EpochRecord) -> bool:
    losses = (record.train_loss, record.val_loss)
    return any(loss is not None and not math.isfinite(loss) for loss in losses)


def _reported(trace: Trace) -> bool:
    if "non_finite_loss" in trace.told:
        return True
    caused = any(text.startswith("non_finite_loss:") for text in failures(trace))
    return caused or (not trace.attempts and bool(trace.error and NON_FINITE.search(trace.error)))


def _recovered(trace: Trace) -> bool:
    return len(trace.attempts) > 1 and trace.error is None and bool(finite(trace, "train_loss"))


def _symptom(bad: EpochRecord | None, *, recovered: bool) -> str:
    if bad is None:
        return (
            "An earlier attempt had a non-finite loss; a retry got past it." if recovered else "The loss is not finite."
        )
    name = "training" if bad.train_loss is not None and not math.isfinite(bad.train_loss) else "validation"
    value = bad.train_loss if name == "training" else bad.val_loss
    return f"The {name} loss is {rounded(value)} at epoch {bad.epoch}."


def _cause(trace: Trace, bad: EpochRecord | None) -> tuple[str, str]:
    if (proven := _of_network(trace) or proven_cause(trace)) is not None:
        return proven
    lr = learning_rate(trace)
    before = _before(trace, bad)
    reference = reference_loss(trace)
    if lr_is_high(trace):
        return "learning_rate", f"The learning rate {rounded(lr)} is far above what its optimizer stands."
    if trace.config.get("precision") == "fp16":
        return "precision", "Half precision (fp16) overflows above 65504; the numbers left its range."
    if any(word in str(code) for code in trace.data.get("warnings") or () for word in BAD_DATA):
        return "data", "The data holds values that are not finite or of extreme size, as its warnings say."
    if len(before) > 1 and before[-1] > GROWTH_BEFORE * min(before):
        return "learning_rate", f"The loss grew from {rounded(min(before))} to {rounded(before[-1])} before it broke."
    if before and reference is not None and before[0] > FAR_OFF_AT_START * reference and len(before) == 1:
        return (
            "data",
            f"The loss began at {rounded(before[0])}, far above guessing: the data is badly scaled.",
        )
    if lr is None:
        return "learning_rate", "Most often the learning rate is too high; next, NaN or huge values in the data."
    likely = "unclear" if before else "data"
    return likely, f"The learning rate {rounded(lr)} is ordinary: look for NaN, infinite or huge values in the data."


def _of_network(trace: Trace) -> tuple[str, str] | None:
    """What follows from a first step whose loss was no number: no setting of the training can be at fault."""
    first = trace.signals[0] if trace.signals else None
    if first is None or first.step != 0 or first.loss is None or math.isfinite(first.loss):
        return None
    if number(trace.facts, "data.nonfinite_rows") or number(trace.facts, "data.nonfinite_targets"):
        return None
    return "network", (
        "The loss is not finite at the very first step, before anything was learnt: look for a logarithm or root of "
        "what may be negative, or a division by nothing, in the network."
    )


def _before(trace: Trace, bad: EpochRecord | None) -> list[float]:
    """Finite training losses before the first bad epoch."""
    if bad is None:
        return finite(trace, "train_loss")
    end = trace.epochs.index(bad)
    earlier = [record.train_loss for record in trace.epochs[:end]]
    return [loss for loss in earlier if loss is not None and math.isfinite(loss)]


def _evidence(trace: Trace, bad: EpochRecord | None) -> dict[str, object]:
    before = _before(trace, bad)
    return rounded_facts(
        first_bad_epoch=None if bad is None else bad.epoch,
        train_loss=None if bad is None else bad.train_loss,
        val_loss=None if bad is None else bad.val_loss,
        last_finite_train_loss=before[-1] if before else None,
        grad_norm=None if bad is None else bad.grad_norm,
        lr=learning_rate(trace),
        grad_clip=number(trace.config, "grad_clip"),
    )


def _fixes(trace: Trace, cause: str) -> tuple[Fix, ...]:
    if cause == "network" or (cause == "data" and proven_cause(trace) is not None):
        return ()  # what no argument of train can mend: the cause names the place
    lower = lower_lr(
        trace,
        usual=lr_is_high(trace),
        reason="Lower the learning rate: the commonest cause, and the cheapest to try.",
        expected="The loss stays finite and falls from the first epochs on.",
    )
    lowest = lower_lr(
        trace,
        factor=0.01,
        usual=True,
        reason="If it breaks again: a hundredth.",
        expected="A finite loss that falls slowly.",
    )
    precise = None
    if trace.config.get("precision") == "fp16":
        precise = train_fix(
            trace,
            {"precision": "bf16"},
            reason="bf16 has the range of fp32, so that nothing overflows.",
            expected="The loss stays finite at the same learning rate.",
        )
    clip = None
    if not number(trace.config, "grad_clip"):
        clip = train_fix(
            trace,
            {"grad_clip": 1.0},
            reason="Clip the gradients, which was off: it holds back single bad steps, not a rate that is too high.",
            expected="Fewer jumps; if the loss breaks again, the rate or the data is at fault.",
        )
    warm, longer = None, 0.4 if trace.config.get("scheduler") == "onecycle" else 0.1
    if (number(trace.config, "warmup") or 0.0) < longer:
        warm = train_fix(
            trace,
            {"warmup": longer},
            reason="Raise the rate over more steps, so that the first ones are small.",
            expected="No blow-up in the first epochs.",
        )
    if cause == "precision":
        return fixes(precise, lower, clip, warm)
    return fixes(lower, clip, precise, lowest, warm)
