"""Steps get slower and slower.

Symptom: fewer rows a second from epoch to epoch, with the same work.
Cause: something that grows (a list that is searched, a graph that is kept), a device that throttles, or other programs.
Remedy: profile two epochs; look at what grows with the steps.
Source: reference/diagnosis.md, row 65 (throughput -20 % and rank correlation < -.6, runmedic); stricter here, since
small runs on a shared machine are noisy.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.rows import shown
from trainwell.diagnosis.series import rank_correlation
from trainwell.diagnosis.signals import finite, recent

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# Rows a second at the end over those at the beginning, and how steadily they fall; on a crowded machine less is left.
LEFT, STEADY = 0.5, -0.85
CROWDED, LEFT_IN_A_CROWD = 1.5, 0.25
# What comes and goes on a crowded machine does not slow a run so steadily, over so many epochs.
VERY_STEADY, MANY_EPOCHS = -0.95, 16
FEWEST_EPOCHS = 8
# Seconds of a late epoch from which its speed says something: a shorter one is slowed by whatever else goes on.
SHORTEST = 0.1


def check(trace: Trace) -> Finding | None:
    """Judge by rows a second, the first epoch left out."""
    speeds = finite(trace, "samples_per_second")[1:]
    if len(speeds) < FEWEST_EPOCHS:
        return None
    quarter = max(2, len(speeds) // 4)
    before, now = median(speeds[:quarter]), median(speeds[-quarter:])
    trend = rank_correlation(speeds)
    crowded = (recent(finite(trace, "machine_load")) or 0.0) > CROWDED
    by_itself = len(speeds) >= MANY_EPOCHS and trend <= VERY_STEADY
    left = LEFT_IN_A_CROWD if crowded and not by_itself else LEFT
    if (recent(finite(trace, "train_seconds") or finite(trace, "seconds")) or SHORTEST) < SHORTEST:
        return None
    if now > left * before or trend > STEADY:
        return None
    return Finding(
        code="slow_steps",
        severity="warning",
        symptom=f"Training slowed down from {rounded(before, 3)} to {rounded(now, 3)} rows a second.",
        cause="Something grows with the steps (a list that is searched, tensors that are kept), the processor "
        "throttles, or other programs took it. Profile the network; look at what its forward keeps.",
        confidence=0.8,
        cost=f"Each epoch takes {before / max(now, 1e-9):.1f} times as long as at first.",
        evidence=shown({"rows_per_second_at_first": before, "rows_per_second_now": now}),
    )
