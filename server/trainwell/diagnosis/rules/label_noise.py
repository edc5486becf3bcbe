"""Labels are wrong, and the network has not learnt them by heart (yet).

Symptom: rows whose neighbours nearly all bear one label bear another; or validation, which is clean, scores far above
training.
Cause: mistakes in labelling.
Remedy: a person looks through the suspects; smoothed labels and a smaller network soften the harm, no more.
Source: reference/diagnosis.md, row 26 (validation above training by .12; noise >= 8 %, mlloop); agreement of
neighbours after cleanlab's idea, measured in tests/corpus.
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

EXPLAINS = (*POOR, *APART)


def check(trace: Trace) -> Finding | None:
    """Judge by what neighbours say of labels."""
    share = wrong_labels(trace)
    if share is None or learns_wrong_labels(trace):
        return None
    return Finding(
        code="label_noise",
        severity="warning",
        symptom=f"About {share:.0%} of the training labels contradict what their nearest rows agree on.",
        cause="Mistakes in labelling. Look through the rows that contradict their neighbours and mend them; until "
        "then label_smoothing 0.1 and a small network keep the harm low.",
        confidence=0.95,
        cost=f"Training cannot get above an accuracy of about {rounded(1 - share, 2)} but by learning mistakes.",
        evidence=shown({
            "wrong_labels": share,
            "wrong_labels_of_validation": fact(trace, "wrong_labels_validation"),
            "rows_with_agreeing_neighbours": fact(trace, "sure_rows"),
            "train_accuracy": recent(finite(trace, "train_accuracy")),
            "val_accuracy": recent(finite(trace, "val_accuracy")),
        }),
    )  # fmt: skip
