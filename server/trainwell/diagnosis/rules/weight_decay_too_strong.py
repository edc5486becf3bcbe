"""Weight decay pulls the weights to zero faster than the data can raise them.

Symptom: a poor fit of the training rows while the weights shrink or stay small.
Cause: a decay that over the run takes more than the gradients give.
Remedy: a hundredth of it.
Source: rate x decay x steps above 1 to 2, weights that shrink without end (reference/diagnosis.md, row 47).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, train_fix
from trainwell.diagnosis.settings import STRONG_DECAY, learning_rate, lr_is_low, number, optimizer
from trainwell.diagnosis.signals import finite, fit, num_updates, rounded_facts
from trainwell.diagnosis.signs import broke, epochs_of, is_poor

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "vanishing_gradients", "dead_units", "oscillation")
# Share of the weights' norm that must be lost where it was measured.
SHRUNK = 0.6
# Rate x decay x steps from which the decay alone would have taken most of the weights.
TAKEN = 2.0
# The same below which not even momentum makes a decay felt; Adam divides it by the gradients' size, which says nothing.
FELT = 0.1
# The least decay that is a candidate.
LEAST = 0.02


def check(trace: Trace) -> Finding | None:
    """Judge by the decay, what it takes over the run, and the weights' norm."""
    decay, lr, steps = number(trace.config, "weight_decay"), learning_rate(trace), num_updates(trace)
    if decay is None or decay < LEAST or not is_poor(trace) or broke(trace):
        return None
    if lr_is_low(trace) and (steps is None or (lr or 0.0) * decay * steps < TAKEN):
        return None
    norms = finite(trace, "weight_norm")
    shrunk = len(norms) > 1 and norms[-1] < SHRUNK * norms[0]
    strong = decay >= STRONG_DECAY[optimizer(trace)]
    taken = lr * decay * steps if lr is not None and steps is not None else None
    felt = shrunk or taken is None or taken > FELT or optimizer(trace) not in ("sgd", "adamw")
    if not ((strong and felt) or (shrunk and taken is not None and taken > TAKEN)):
        return None
    return Finding(
        code="weight_decay_too_strong",
        severity="warning",
        symptom=f"The training rows are fitted poorly under a weight decay of {rounded(decay)}."
        + (f" The weights' norm fell from {rounded(norms[0])} to {rounded(norms[-1])}." if shrunk else ""),
        cause=f"Weight decay {rounded(decay)} pulls the weights to zero faster than the data can raise them.",
        confidence=0.9 if strong and shrunk else 0.82,
        evidence=rounded_facts(
            weight_decay=decay, lr=lr, optimizer_steps=None if steps is None else float(steps), taken=taken,
            weight_norm_first=norms[0] if norms else None, weight_norm_now=norms[-1] if norms else None,
            fit=fit(trace), epochs=epochs_of(trace),
        ),
        cost="No amount of training gets past the level that the decay sets.",
        fixes=fixes(
            train_fix(
                trace, {"weight_decay": min(decay * 0.01, 0.01)}, reason="Weaken the weight decay.",
                expected="The training loss falls below its present floor within a few epochs.",
            ),
            train_fix(
                trace, {"weight_decay": 0.0}, reason="Or none, to see what the network can fit.",
                expected="The best fit of the training rows that this network can give.",
            ),
        ),
    )  # fmt: skip
