"""The outputs cannot reach the targets: an activation behind the last layer holds them back.

Symptom: outputs that are never below 0, or always between fixed ends, for targets that lie beyond, or for a loss that
takes raw scores; outputs that are 1 for every row.
Cause: ReLU, sigmoid, tanh or softplus behind the last layer; a softmax over a single unit.
Remedy: no activation behind the last layer for values and for losses that take raw scores; a sigmoid for one unit.
Source: reference/diagnosis.md, row 9. What the outputs went through last is read from the network itself where it can
be; else it is told by their range and a poor fit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.signals import fit, rounded_facts
from trainwell.diagnosis.signs import by_hand, fact, is_poor

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (
    "too_few_epochs",
    "plateau",
    "underfitting",
    "not_learning",
    "learning_rate_too_low",
    "dead_units",
    "vanishing_gradients",
    "unused_parameters",
    "loss_output_mismatch",
)
# How far below 0 targets must lie, in their own units (standardised ones).
BELOW = -0.5
# Where outputs lie behind an activation, and the share of the targets' range that must lie outside.
BOUNDS = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf),
          "softplus": (0.0, math.inf)}  # fmt: skip
OUTSIDE = 0.1
# Losses that take raw scores, and those of values.
RAW, VALUES = ("cross_entropy", "bce_logits"), ("mse", "mae")


def check(trace: Trace) -> Finding | None:
    """Judge by what the outputs went through last, else by their range, what the loss wants, and a poor fit."""
    low, high = fact(trace, "output_min"), fact(trace, "output_max")
    if low is None or high is None:
        return None
    if low == high and trace.facts.get("output_activation") == "softmax":
        return _finding(
            trace, "A softmax shares out 1 among the units of a row, and there is one unit: its output is always 1.",
            "Take a sigmoid for one unit, or one unit for each class.", "Outputs that differ from row to row.", 0.97,
        )  # fmt: skip
    held = _held_back(trace)
    if held is None or trace.facts.get("rows_sum_to_one") is True:
        return None
    return _finding(
        trace, held, "Take the activation behind the last layer out.", "Outputs on both sides of 0; a better fit.",
        0.9 if _known(trace) else 0.8 if low == 0 or trace.facts.get("loss_name") in RAW else 0.6,
    )  # fmt: skip


def _known(trace: Trace) -> tuple[float, float] | None:
    """The bounds of the outputs, where it is known what they went through."""
    return BOUNDS.get(str(trace.facts.get("output_activation")))


def _held_back(trace: Trace) -> str | None:
    """Why the outputs cannot be what they should; None where they can."""
    low, high = fact(trace, "output_min") or 0.0, fact(trace, "output_max") or 0.0
    loss, least, most = trace.facts.get("loss_name"), fact(trace, "target_min"), fact(trace, "target_max")
    bounds = _known(trace)
    behind = trace.facts.get("output_activation") if bounds else "ReLU, sigmoid, softplus"
    cause = f"An activation behind the last layer ({behind}) holds the outputs back"
    if loss in RAW and (bounds or (low >= 0 and high <= 1 and high > low and is_poor(trace))):
        return f"{cause}, and the loss wants raw scores."
    if loss not in VALUES or least is None or most is None:
        return None
    if bounds and least < most:
        beyond = max(0.0, bounds[0] - least) + max(0.0, most - bounds[1])
        return f"{cause}; a part of the targets lies beyond." if beyond > OUTSIDE * (most - least) else None
    # Outputs that are all the same say nothing of what they went through: the units before them are dead.
    return f"{cause}; targets lie below." if high > low >= 0 and least < BELOW and is_poor(trace) else None


def _finding(trace: Trace, cause: str, fix: str, expected: str, confidence: float) -> Finding:
    low, high, least = fact(trace, "output_min"), fact(trace, "output_max"), fact(trace, "target_min")
    return Finding(
        code="bad_output_activation",
        severity="warning",
        symptom=f"The outputs lie between {rounded(low)} and {rounded(high)}; the loss is "
        f"{trace.facts.get('loss_name', 'not known')}, the targets begin at {rounded(least)}.",
        cause=cause,
        confidence=confidence,
        evidence=rounded_facts(
            output_min=low, output_max=high, target_min=least, target_max=fact(trace, "target_max"),
            activation=trace.facts.get("output_activation"), fit=fit(trace), step=0,
        ),
        cost="A part of the targets can never be reached.",
        fixes=(by_hand(fix, expected),),
    )  # fmt: skip
