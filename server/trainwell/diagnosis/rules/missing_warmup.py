"""The rate was at its full height from the first step, and the first steps did damage.

Symptom: the loss rises or jumps within the first steps, then stays where it should not; in a deep network without batch
norm it is enough that the first steps lead nowhere.
Cause: large first updates while Adam knows no scale yet, in attention networks and with large batches most.
Remedy: raise the rate over the first 5 to 10 % of the steps.
Source: reference/diagnosis.md, row 45; tuning playbook: warm-up before all other remedies of early instability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, lower_lr, train_fix
from trainwell.diagnosis.settings import learning_rate, lr_is_high, optimizer
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import EARLY_STEPS, by_name, fact, is_poor, losses, steps_of, typical_update

if TYPE_CHECKING:
    from trainwell.contract.trace import SignalRecord, Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "oscillation", "loss_spikes")
# Rise of the loss within the first looks; the rate of the first step as a share of its peak.
RISE, FULL = 1.5, 0.5
# Updates that are large at first and ordinary later: then it is not the rate as such.
LARGE, ORDINARY = 5e-2, 3e-2
# Weighted layers from which a network without batch norm, such as one of attention, stands no large first steps under
# Adam; and the share of the first loss at which it still is after them.
DEEP, NOWHERE = 8, 0.9


def check(trace: Trace) -> Finding | None:
    """Judge by the first looks: full rate, large updates, a loss that rises."""
    early = [look for look in trace.signals if look.step < EARLY_STEPS]
    found, lr = losses(early), learning_rate(trace)
    if len(found) < EARLY_STEPS // 2 or lr is None or not is_poor(trace) or lr_is_high(trace):
        return None
    first, later = early[0].lr, typical_update(trace)
    moved = max(by_name(early, "update_ratios").values(), default=0.0)
    at_once = first is not None and first >= FULL * lr
    rises = max(found[1:]) > RISE * found[0]
    lost = _is_lost(trace, early)
    if not (at_once and ((rises and moved > LARGE) or lost)) or (later or 0.0) > ORDINARY:
        return None
    return Finding(
        code="missing_warmup",
        severity="warning",
        symptom=f"The loss rose from {rounded(found[0])} to {rounded(max(found))} within the first steps.",
        cause=f"The rate stood at {rounded(first)} from the first step, when updates are largest.",
        confidence=0.65 if rises else 0.6,
        evidence=rounded_facts(
            loss_first=found[0], loss_highest=max(found), update_ratio_first=moved, update_ratio_later=later, lr=lr,
            steps=steps_of(early),
        ),
        cost="The network starts from worse weights than those it was given.",
        fixes=fixes(
            train_fix(
                trace, {"warmup": 0.1}, reason="Raise the rate over the first tenth of the steps.",
                expected="The loss falls from the first step on.",
            ),
            lower_lr(trace, factor=0.3, reason="Or a third of the rate.", expected="Smaller first steps."),
        ),
    )  # fmt: skip


def _is_lost(trace: Trace, early: list[SignalRecord]) -> bool:
    """Whether a deep network without batch norm was thrown by Adam's first step and came no further in the next."""
    found, first = losses(early), max(early[0].update_ratios.values(), default=0.0)
    deep = (fact(trace, "weight_layers") or 0) >= DEEP and not fact(trace, "batch_norms")
    adam = optimizer(trace) in ("adam", "adamw")
    return deep and adam and first > LARGE and max(found[1:]) > found[0] and found[-1] > NOWHERE * found[0]
