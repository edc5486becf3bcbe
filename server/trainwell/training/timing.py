"""How long things take on this machine, without a trace left behind."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Generator

    from trainwell.training.batches import Rows
    from trainwell.training.step import Stepper

TIMED_STEPS = 2


@contextmanager
def undisturbed(device: torch.device) -> Generator[None]:
    """Steps within use one thread and their random numbers are forgotten."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(threads)


def step_seconds(stepper: Stepper, rows: Rows, count: int = TIMED_STEPS) -> float:
    """The fastest of some steps at rate 0 over all these rows, after one that warms up."""
    *inputs, target = rows.part(0, rows.count)
    stepper.module.train()
    times: list[float] = []
    for _ in range(count + 1):
        start = time.perf_counter()
        loss, _ = stepper(inputs, target, 0.0)
        loss.item()
        if target.is_cuda:
            torch.cuda.synchronize(target.device)
        times.append(time.perf_counter() - start)
    return min(times[1:])
