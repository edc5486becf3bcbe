"""Batches: tuples of tensors picked by index from data that lies on the device.

The order of an epoch is a pure function of (seed, epoch), so a run can go on from any step of any epoch without
saved loader state. Rows are gathered a few batches at a time, so that a small table is permuted in one go and a
wide one stays in the cache; a batch is then a slice, without a copy. Rows of unequal length are gathered batch by
batch, each cut to its longest row.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
import warnings
from copy import copy
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from trainwell.training import lengths
from trainwell.training.seeding import derive, permutation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from trainwell.training.device import Setup
    from trainwell.training.lengths import Lengths

# Gather about this much in one go: a share of the last-level cache on a CPU, a launch worth its while on a GPU.
CHUNK_BYTES = {"cpu": 2**20, "cuda": 2**27}


class Arrays(Protocol):
    """One split on the host: `inputs` each (rows, ...), `target` (rows,) int64 or float32."""

    @property
    def inputs(self) -> tuple[np.ndarray, ...]:
        """The network's inputs."""
        ...

    @property
    def target(self) -> np.ndarray:
        """Class numbers, or standardised values."""
        ...


def data_bytes(arrays: Arrays) -> int:
    """Bytes of inputs and target."""
    return sum(array.nbytes for array in (*arrays.inputs, arrays.target))


class Rows:
    """One split as tensors, inputs first, target last; on the device if the setup says so, else mapped on the host.

    Attributes:
        lengths: How long the rows are, where they differ and are cut; else None.
    """

    def __init__(self, arrays: Arrays, setup: Setup, lengths: Lengths | None = None) -> None:
        self.setup = setup
        self.lengths = lengths
        columns = (*arrays.inputs, arrays.target)
        self.tensors = tuple(_resident(column, setup) if setup.resident else _mapped(column) for column in columns)
        self.count = len(arrays.target)
        self.row_bytes = max(1, sum(tensor[:1].nbytes for tensor in self.tensors))
        # Where rows are judged from the shortest to the longest: their order, on the host.
        self._order: np.ndarray | None = None

    def take(self, index: Tensor, width: int | None = None) -> tuple[Tensor, ...]:
        """The rows of an index, on the device.

        Args:
            index: (n,) int64 on the device of the tensors.
            width: What is cut is cut to this.
        """
        tensors = self.tensors
        if width is not None and self.lengths is not None:
            tensors = lengths.cut(tensors, self.lengths.columns, width)
        return self._ready(tensor.index_select(0, index) for tensor in tensors)

    def part(self, first: int, last: int) -> tuple[Tensor, ...]:
        """The rows first, ... last - 1, on the device, without a copy where they lie there and are equally long."""
        if self.lengths is None or self._order is None:
            return self._ready(tensor[first:last] for tensor in self.tensors)
        index = self._order[first:last]
        return self.take(torch.from_numpy(index).to(self.tensors[0].device), self.lengths.width(index))

    def numbers(self, first: int, last: int) -> np.ndarray:
        """The numbers within the split of the rows that `part` gives."""
        return np.arange(first, last) if self._order is None else self._order[first:last]

    def sorted(self) -> Rows:
        """The same rows, from the shortest to the longest; for judging, where order does not matter."""
        if self.lengths is not None:
            self._order = np.argsort(self.lengths.values, kind="stable")
        return self

    def sample(self, most: int, seed: int) -> Rows:
        """At most so many of these rows, drawn at random by the seed and then fixed."""
        chosen = copy(self)
        index = permutation(self.count, seed, 0)[:most]
        placed = index.to(self.tensors[0].device)
        chosen.tensors = tuple(tensor.index_select(0, placed) for tensor in self.tensors)
        chosen.count = len(index)
        chosen.lengths = None if self.lengths is None else self.lengths.of(index.numpy())
        return chosen.sorted()

    def _ready(self, tensors: Iterator[Tensor]) -> tuple[Tensor, ...]:
        if not self.setup.resident:
            tensors = (_moved(tensor, self.setup) for tensor in tensors)
        if self.setup.channels_last:
            tensors = (
                tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
                for tensor in tensors
            )
        return tuple(tensors)


def _resident(column: np.ndarray, setup: Setup) -> Tensor:
    # np.array copies: a memory map is read once, from end to end, and is never written to.
    return torch.from_numpy(np.array(column)).to(setup.device)


def _mapped(column: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        # The array may be a read-only map. Nothing writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(column)


def _moved(tensor: Tensor, setup: Setup) -> Tensor:
    if setup.pinned:
        tensor = tensor.pin_memory()
    return tensor.to(setup.device, non_blocking=setup.pinned)


class Batches:
    """The training batches of each epoch.

    The last batch of an epoch is smaller than the others; if it had one row only, that row joins the batch before,
    because batch norm cannot take the variance of one row.
    """

    def __init__(self, rows: Rows, batch_size: int, seed: int) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.sizes = batch_sizes(rows.count, batch_size)
        self.count = len(self.sizes)
        chunk = CHUNK_BYTES[rows.setup.device.type]
        self._together = max(1, chunk // (batch_size * rows.row_bytes))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """The batches of one epoch from number `start` on: inputs, then target."""
        order = permutation(self.rows.count, self.seed, epoch)
        if self.rows.lengths is not None:
            yield from self._cut(order, self.rows.lengths, epoch, start)
            return
        order = order.to(self.rows.tensors[0].device)
        for first in range(start, self.count, self._together):
            sizes = self.sizes[first : first + self._together]
            offset = first * self.batch_size
            chosen = self.rows.take(order[offset : offset + sum(sizes)])
            columns = [cast("tuple[Tensor, ...]", column.split(sizes)) for column in chosen]
            yield from zip(*columns, strict=True)

    def index(self, epoch: int, number: int) -> Tensor:
        """The rows of one batch: (B,) int64 on the CPU."""
        order = permutation(self.rows.count, self.seed, epoch)
        if self.rows.lengths is not None:
            order = torch.from_numpy(self._shared(order, self.rows.lengths, epoch))
        first = number * self.batch_size
        return order[first : first + self.sizes[number]]

    def _shared(self, order: Tensor, lengths: Lengths, epoch: int) -> np.ndarray:
        """The order of an epoch in which rows that are about as long share a batch."""
        generator = torch.Generator().manual_seed(derive(self.seed, "batches", epoch))
        full = self.count if self.sizes[-1] == self.batch_size else self.count - 1
        return lengths.shares(order.numpy(), self.batch_size, full, generator)

    def _cut(self, order: Tensor, lengths: Lengths, epoch: int, start: int) -> Iterator[tuple[Tensor, ...]]:
        """Batches of rows that are about as long, each cut to its longest."""
        shared = self._shared(order, lengths, epoch)
        placed = torch.from_numpy(shared).to(self.rows.tensors[0].device)
        for number in range(start, self.count):
            some = slice(number * self.batch_size, number * self.batch_size + self.sizes[number])
            yield self.rows.take(placed[some], lengths.width(shared[some]))


def augmented(
    batches: Iterator[tuple[Tensor, ...]],
    change: Callable[[tuple[Tensor, ...], Tensor, torch.Generator], tuple[tuple[Tensor, ...], Tensor]],
    place: tuple[int, int, int],
) -> Iterator[tuple[Tensor, ...]]:
    """Batches, changed. What is drawn is a pure function of (seed, epoch, number of the batch).

    Args:
        batches: Inputs, then target.
        change: See `augment.Augment`.
        place: Seed, epoch and the number of the first batch.
    """
    seed, epoch, start = place
    generator: torch.Generator | None = None
    for number, (*inputs, target) in enumerate(batches, start):
        generator = generator or torch.Generator(target.device)
        generator.manual_seed(derive(seed, "augment", epoch, number))
        changed, goal = change(tuple(inputs), target, generator)
        yield (*changed, goal)


def batch_sizes(rows: int, batch_size: int) -> list[int]:
    """Rows of each batch of an epoch; they add up to `rows`."""
    full, rest = divmod(rows, batch_size)
    sizes = [batch_size] * full
    if rest == 1 and full:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def choose_batch_size(rows: int, asked: int | None, module: nn.Module) -> tuple[int, str]:
    """The rows of one optimizer step, and why.

    Args:
        rows: Training rows.
        asked: The batch size that was asked for, or None.
        module: A network with batch norm needs two rows at least.
    """
    if asked is None:
        size = min(automatic_batch_size(rows), rows)
        return size, f"batch_size {size}: about {max(1, round(rows / size))} steps an epoch from {rows} rows"
    if asked > rows:
        return rows, f"batch_size {rows}: there are no more training rows than that ({asked} was asked)"
    if asked == 1 and rows > 1 and any(isinstance(layer, _BatchNorm) for layer in module.modules()):
        return 2, "batch_size 2: batch norm cannot learn from one row (1 was asked)"
    return asked, f"batch_size {asked}: {len(batch_sizes(rows, asked))} steps an epoch from {rows} rows"


def automatic_batch_size(rows: int) -> int:
    """A batch size that gives about 40 steps an epoch, as a power of two between 16 and 1,024."""
    return 2 ** min(10, max(4, round(math.log2(max(1, rows) / 40))))
