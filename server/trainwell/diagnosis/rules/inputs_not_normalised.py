"""The inputs are on a scale that networks learn slowly from, or not at all.

Symptom: a network that gets raw numbers stays behind what neighbours on standardised numbers can tell.
Cause: numbers far from 0 and 1, or columns of very different size.
Remedy: standardise with the mean and deviation of the training rows, or let a batch norm come first. It is part of the
program or the network, so a person (or the agent) changes it there.
Source: reference/diagnosis.md, row 18: deviation > 5 or < .02, largest > 50 x median (prototype). Numbers that look odd
are no fault by themselves: the network may scale them; so the score must show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.relations import POOR, WILD
from trainwell.diagnosis.rows import fact, sees_raw_numbers, shown, stays_behind, validation_fit
from trainwell.diagnosis.settings import lr_is_high, lr_is_low, number
from trainwell.diagnosis.signals import GOOD_FIT, fit, long_enough

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *WILD)

# Deviation of all numbers together that is still well, and of the widest column over the middle one.
LARGEST, SMALLEST, UNEVEN = 5.0, 0.02, 50.0
# Share of a layer's outputs that numbers on a good scale do not drive to the ends of their range.
SATURATED = 0.5
# Outputs on one side of 0, in their own spread, and outputs that are small.
ONE_SIDED, CALM = 10.0, 10.0
# Distance of the columns from 0 in their own deviations.
FAR_OFF = 20.0


def check(trace: Trace) -> Finding | None:
    """Judge by the scale, where nobody scaled and the score shows that it matters."""
    odd = _odd(trace)
    if odd is None or not sees_raw_numbers(trace) or lr_is_low(trace) or lr_is_high(trace):
        return None
    if _starts_on_one_side(trace) or _breaks_from_calm(trace):
        return None
    certain = stays_behind(trace) or _saturates(trace)
    if not certain and not _is_slowed(trace):
        return None
    return Finding(
        code="inputs_not_normalised",
        severity="warning",
        symptom=f"The network gets raw numbers, and they slow it down: {odd}.",
        cause="Inputs on a scale that networks learn slowly from. Standardise them with the mean and deviation of the "
        "training rows (the same for validation), or begin the network with a batch norm.",
        confidence=0.9 if certain else 0.7,
        cost="Score: the same network on standardised numbers learns faster and gets further.",
        evidence=shown({
            "input_std": fact(trace, "input_std"), "column_std_largest": fact(trace, "column_std_largest"),
            "column_std_median": fact(trace, "column_std_median"), "column_offset": fact(trace, "column_offset"),
            "neighbours": fact(trace, "signal_validation"), "network": validation_fit(trace),
        }),
    )  # fmt: skip


def _starts_on_one_side(trace: Trace) -> bool:
    """Whether all outputs began far off on one side of 0: numbers that are large make both signs, weights do this."""
    low, high = number(trace.facts, "output_min"), number(trace.facts, "output_max")
    spread = number(trace.facts, "output_scale")
    if low is None or high is None or spread is None or trace.facts.get("loss_name") != "cross_entropy":
        return False
    return max(low, -high) > ONE_SIDED * spread


def _breaks_from_calm(trace: Trace) -> bool:
    """Whether the loss was no number before one epoch was over, though the first outputs were small: not the scale."""
    low, high = number(trace.facts, "output_min"), number(trace.facts, "output_max")
    return not trace.epochs and low is not None and high is not None and max(-low, high) < CALM


def _is_slowed(trace: Trace) -> bool:
    """Whether not even the training rows are fitted well, by a network that scales nothing itself.

    Neighbours may know little, of photographs say; a network knows the rows that it learns from.
    """
    fitted, norms = fit(trace), number(trace.facts, "batch_norms")
    return fitted is not None and fitted < GOOD_FIT and long_enough(trace) and not norms


def _saturates(trace: Trace) -> bool:
    """Whether units stood at the ends of their range before anything was learnt."""
    shares: dict[str, float] = trace.facts.get("saturated") or {}
    return max(shares.values(), default=0.0) >= SATURATED


def _odd(trace: Trace) -> str | None:
    """What is odd about the scale, in words; None where nothing is."""
    spread, widest = fact(trace, "input_std"), fact(trace, "column_std_largest")
    middle, offset = fact(trace, "column_std_median"), fact(trace, "column_offset")
    if spread is None or widest is None or middle is None:
        return None
    if middle > 0 and widest > UNEVEN * middle:
        return f"one column spreads by {rounded(widest)}, the middle one by {rounded(middle)}"
    if spread > LARGEST or spread < SMALLEST:
        return f"they spread by {rounded(spread)}"
    return f"they lie {rounded(offset)} of their deviations from 0" if offset and offset > FAR_OFF else None
