"""What a network is judged by on validation rows: the names, and how sure the scores are.

Nothing here needs more than the standard library: the server, the worker and exported programs choose alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ACCURACY, BALANCED_ACCURACY = "val_accuracy", "val_balanced_accuracy"
#: The scores of a classification.
OF_CLASSES = (ACCURACY, BALANCED_ACCURACY)
#: With more classes than this, none is counted by itself, and so there is no balanced accuracy.
MOST_COUNTED = 100


def score_name(task: str, classes: int, *, weighted: bool) -> str:
    """The metric that the best weights are chosen by; higher is better.

    Where the classes are weighted in the loss, each has the same say in the score, too: by plain accuracy a network
    that names nothing but the commonest class would win over one that finds the rare ones (Brodersen et al. 2010).

    Args:
        task: See `contract.specs.Task`.
        classes: How many there are.
        weighted: Whether the loss gives every class the same say.
    """
    if task == "classification":
        return BALANCED_ACCURACY if weighted and classes <= MOST_COUNTED else ACCURACY
    return "val_f1" if task == "multilabel" else "val_r2"


def balanced_rows(counts: Iterable[int]) -> float:
    """So many rows give an accuracy that is as uncertain as the balanced accuracy of these; all, of equal classes.

    The variance of a mean over K classes with n rows each is the sum of their p (1 - p) / n, over K squared; with the
    mean itself for each p that is the variance of a share of K squared over the sum of 1 / n rows.

    Args:
        counts: Rows of each class; one that has none does not count.
    """
    present = [count for count in counts if count > 0]
    return len(present) ** 2 / sum(1 / count for count in present) if present else 0.0
