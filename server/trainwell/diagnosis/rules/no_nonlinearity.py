"""Several layers, and nothing between them that bends: together they are one linear layer.

Symptom: the whole network is a linear function of its inputs, and it fits no better than one layer could.
Cause: the activations between the layers are missing.
Remedy: ReLU or GELU behind each hidden layer.
Source: reference/diagnosis.md, row 13 (UMLAUT, NeuraLint); found by asking the network for a sum of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.repair import fixes, model_fix
from trainwell.diagnosis.settings import is_mlp, model_options
from trainwell.diagnosis.signals import fit, long_enough, rounded_facts
from trainwell.diagnosis.signs import by_hand, fact

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("too_few_epochs", "plateau", "underfitting", "not_learning", "learning_rate_too_low")
# Share of the way to perfect from which a linear function is all that is needed.
ENOUGH = 0.9


def check(trace: Trace) -> Finding | None:
    """Judge by a network of several layers that is linear, and a fit that leaves something to be learnt."""
    layers, fitted = fact(trace, "weight_layers"), fit(trace)
    if trace.facts.get("is_linear") is not True or layers is None or layers < 2:
        return None
    if fitted is None or fitted >= ENOUGH or not long_enough(trace):
        return None
    if is_mlp(trace) and model_options(trace).get("activation") != "identity":
        return None  # it has activations; with few units they may all be on for the rows that were asked
    remedy = model_fix(
        trace, {"activation": "relu"}, reason="Put ReLU behind each hidden layer. Then train the new model.",
        expected="A training loss below that of a linear model.",
    )  # fmt: skip
    hand = by_hand("Put ReLU or GELU behind each hidden layer.", "A training loss below that of a linear model.")
    return Finding(
        code="no_nonlinearity",
        severity="warning",
        symptom=f"{layers:.0f} weighted layers act as one linear function.",
        cause="There is no activation between the layers.",
        confidence=0.9,
        evidence=rounded_facts(weight_layers=layers, fit=fitted, step=0),
        cost="The network cannot learn more than a linear model, whatever its size.",
        fixes=fixes(remedy) if is_mlp(trace) and remedy else (hand,),
    )
