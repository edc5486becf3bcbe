"""The network has too few or far too many outputs for the classes.

Symptom: a class number beyond the outputs, labels that begin at 1, or most outputs without a class.
Cause: the last layer was sized by hand, or labels count from 1.
Remedy: as many outputs as classes; labels from 0.
Source: reference/diagnosis.md, row 10.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.diagnosis.phrases import failures
from trainwell.diagnosis.signals import rounded_facts
from trainwell.diagnosis.signs import by_hand, fact, is_poor

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = ("plateau", "underfitting", "not_learning", "bad_initialisation", "target_out_of_range", "device_assert")
_BEYOND = re.compile(r"Target (-?\d+) is out of bounds|n_classes|t >= 0 && t < n_classes")
# Outputs over classes from which most are for nothing.
FAR_TOO_MANY = 3


def check(trace: Trace) -> Finding | None:
    """Judge by the error's text, else by the outputs beside the labels."""
    told = next((found for text in failures(trace) if (found := _BEYOND.search(text))), None)
    outputs, least, most = _outputs(trace), fact(trace, "target_min"), fact(trace, "target_max")
    classes = trace.facts.get("loss_name") == "cross_entropy" and trace.facts.get("target_whole") is True
    beyond = classes and outputs is not None and most is not None and most >= outputs
    many = (
        classes and outputs is not None and most is not None and outputs > FAR_TOO_MANY * (most + 1) and is_poor(trace)
    )
    if not (told or beyond or many):
        return None
    from_one = least == 1 and outputs is not None and most == outputs
    return Finding(
        code="wrong_output_size",
        severity="critical" if told or beyond else "warning",
        symptom=f"Labels reach {most:.0f}, and there are {outputs} outputs." if most is not None and outputs else
        "A label lies beyond the network's outputs.",
        cause="The labels count from 1; outputs count from 0." if from_one else
        "The last layer does not have as many outputs as there are classes.",
        # Where the outputs were counted, it says more than the crash that came of them.
        confidence=(0.97 if outputs else 0.9) if told or beyond else 0.6,
        evidence=rounded_facts(
            outputs=None if outputs is None else float(outputs), label_min=least, label_max=most,
            error=told[0] if told else None,
        ),
        cost="The loss cannot be taken." if told or beyond else "Most outputs only learn that they are never right.",
        fixes=(by_hand("Subtract 1 from the labels." if from_one else "Give the last layer one output for each class.",
                       "A first loss near ln C."),),
    )  # fmt: skip


def _outputs(trace: Trace) -> int | None:
    shape = trace.facts.get("output_shape")
    size = shape[0] if isinstance(shape, list) and len(shape) == 1 else None  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return size if isinstance(size, int) else None
