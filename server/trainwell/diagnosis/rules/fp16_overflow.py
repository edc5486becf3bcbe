"""Half precision overflows: the loss scale collapses, and steps are skipped.

Symptom: many updates are skipped, or the loss scale has fallen below 1.
Cause: activations or gradients beyond 65504, the end of fp16's range.
Remedy: bf16 where the device has it, else fp32; then the source of the large numbers.
Source: reference/diagnosis.md, rows 55 and 56 (scale below 1, more than 10 % of the steps skipped).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, lower_lr, train_fix
from trainwell.diagnosis.signals import rounded_facts

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("non_finite_loss", "plateau", "underfitting", "not_learning", "learning_rate_too_low")
# Share of the steps that may be skipped behind the first epoch, in which the scale is being found.
SKIPPED = 0.1
LOWEST_SCALE = 1.0


def check(trace: Trace) -> Finding | None:
    """Judge by the scale and the skipped steps of the later epochs."""
    scales = [record.loss_scale for record in trace.epochs if record.loss_scale is not None]
    if len(trace.epochs) < 2 or trace.config.get("precision") != "fp16":
        return None
    first = trace.epochs[0]
    steps = trace.epochs[-1].step - first.step
    skipped = sum(record.skipped_steps for record in trace.epochs[1:])
    collapsed = bool(scales) and scales[-1] < LOWEST_SCALE
    if not collapsed and (steps <= 0 or skipped < SKIPPED * steps):
        return None
    scale = scales[-1] if scales else None
    return Finding(
        code="fp16_overflow",
        severity="critical" if collapsed else "warning",
        symptom=f"{skipped} of {steps} updates were skipped; the loss scale is {rounded(scale)}.",
        cause="Numbers leave the range of fp16 (65504) in the forward or backward pass.",
        confidence=0.9,
        evidence=rounded_facts(
            skipped_steps=float(skipped), steps=float(steps), loss_scale=scale,
            epochs=f"{trace.epochs[1].epoch} to {trace.epochs[-1].epoch}",
        ),
        cost="Skipped steps teach nothing; a collapsed scale rounds small gradients away.",
        fixes=fixes(
            train_fix(
                trace, {"precision": "bf16"}, reason="bf16 has the range of fp32, so that nothing overflows.",
                expected="No skipped steps at the same rate.",
            ),
            train_fix(
                trace, {"precision": "fp32"}, reason="Or full precision, where the device has no bf16.",
                expected="No skipped steps; more time and memory.",
            ),
            lower_lr(trace, reason="If it overflows there too: a tenth of the rate.", expected="Smaller numbers."),
        ),
    )  # fmt: skip
