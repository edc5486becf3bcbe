"""The training loss rises and does not come back.

Symptom: the training loss is far above its minimum in the last epochs, or grows without end.
Cause: most often a rate that is too high; other rules tell where it is the sign, the start or the data.
Remedy: a tenth of the rate, clipping.
Source: reference/diagnosis.md, rows 5, 40 and 41; runmedic: more than half of the progress lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, lower_lr, train_fix
from trainwell.diagnosis.signals import finite, recent, reference_loss, rounded_facts

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "oscillation", "loss_spikes")
FEWEST = 5
# The loss now (median of three epochs) over its minimum, at a level that matters beside guessing.
RISE, MATTERS = 1.5, 0.4
# Share of the progress from the start to the minimum that is lost again.
LOST = 0.5


def check(trace: Trace) -> Finding | None:
    """Judge by the last epochs beside the lowest one."""
    values, reference = finite(trace, "train_loss"), reference_loss(trace)
    now = recent(values)
    if len(values) < FEWEST or reference is None or now is None:
        return None
    lowest = min(values)
    start = max(values[0], reference)
    lost = (now - lowest) / (start - lowest) if start > lowest else (1.0 if now > lowest else 0.0)
    at_end = min(values[-2:]) > RISE * lowest
    if not at_end or now <= RISE * max(lowest, 0.0) or now < MATTERS * reference or lost < LOST:
        return None
    least = values.index(lowest)
    epochs = [record.epoch for record in trace.epochs]
    return Finding(
        code="divergence",
        severity="critical" if now > 1.5 * start else "warning",
        symptom=f"The training loss rose from {rounded(lowest)} to {rounded(now)} and stayed there.",
        cause="Steps lead away from the minimum: most likely the learning rate is too high.",
        confidence=0.8,
        evidence=rounded_facts(
            train_loss_lowest=lowest, train_loss_now=now, loss_of_guessing=reference, progress_lost=min(lost, 100.0),
            epochs=f"{epochs[min(least, len(epochs) - 1)]} to {epochs[-1]}",
        ),
        cost="Every further step makes the network worse; the best weights are behind it.",
        fixes=fixes(
            lower_lr(trace, reason="Lower the rate to a tenth.", expected="The loss falls past its old minimum."),
            train_fix(
                trace, {"grad_clip": 1.0}, reason="Clip the gradients.",
                expected="No single step leads far away; not a cure for a rate that is too high.",
            ),
        ),
    )  # fmt: skip
