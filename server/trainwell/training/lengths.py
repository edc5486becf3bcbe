"""Rows of unequal length: batches of rows that are about as long, cut to the longest of them.

Lengths are known on the host, so that cutting never waits for the device. A network must give the same for a cut
batch as for a whole one; that is tried before it is relied on, for a network that flattens its input cannot.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from trainwell.contract.specs import TensorSpec
    from trainwell.training.batches import Rows

# Widths are rounded up to this, so that there are few different ones.
MULTIPLE = 8
# Rows are sorted by length within so many batches; over all rows, batches would be the same in each epoch.
POOL_BATCHES = 50
# Rows that the network is tried on, and how far two outputs may lie apart (relative to the largest).
TRIED_ROWS, TOLERANCE = 4, 1e-3


@dataclass(frozen=True)
class Lengths:
    """How long each row is, and what can be cut.

    Attributes:
        values: (rows,) int64, real steps or tokens of each row, on the host.
        columns: Positions of the inputs that are cut along their first dimension.
        longest: That dimension before it is cut.
    """

    values: np.ndarray
    columns: tuple[int, ...]
    longest: int

    def width(self, index: np.ndarray | slice) -> int:
        """How wide the inputs of these rows must be."""
        most = int(self.values[index].max(initial=1))
        return min(self.longest, -(-most // MULTIPLE) * MULTIPLE)

    def of(self, index: np.ndarray) -> Lengths:
        """The lengths of some rows."""
        return replace(self, values=self.values[index])

    def shares(self, order: np.ndarray, batch_size: int, full: int, generator: torch.Generator) -> np.ndarray:
        """An order in which the rows of a batch are about as long as each other.

        Args:
            order: (rows,) a random order.
            batch_size: Rows of a batch.
            full: Batches of exactly that size; what is left over stays at the end.
            generator: Draws the order of the batches.
        """
        head, rest = order[: full * batch_size], order[full * batch_size :]
        pool = POOL_BATCHES * batch_size
        pools = [head[first : first + pool] for first in range(0, len(head), pool)]
        ordered = [one[np.argsort(self.values[one], kind="stable")] for one in pools]
        if not ordered:
            return order
        batches = np.concatenate(ordered).reshape(full, batch_size)
        mixed = batches[torch.randperm(full, generator=generator).numpy()]
        return np.concatenate([mixed.ravel(), rest])


def find(inputs: Sequence[np.ndarray], specs: Sequence[TensorSpec]) -> Lengths | None:
    """The lengths among a split's inputs; None where there are none or nothing would be saved."""
    places = [place for place, spec in enumerate(specs) if spec.role == "length"]
    wide = {place: spec.shape[0] for place, spec in enumerate(specs) if spec.role in ("sequence", "tokens")}
    if not places or not wide:
        return None
    longest = max(wide.values())
    columns = tuple(place for place, width in wide.items() if width == longest)
    lengths = Lengths(np.array(inputs[places[0]], dtype=np.int64), columns, longest)
    return lengths if len(lengths.values) and np.median(lengths.values) <= longest - MULTIPLE else None


def cut(tensors: Sequence[Tensor], columns: Sequence[int], width: int) -> tuple[Tensor, ...]:
    """Views of tensors (rows, T, ...) with at most `width` steps."""
    return tuple(
        tensor.narrow(1, 0, min(width, tensor.shape[1])) if place in columns else tensor
        for place, tensor in enumerate(tensors)
    )


def is_kept_by_cutting(module: nn.Module, rows: Rows) -> bool:
    """Whether the network says the same of the shortest rows when they are cut. Its mode stays as it was."""
    lengths = rows.lengths
    if lengths is None:
        return False
    shortest = np.argsort(lengths.values, kind="stable")[:TRIED_ROWS]
    index = torch.from_numpy(shortest).to(rows.tensors[0].device)
    *whole, _ = rows.take(index)
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            expected = module(*whole)
            found = module(*cut(whole, lengths.columns, lengths.width(shortest)))
    except (RuntimeError, ValueError, IndexError, TypeError, TrainwellError):
        return False
    finally:
        module.train(training)
    near = TOLERANCE * float(expected.abs().max())
    return found.shape == expected.shape and bool((found - expected).abs().max() <= near)
