"""The weights were drawn far too large, or so that whole layers can only learn one thing.

Symptom: a first loss far above that of guessing; outputs that are no numbers before the first step; or units that are
all alike.
Cause: an initialisation that is too large for the layers' width, or constant.
Remedy: the usual initialisation (He, Glorot), that of the architecture by default.
Source: loss at the start above 5 times ln C (reference/diagnosis.md, row 33; Karpathy: ln C), row 34.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.repair import fixes, model_fix
from trainwell.diagnosis.rows import validation_fit
from trainwell.diagnosis.settings import is_mlp
from trainwell.diagnosis.signals import chance_loss, finite, fit, long_enough, recent, rounded_facts
from trainwell.diagnosis.signs import by_hand, fact, is_good, is_poor, named, shown

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (
    "too_few_epochs", "non_finite_loss", "learning_rate_too_high", "divergence",
    "exploding_gradients", "vanishing_gradients", "saturated_units", "dead_units", "plateau", "underfitting",
    "not_learning", "oscillation", "loss_spikes", "learning_rate_too_low", "overfitting",
    "probabilities_expected",
)  # fmt: skip
# First loss over that of guessing, for a run that ends badly, and for one that is only held back by it.
TOO_LARGE, FAR_TOO_LARGE = 5.0, 20.0
# Share of the way to perfect from which a bad start was made up for.
MADE_UP = 0.9


def check(trace: Trace) -> Finding | None:
    """Judge by the first loss and by rows of weights that are all alike."""
    first, guess = fact(trace, "loss0"), _loss_of_zeros(trace)
    overflows = _overflows(trace)
    too_large = overflows or (first is not None and guess is not None and _is_too_large(trace, first / guess))
    alike = _alike(trace)
    if not (too_large or alike):
        return None
    return Finding(
        code="bad_initialisation",
        severity="critical" if overflows else "warning",
        symptom=_symptom(first, guess, alike, overflows=overflows, too_large=too_large),
        cause="The weights were drawn too large: "
        + ("numbers grow from layer to layer until they overflow." if overflows else
           "the network begins by being sure of what is wrong.")
        if too_large
        else "Units that begin alike get the same gradients and stay alike: the layer is one unit.",
        confidence=0.85,
        evidence=rounded_facts(
            loss0=first, loss_of_guessing=guess, alike=shown(alike) if alike else None, fit=fit(trace), step=0
        ),
        cost="The run spends its steps on undoing its start, if it ever gets there.",
        fixes=fixes(
            model_fix(
                trace, {"init": "auto", "batch_norm": True},
                reason="Draw the weights by the width of the layers. Then train the new model.",
                expected="A first loss near that of guessing.",
            )
        )
        if is_mlp(trace)
        else (
            by_hand(
                "Leave the initialisation to the layers themselves, or draw by their width (He, Glorot).",
                "A first loss near that of guessing.",
            ),
        ),
    )  # fmt: skip


def _symptom(first: float | None, guess: float | None, alike: list[str], *, overflows: bool, too_large: bool) -> str:
    if overflows:
        return "The outputs are no numbers before the first step, and the inputs are."
    if too_large:
        return f"The first loss was {rounded(first)}; guessing gives {rounded(guess)}."
    return f"All units of {shown(alike)} began alike."


def _overflows(trace: Trace) -> bool:
    """Whether inputs that are numbers gave outputs that are none, before anything was learnt."""
    least = trace.facts.get("output_min")
    return trace.facts.get("inputs_finite") is True and isinstance(least, float) and not math.isfinite(least)


def _loss_of_zeros(trace: Trace) -> float | None:
    """What outputs near 0 give, as a network has them at its start: more than guessing where values lie far from 0."""
    guess, mean = chance_loss(trace), fact(trace, "data.target_mean")
    return (
        guess + mean**2 if guess is not None and mean is not None and trace.facts.get("loss_name") == "mse" else guess
    )


def _is_too_large(trace: Trace, ratio: float) -> bool:
    if is_poor(trace):
        return ratio > TOO_LARGE
    # Rows that are fitted all the same are learnt by heart from such a start; validation shows it.
    known = [share for share in (fit(trace), validation_fit(trace)) if share is not None]
    if ratio <= FAR_TOO_LARGE or not trace.finished or not known:
        return False
    val, guess = recent(finite(trace, "val_loss")), chance_loss(trace)
    return min(known) < MADE_UP or (val is not None and guess is not None and val > TOO_LARGE * guess)


def _alike(trace: Trace) -> list[str]:
    """Matrices of equal rows in a run that suffers from them, but for the last one: a last layer of zeros learns well.

    A run that is not poor suffers where no other matrix is there to make units differ, and the fit is not good.
    """
    names = list(trace.signals[0].grad_norms) if trace.signals else []
    found = [name for name in named(trace, "symmetric") if not names or name != names[-1]]
    alike = [name for name in found if not name.endswith("bias")]
    every = len(alike) + 1 >= (fact(trace, "weight_layers") or math.inf)
    suffers = is_poor(trace) or (every and long_enough(trace) and not is_good(trace))
    return alike if suffers else []
