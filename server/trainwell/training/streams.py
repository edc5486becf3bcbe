"""Batches that come anew each epoch from somebody's own iterable, as the engine takes them.

What the iterable draws at random (order, augmentation) follows from (seed, epoch) alone: it has a random state of its
own, put in place whenever it is asked. So a run goes on from any step by drawing the batches before it once more.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainwell.training.seeding import derive

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from torch import Tensor

    from trainwell.training.device import Setup


@dataclass(frozen=True)
class Stream:
    """Where batches come from.

    Attributes:
        source: Gives the batches of an epoch each time it is iterated.
        sizes: Rows of each batch, as far as they are known before; later epochs set them right as they come.
        batch_size: Rows of a usual batch.
        tensors: From what the source gives to inputs and target, in the engine's types.
    """

    source: Iterable[Any]
    sizes: list[int]
    batch_size: int
    tensors: Callable[[Any], tuple[Tensor, ...]]


class Streamed:
    """The training batches of each epoch; see `batches.Batches`, whose place it takes."""

    def __init__(self, stream: Stream, seed: int, setup: Setup) -> None:
        self.stream = stream
        self.seed = seed
        self.setup = setup
        self.batch_size = stream.batch_size
        self.sizes = list(stream.sizes)
        self.count = len(self.sizes)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """The batches of one epoch from number `start` on: inputs, then target.

        There are always `count` of them: a source that ends early is begun again, what is too much is left.
        """
        own = OwnRandom(derive(self.seed, "stream", epoch))
        with own.in_place():
            batches = iter(self.stream.source)
        for number in range(self.count):
            with own.in_place():
                try:
                    batch = next(batches)
                except StopIteration:
                    batches = iter(self.stream.source)
                    batch = next(batches)
            if number < start:
                continue
            tensors = self.stream.tensors(batch)
            self.sizes[number] = len(tensors[-1])
            yield tuple(self._placed(tensor) for tensor in tensors)

    def _placed(self, tensor: Tensor) -> Tensor:
        if self.setup.channels_last and tensor.ndim == 4:
            return tensor.to(self.setup.device, memory_format=torch.channels_last)
        return tensor.to(self.setup.device, non_blocking=tensor.is_pinned())


class OwnRandom:
    """The states of the three generators that a source may draw from, apart from those of program and training."""

    def __init__(self, seed: int) -> None:
        self.torch = torch.Generator().manual_seed(seed).get_state()
        self.python: Any = random.Random(seed).getstate()  # noqa: S311 - to be the same again, not a secret
        self.numpy: Any = np.random.RandomState(seed % 2**32).get_state()

    @contextmanager
    def in_place(self) -> Generator[None]:
        """Within it the generators continue this stream; behind it they are as they were before."""
        before = torch.get_rng_state(), random.getstate(), np.random.get_state()
        torch.set_rng_state(self.torch)
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        try:
            yield
        finally:
            self.torch, self.python, self.numpy = torch.get_rng_state(), random.getstate(), np.random.get_state()
            torch.set_rng_state(before[0])
            random.setstate(before[1])
            np.random.set_state(before[2])
