"""The schedule leaves next to no rate for most of the run.

Symptom: the rate is below a hundredth of its peak for a large part of the run, and the fit is poor.
Cause: a schedule that falls too soon, or a warm-up that never ends.
Remedy: a schedule over the whole run; a warm-up of 5 to 10 %.
Source: reference/diagnosis.md, row 43.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.settings import learning_rate, lr_is_high
from trainwell.diagnosis.signals import finite, rounded_facts
from trainwell.diagnosis.signs import broke, epochs_of, is_poor

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "learning_rate_too_low", "too_few_epochs")
# Share of the peak that is next to nothing, and share of the epochs that may be spent there.
NOTHING, MOST = 0.05, 0.4
FEWEST = 5


def check(trace: Trace) -> Finding | None:
    """Judge by the rates of the epochs beside their peak."""
    rates, peak = finite(trace, "lr"), learning_rate(trace)
    if len(rates) < FEWEST or not peak or lr_is_high(trace) or not is_poor(trace) or broke(trace):
        return None
    idle = sum(rate < NOTHING * peak for rate in rates) / len(rates)
    if idle <= MOST:
        return None
    early = rates[0] < rates[-1]
    return Finding(
        code="schedule_ends_too_early",
        severity="warning",
        symptom=f"In {idle:.0%} of the epochs the rate was below a twentieth of its peak {rounded(peak)}.",
        cause="The warm-up takes most of the run." if early else "The schedule has fallen long before the end.",
        confidence=0.85,
        evidence=rounded_facts(idle=idle, lr_peak=peak, lr_first=rates[0], lr_last=rates[-1], epochs=epochs_of(trace)),
        cost="The epochs with next to no rate are wasted.",
        fixes=fixes(
            train_fix(
                trace, {"scheduler": "cosine", "warmup": 0.05}, reason="A rate that falls over the whole run.",
                expected="The loss goes on falling to the end.",
            ),
            train_fix(
                trace, {"scheduler": "constant"}, reason="Or a constant one, to see what it can do.",
                expected="The loss falls as long as the run goes on.",
            ),
        ),
    )  # fmt: skip
