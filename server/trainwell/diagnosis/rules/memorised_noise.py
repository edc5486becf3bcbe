"""The network has learnt wrong labels by heart.

Symptom: many labels contradict their neighbours, and the training rows are fitted all the same.
Cause: mistakes in labelling, and enough capacity and time to learn each of them.
Remedy: a person mends the labels; stopping earlier or a smaller network only hides part of it.
Source: reference/diagnosis.md, rows 26 and 52; Zhang et al. 2017, arXiv 1611.03530 (networks fit random labels).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.text import rounded
from trainwell.diagnosis.relations import APART, POOR
from trainwell.diagnosis.rows import fact, learns_wrong_labels, shown, wrong_labels
from trainwell.diagnosis.signals import finite, recent

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

EXPLAINS = (*POOR, *APART, "label_noise")


def check(trace: Trace) -> Finding | None:
    """Judge by what neighbours say of labels that training knows."""
    share, accuracy = wrong_labels(trace), recent(finite(trace, "train_accuracy"))
    if share is None or not learns_wrong_labels(trace):
        return None
    return Finding(
        code="memorised_noise",
        severity="warning",
        symptom=f"Training accuracy is {rounded(accuracy)}, though about {share:.0%} of the labels contradict what "
        "their nearest rows agree on.",
        cause="Wrong labels, learnt by heart. Look through the rows that contradict their neighbours and mend them; "
        "until then fewer epochs, label_smoothing 0.1 and a smaller network keep the harm low.",
        confidence=0.95,
        cost="The score on new rows, and probabilities that are far too sure.",
        evidence=shown({
            "wrong_labels": share,
            "wrong_labels_of_validation": fact(trace, "wrong_labels_validation"),
            "rows_with_agreeing_neighbours": fact(trace, "sure_rows"),
            "train_accuracy": accuracy, "val_accuracy": recent(finite(trace, "val_accuracy")),
        }),
    )  # fmt: skip
