"""Targets of any number of labels a row: 0 or 1 for each label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Baseline
from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.data.splits import Rows

Flags = np.ndarray[Any, np.dtype[np.uint8]]

MOST_LABELS = 2_000


def check_labels(name: str, labels: Sequence[str], flags: Flags) -> None:
    """Stop at labels that cannot be learnt.

    Raises:
        TrainwellError: `too_many_labels`, `constant_target`.
    """
    if len(labels) > MOST_LABELS:
        raise TrainwellError(
            "too_many_labels", f"There are {len(labels):,} different labels.", argument="target", got=name,
            allowed=f"at most {MOST_LABELS:,}", hint="Leave out or join the rare ones.",
        )  # fmt: skip
    if len(flags) and not (flags != flags[0]).any():
        raise TrainwellError(
            "constant_target", "Every row has the same labels.", argument="target", got=name,
            allowed="labels that vary",
        )  # fmt: skip


def rarest_label(flags: Flags) -> Rows:
    """(rows,) the rarest label that applies to each row, or the number of labels where none does: for stratifying."""
    by_rarity = np.argsort(flags.sum(axis=0, dtype=np.int64), kind="stable")
    first = flags[:, by_rarity].argmax(axis=1)
    return np.where(flags.any(axis=1), by_rarity[first], flags.shape[1]).astype(np.int64)


def commonest_labels(labels: Sequence[str], train: Flags, validation: Flags) -> Baseline:
    """The score on validation of those labels for every row that score best on the training rows."""
    counts = train.sum(axis=0, dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    given = len(train) * np.arange(1, len(order) + 1)
    best = order[: 1 + int(np.argmax(2 * np.cumsum(counts[order]) / (given + counts.sum())))]
    due = validation.sum(axis=0, dtype=np.int64)
    value = 2 * float(due[best].sum()) / max(1.0, len(validation) * len(best) + float(due.sum()))
    shown = ", ".join(quoted(labels[int(place)], 30) for place in best[:3])
    return Baseline(metric="val_f1", value=value, how=f"always says {shown}{', ...' if len(best) > 3 else ''}")
