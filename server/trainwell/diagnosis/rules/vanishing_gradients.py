"""Gradients vanish on their way to the first layers.

Symptom: the first layers' gradients are a small fraction of the last ones', and the network fits badly.
Cause: many layers of a saturating activation, or weights that shrink what passes through them.
Remedy: ReLU or its like, normalisation, fewer layers or residual ones; gated cells in recurrent networks.
Source: ratio below 1e-3 (AutoTrainer), 1e-2 at depth 4 (reference/diagnosis.md, row 35); for many layers of an
activation that is known to saturate (Glorot & Bengio 2010), ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, model_fix
from trainwell.diagnosis.settings import is_mlp, lr_is_low, model_options
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_hand, by_name, fact, is_poor, steps_of

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (
    "plateau", "underfitting", "not_learning", "learning_rate_too_low", "too_few_epochs",
    "oscillation", "saturated_units", "no_nonlinearity",
)  # fmt: skip
# First over last gradient, at any depth and from four weighted layers on; and the norm below which it is nothing.
RATIO, RATIO_WHEN_DEEP, DEEP = 1e-3, 1e-2, 4
# The same from this depth on, where the activation saturates: no other one is known to be at fault there.
RATIO_WHEN_SATURATING, VERY_DEEP, SATURATING = 5e-2, 6, ("sigmoid", "tanh")
NOTHING = 1e-7


def check(trace: Trace) -> Finding | None:
    """Judge by the gradients of the first and last weights, over all looks."""
    if not trace.signals or not is_poor(trace):
        return None
    sizes = list(by_name(trace.signals, "grad_norms").items())
    if len(sizes) < 2 or sizes[-1][1] <= 0:
        return None
    (first, small), (last, large) = sizes[0], sizes[-1]
    depth = fact(trace, "weight_layers") or len(sizes)
    limit = _limit(trace, depth)
    if lr_is_low(trace):  # weights that hardly move keep the gradients of their start; only a clear case counts
        limit = min(limit, RATIO)
    if not (0 < small < limit * large or 0 < small < NOTHING):
        return None
    return Finding(
        code="vanishing_gradients",
        severity="warning",
        symptom=f"The gradient of {first} is {rounded(small)}, that of {last} {rounded(large)}.",
        cause=f"Gradients shrink by {rounded(large / small, 2)} on their way through {depth:.0f} weighted layers.",
        confidence=0.9 if small < RATIO * large else 0.75,
        evidence=rounded_facts(
            first_gradient=small, last_gradient=large, ratio=small / large, weight_layers=depth,
            steps=steps_of(trace.signals),
        ),
        cost="The first layers stay as they were drawn; only the last ones learn.",
        fixes=_fixes(trace),
    )  # fmt: skip


def _limit(trace: Trace, depth: float) -> float:
    if depth >= VERY_DEEP and model_options(trace).get("activation") in SATURATING:
        return RATIO_WHEN_SATURATING
    return RATIO_WHEN_DEEP if depth >= DEEP else RATIO


def _fixes(trace: Trace):  # noqa: ANN202 - as `fixes`
    if is_mlp(trace):
        return fixes(
            model_fix(
                trace, {"activation": "relu", "batch_norm": True, "init": "auto"},
                reason="ReLU with batch norm passes gradients on whole. Then train the new model.",
                expected="First and last gradients of about one size; the loss falls from the first epoch.",
            ),
            model_fix(
                trace, {"batch_norm": True}, reason="Or keep the activation and normalise before it.",
                expected="Larger gradients in the first layers.",
            ),
        )  # fmt: skip
    recurrent = trace.facts.get("recurrent")
    remedy = "Take gated cells (gru, lstm) and shorter series." if recurrent else (
        "Put ReLU or GELU in place of sigmoid or tanh, a normalisation before it, or residual connections around it."
    )  # fmt: skip
    return (by_hand(remedy, "First and last gradients of about one size."),)
