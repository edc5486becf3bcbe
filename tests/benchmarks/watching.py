"""What `trainwell.watch` costs in a plain loop: `python -m tests.benchmarks.watching [--rounds N]`.

The same loop trains the same network twice at once in each round, watched and not, by turns of a few steps, with one
thread. Prints microseconds a step, and the median over the rounds of the watched time over the other one.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import nn

import trainwell
from tests.benchmarks.turns import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS, ROWS, BATCH, CLASSES = 800, 6400, 64, 10
# Steps of a turn.
TURN = 8
NETWORKS = {
    "mlp": lambda: nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, CLASSES)
    ),
    "cnn": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(), nn.Flatten(), nn.Linear(64 * 64, CLASSES),
    ),
}  # fmt: skip


def train(name: str, pass_on: Callable[[], None], *, watched: bool) -> None:
    """One training by turns of some steps, reading and findings included."""
    torch.manual_seed(0)
    model, loss_of = NETWORKS[name](), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    rows, target = torch.randn(ROWS, 64), torch.randint(0, CLASSES, (ROWS,))
    watch = trainwell.watch(model, optimizer, loss=loss_of, on_finding=lambda _: None) if watched else None
    for step in range(STEPS):
        batch = slice(step * BATCH % ROWS, step * BATCH % ROWS + BATCH)
        x, y = rows[batch], target[batch]
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if watch is not None:
            watch.step(loss, batch=(x, y))
        if step % TURN == 0:
            pass_on()
    if watch is not None:
        watch.close()


def one_round(name: str, *, watched_first: bool) -> dict[str, float]:
    """Seconds of the watched loop and of the plain one."""
    both = {
        "watched": lambda pass_on: train(name, pass_on, watched=True),
        "plain": lambda pass_on: train(name, pass_on, watched=False),
    }
    return side_by_side(both if watched_first else dict(reversed(both.items())))


def main(arguments: list[str] | None = None) -> int:
    """Print a line a network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(arguments).rounds
    torch.set_num_threads(1)
    for name in NETWORKS:
        # The first round warms up.
        times = [one_round(name, watched_first=number % 2 == 0) for number in range(rounds + 1)][1:]
        cost = median(one["watched"] / one["plain"] for one in times) - 1
        step = median(one["plain"] for one in times) / STEPS
        sys.stdout.write(f"{name}: {1e6 * step:.0f} us a step, watching {cost:+.1%} of it\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
