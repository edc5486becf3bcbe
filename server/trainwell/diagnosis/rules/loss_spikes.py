"""Single epochs or steps throw the loss up, and it comes back.

Symptom: the training loss jumps far above its trend for an epoch or two, and returns.
Cause: odd batches at a rate that is near its limit; in half precision an overflow.
Remedy: clip the gradients, a lower rate, a look at the rows of the batch.
Source: reference/diagnosis.md, row 50: more than 8 deviations and 1.5 times the trend (runmedic), at a loss that
matters; PaLM restarted before the spike and left the batches out.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, lower_lr, train_fix
from trainwell.diagnosis.signals import finite, reference_loss, rounded_facts

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("oscillation", "learning_rate_too_high")
FEWEST = 8
# Epochs to both sides that make the trend of one; a jump over it, in shares and in usual deviations.
REACH, JUMP, DEVIATIONS = 4, 1.5, 8.0
# A jump this many times the trend is one whatever the others do.
GREAT_JUMP = 3.0
# A jump must lead above this share of guessing: a loss near nothing may double.
MATTERS = 0.05
# More epochs in spikes than this share are no spikes.
FEW = 0.34


def check(trace: Trace) -> Finding | None:
    """Judge by epochs that stand far above those around them."""
    values, reference = finite(trace, "train_loss"), reference_loss(trace)
    if len(values) < FEWEST or reference is None or len(values) != len(trace.epochs):
        return None
    found = [place for place in spikes(values, reference) if _matters(trace, place)]
    if not found or len(found) > max(1.0, FEW * len(values)):
        return None
    great = [place for place in found if values[place] > GREAT_JUMP * trend(values, place)]
    if len(found) < 2 and not great:
        return None
    where = [trace.epochs[place].epoch for place in found]
    most = max(found, key=lambda place: values[place])
    return Finding(
        code="loss_spikes",
        severity="warning",
        symptom=f"The training loss jumped to {rounded(values[most])} at epoch {trace.epochs[most].epoch} "
        f"from about {rounded(trend(values, most))}, and came back.",
        cause="Single steps that lead far away: odd batches, at a rate near the limit.",
        confidence=0.85 if great or len(found) > 2 else 0.7,
        evidence=rounded_facts(
            spikes=len(found), epochs=", ".join(map(str, where[:8])), highest=values[most], trend=trend(values, most)
        ),
        cost="Each jump throws away some epochs of progress, and one day the loss may not come back.",
        fixes=fixes(
            train_fix(
                trace, {"grad_clip": 1.0}, reason="Clip the gradients, so that an odd batch cannot throw the weights.",
                expected="The same curve without jumps.",
            ),
            lower_lr(trace, factor=0.3, reason="A third of the rate.", expected="Smaller jumps, if any."),
        ),
    )  # fmt: skip


def _matters(trace: Trace, place: int) -> bool:
    """Whether a jump leads above the loss of validation about then: below it, only what was learnt by heart is lost."""
    around = trace.epochs[max(0, place - REACH) : place]
    known = [one.val_loss for one in around if one.val_loss is not None and math.isfinite(one.val_loss)]
    jump = trace.epochs[place].train_loss
    return not known or jump is None or jump > median(known)


def trend(values: list[float], place: int) -> float:
    """Median of the epochs around one."""
    around = values[max(0, place - REACH) : place] + values[place + 1 : place + 1 + REACH]
    return median(around)


def spikes(values: list[float], reference: float) -> list[int]:
    """Places that stand above their trend and are come back from; the first ones of a run are its start."""
    offs = [value - trend(values, place) for place, value in enumerate(values)]
    usual = median(abs(off) for off in offs[2:]) or 1e-12
    found: list[int] = []
    for place in range(2, len(values) - 1):
        level = trend(values, place)
        high = values[place] > JUMP * level and offs[place] > DEVIATIONS * usual and values[place] > MATTERS * reference
        back = min(values[place + 1 : place + 1 + REACH]) < level + offs[place] / 2
        if high and back and min(values[max(0, place - REACH) : place]) < level + offs[place] / 2:
            found.append(place)
    return found
