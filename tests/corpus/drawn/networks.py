"""What a slip puts around a network, whatever the network is."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Around(nn.Module):
    """A network that something is done to in each call."""

    def __init__(self, body: nn.Module, amount: float) -> None:
        super().__init__()
        self.body, self.amount = body, amount
        self.calls = 0
        self.kept: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return self.body(self.before(x))

    def before(self, x: Tensor) -> Tensor:
        """What the network gets instead."""
        raise NotImplementedError


class DropsAlways(Around):
    """Drops a share of the inputs, in validation too."""

    def before(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.amount)


class Keeps(Around):
    """Keeps so many megabytes of each batch."""

    def before(self, x: Tensor) -> Tensor:
        if self.training:
            self.kept.append(torch.ones(int(self.amount * 2**18)))
        return x


class Tires(Around):
    """Waits so many seconds more in each step."""

    def before(self, x: Tensor) -> Tensor:
        if self.training:
            time.sleep(self.amount * self.calls)
        return x


class Bursts(Around):
    """Asks for more memory than there is after so many steps."""

    def before(self, x: Tensor) -> Tensor:
        return x + torch.zeros(10**14).sum() if self.calls > self.amount else x
