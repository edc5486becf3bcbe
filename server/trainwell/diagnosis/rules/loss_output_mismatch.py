"""The loss does not fit what the network gives or what the target is.

Symptom: a loss for values on class numbers or on marks of what applies, for log-probabilities on raw scores, or for
shares on raw scores.
Cause: another loss was meant; the network then minimises something that has no meaning.
Remedy: cross entropy on raw scores for classes, binary cross entropy with logits for labels, squares for values.
Source: reference/diagnosis.md, row 12 (AutoTrainer, UMLAUT: table of task and loss).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_hand, fact, is_poor

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "divergence", "learning_rate_too_high", "non_finite_loss",
            "bad_initialisation", "wrong_sign", "probabilities_expected")  # fmt: skip
# Class numbers that a loss for values is unlikely to be meant for: so few, and whole.
MOST_CLASSES = 100
SHARES = ("bce", "nll")
VALUES = ("mse", "mae")


def check(trace: Trace) -> Finding | None:
    """Judge by the loss, the range of the outputs, and what the target holds."""
    loss, low, high = trace.facts.get("loss_name"), fact(trace, "output_min"), fact(trace, "output_max")
    if low is None or high is None:
        return None
    why = None
    if loss == "nll" and high > 0:
        why = "The loss takes log-probabilities, which are never above 0, and gets raw scores."
    elif loss == "bce" and (low < 0 or high > 1):
        why = "The loss takes shares between 0 and 1, and gets raw scores."
    elif loss in VALUES and _holds_classes(trace):
        why = "The target holds class numbers, and the loss takes them for values: class 9 is not nine times class 1."
    elif loss in VALUES and trace.facts.get("target_marks") is True and is_poor(trace):
        why = (
            "The target marks what applies by 0 and 1, and the loss takes the marks for values: it hardly pulls where "
            "an output is sure and wrong."
        )
    if why is None:
        return None
    return Finding(
        code="loss_output_mismatch",
        severity="critical" if loss in SHARES else "warning",
        symptom=f"The loss is {loss}; the outputs lie between {low:.3g} and {high:.3g}.",
        cause=why,
        confidence=0.9 if loss in SHARES else 0.75,
        evidence=rounded_facts(
            loss=str(loss), output_min=low, output_max=high, target_min=fact(trace, "target_min"),
            target_max=fact(trace, "target_max"), step=0,
        ),
        cost="A network that fits the wrong thing, or a loss that breaks.",
        fixes=(
            by_hand(
                "Give raw scores to cross entropy (classes) or to binary cross entropy with logits (labels).",
                "A first loss near ln C, and one that falls.",
            ),
        ),
    )  # fmt: skip


def _holds_classes(trace: Trace) -> bool:
    least, most = fact(trace, "target_min"), fact(trace, "target_max")
    whole = trace.facts.get("target_whole") is True
    return whole and least in (0, 1) and most is not None and most < MOST_CLASSES
