"""Faults of systems: memory, waiting for rows, steps that get slower."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from tests.corpus.cases import Collection
from tests.corpus.networks import Hoarder, stack_file

GROUP = "systems"


def add(to: Collection) -> None:
    """All faults of systems."""
    to.fault("a tensor larger than the machine", GROUP, "digits module", "out_of_memory",
             network=_wasteful("torch.empty(10**15)"), train={"max_attempts": 1}, mends=False)  # fmt: skip
    to.fault("a list larger than the machine", GROUP, "digits module", "host_out_of_memory",
             network=_wasteful("bytearray(10**16)"), train={"max_attempts": 1}, mends=False)  # fmt: skip
    to.fault("activations that are kept", GROUP, "python digits", "memory_leak", network=Hoarder, train={"epochs": 8},
             mends=False)  # fmt: skip
    to.fault("rows that take long to read", GROUP, "python stream", "input_bound", loader=_slow_rows,
             train={"epochs": 5}, mends=False)  # fmt: skip
    to.fault("pictures that take long to read", GROUP, "python cnn", "input_bound", loader=_slow_rows,
             train={"epochs": 8}, mends=False)  # fmt: skip
    to.fault("steps that get slower", GROUP, "python digits", "slow_steps", network=_Tiring, train={"epochs": 10},
             mends=False)  # fmt: skip


def _wasteful(what: str) -> str:
    """A network that is well until it has been called for a while: what is built is tried with a few calls."""
    forward = f"self.calls += 1\nwaste = self.calls > 60 and {what}\nreturn self.layers(x)"
    return stack_file(61, 10, after="self.calls = 0", forward=forward)


class _Slow(Dataset):
    """Rows that are read one by one from something slow; never twice the same to the last bit."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        time.sleep(0.0005)
        return self.x[place] + 1e-6 * torch.randn(()), self.y[place]


def _slow_rows(x: Tensor, y: Tensor, batch_size: int) -> DataLoader[Any]:
    return DataLoader(_Slow(x, y), batch_size=batch_size, shuffle=True)


class _Tiring(nn.Module):
    """Waits longer in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        self.steps = 0

    def forward(self, x):
        if self.training:
            self.steps += 1
            time.sleep(0.0001 * self.steps)
        return self.layers(x)
