"""The network ends in a softmax, and the loss takes another one.

Symptom: outputs of a row are shares that add up to 1, and the loss never gets near 0.
Cause: cross entropy wants raw scores (logits): of shares it takes the softmax again, which flattens all gradients.
Remedy: take the softmax out of the network; apply it to predictions only.
Source: reference/diagnosis.md, row 8 (UMLAUT, AutoTrainer); the loss cannot fall below -ln(e / (e + C - 1)).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.signals import finite, recent, rounded_facts
from trainwell.diagnosis.signs import by_hand, fact

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "learning_rate_too_low", "vanishing_gradients",
            "too_few_epochs", "loss_output_mismatch", "bad_output_activation")  # fmt: skip


def check(trace: Trace) -> Finding | None:
    """Judge by the first outputs: none below 0, each row adds up to 1, under cross entropy."""
    if trace.facts.get("rows_sum_to_one") is not True or trace.facts.get("loss_name") != "cross_entropy":
        return None
    shape = trace.facts.get("output_shape")
    classes = shape[0] if isinstance(shape, list) and shape else None  # pyright: ignore[reportUnknownVariableType]
    floor = math.log(1 + (classes - 1) / math.e) if isinstance(classes, int) and classes > 1 else None
    return Finding(
        code="softmax_before_loss",
        severity="warning",
        symptom="The network's outputs are shares that add up to 1, and its loss is cross entropy.",
        cause=f"Cross entropy takes the softmax by itself; twice, the loss cannot fall below {rounded(floor)}."
        if floor is not None
        else "Cross entropy takes the softmax by itself.",
        confidence=0.95,
        evidence=rounded_facts(
            output_min=fact(trace, "output_min"), output_max=fact(trace, "output_max"), lowest_loss=floor,
            train_loss_now=recent(finite(trace, "train_loss")), step=0,
        ),
        cost="Slow learning, and probabilities that can never be sure.",
        fixes=(by_hand("Take the softmax out of the network; its outputs should be raw scores.",
                       "The loss falls several times as fast and below the old floor."),),
    )  # fmt: skip
