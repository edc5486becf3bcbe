"""The first rows of a loop that is not ours: what they show of inputs and targets, as facts named `data.*`."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.data.facts import inputs
from trainwell.data.facts.sample import MOST_COLUMNS, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Array = np.ndarray[Any, Any]

# What the first rows tell of all: how large the numbers are. A column that stands still in them may move later.
TOLD = ("data.nonfinite_rows", "data.nonfinite_column", "data.nonfinite_first", "data.input_std", "data.input_mean",
        "data.input_largest", "data.column_std_largest", "data.column_std_median", "data.column_offset")  # fmt: skip
# Rows that are kept, and the fewest that tell anything.
MOST_ROWS, FEWEST_ROWS = 1024, 32


@dataclass
class FirstRows:
    """Rows of the first batches, until there are enough of them.

    Attributes:
        rows: How many there are.
    """

    rows: int = 0
    _inputs: list[Array] = field(default_factory=list[Array])
    _targets: list[Array] = field(default_factory=list[Array])
    _facts: dict[str, Any] = field(default_factory=dict[str, Any])
    _found_at: int = 0

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Keep the rows of a batch: (input, ..., target). Of inputs only numbers are looked at."""
        *columns, target = tensors
        if self.rows >= MOST_ROWS or not target.ndim:
            return
        count = min(len(target), MOST_ROWS - self.rows)
        parts = [one[:count] for one in columns if one.is_floating_point() and one.ndim and len(one) == len(target)]
        flat = [np.asarray(part.detach().cpu().reshape(count, -1).double()) for part in parts]
        self._inputs.append(np.concatenate([part[:, :MOST_COLUMNS] for part in flat], axis=1) if flat else
                            np.zeros((count, 0)))  # fmt: skip
        self._targets.append(np.asarray(target[:count].detach().cpu().double().reshape(count, -1)))
        self.rows += count

    def facts(self, *, values: bool) -> dict[str, Any]:
        """What the rows show; nothing while there are few, or where batches do not fit each other.

        Args:
            values: Whether the targets are values, whose scale matters.
        """
        if self.rows >= FEWEST_ROWS and self._found_at != self.rows:
            self._found_at = self.rows
            widths = {part.shape[1] for part in self._inputs}
            self._facts = self._gathered(values=values) if len(widths) == 1 else {}
        return self._facts

    def _gathered(self, *, values: bool) -> dict[str, Any]:
        numbers, targets = np.concatenate(self._inputs), np.concatenate([one[:, :1] for one in self._targets])
        names = tuple(f"input[{place}]" for place in range(numbers.shape[1]))
        found = inputs.facts(Sample(numbers, names, (), targets, np.arange(len(numbers))))
        known = targets[np.isfinite(targets)]
        if values and len(known) > 1:
            found |= {"data.target_mean": float(known.mean()), "data.target_std": float(known.std())}
        told = {name: value for name, value in found.items() if name in TOLD or name.startswith("data.target_")}
        return {name: value for name, value in told.items() if not isinstance(value, float) or math.isfinite(value)}
