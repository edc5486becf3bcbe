"""What `trainwell.watch` costs in a plain loop: `python -m tests.benchmarks.watching [--rounds N]`.

The same loop trains the same network twice in each round, watched and not, in changing order, in one process with one
thread. Prints microseconds a step, and the median over the rounds of the watched time over the other one.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median

import torch
from torch import nn

import trainwell

STEPS, ROWS, BATCH, CLASSES = 800, 6400, 64, 10
NETWORKS = {
    "mlp": lambda: nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, CLASSES)
    ),
    "cnn": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(), nn.Flatten(), nn.Linear(64 * 64, CLASSES),
    ),
}  # fmt: skip


def seconds(name: str, *, watched: bool) -> float:
    """Time of the steps of one training, reading and findings included."""
    torch.manual_seed(0)
    model, loss_of = NETWORKS[name](), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    rows, target = torch.randn(ROWS, 64), torch.randint(0, CLASSES, (ROWS,))
    watch = trainwell.watch(model, optimizer, loss=loss_of, on_finding=lambda _: None) if watched else None
    began = time.perf_counter()
    for step in range(STEPS):
        batch = slice(step * BATCH % ROWS, step * BATCH % ROWS + BATCH)
        x, y = rows[batch], target[batch]
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if watch is not None:
            watch.step(loss, batch=(x, y))
    if watch is not None:
        watch.close()
    return time.perf_counter() - began


def main(arguments: list[str] | None = None) -> int:
    """Print a line a network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(arguments).rounds
    torch.set_num_threads(1)
    for name in NETWORKS:
        times: dict[bool, list[float]] = {True: [], False: []}
        for number in range(rounds + 1):  # the first warms up
            for watched in (True, False) if number % 2 else (False, True):
                taken = seconds(name, watched=watched)
                if number:
                    times[watched].append(taken)
        cost = median(on / off for on, off in zip(times[True], times[False], strict=True)) - 1
        sys.stdout.write(f"{name}: {1e6 * median(times[False]) / STEPS:.0f} us a step, watching {cost:+.1%} of it\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
