"""Copies of a network's weights and buffers: the initial ones, the best, and those that an average stands in for."""

# torch has no public name for its list operations.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from torch import Tensor, nn


class Kept:
    """The tensors of a training network, and copies of them.

    Attributes:
        names: Of its weights and buffers.
        live: The tensors themselves: they follow the training.
        initial: As they were at the start; None once a checkpoint has taken their place.
        best: As they were when they were best; None before that.
    """

    def __init__(self, module: nn.Module) -> None:
        state = module.state_dict()
        self.names = list(state)
        self.live: list[Tensor] = list(state.values())
        self.initial: list[Tensor] | None = [tensor.clone() for tensor in self.live]
        self.best: list[Tensor] | None = None

    def keep_best(self) -> None:
        """Copy the weights as they are now; they are the best so far."""
        if self.best is None:
            self.best = [tensor.clone() for tensor in self.live]
        else:
            torch._foreach_copy_(self.best, self.live)

    def restore_best(self) -> None:
        """Put the best weights into the module."""
        if self.best is not None:
            torch._foreach_copy_(self.live, self.best)

    def restore_initial(self) -> None:
        """Go back to the weights at the start, unless a checkpoint has taken their place."""
        if self.initial is not None:
            torch._foreach_copy_(self.live, self.initial)

    @contextmanager
    def standing_in(self, values: Mapping[str, Tensor]) -> Generator[None]:
        """Within it the module holds these values; behind it, weights and buffers are as before, bit for bit."""
        before = [tensor.clone() for tensor in self.live]
        places = dict(zip(self.names, self.live, strict=True))
        torch._foreach_copy_([places[name] for name in values], list(values.values()))
        try:
            yield
        finally:
            torch._foreach_copy_(self.live, before)
