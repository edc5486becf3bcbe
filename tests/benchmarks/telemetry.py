"""What looking at steps costs: `python -m tests.benchmarks.telemetry [--rounds N] [--works mlp,cnn]`.

In each round the engine trains the same network twice at once, watched and not, on one core and by turns of a few
steps. A round's cost is the time of all turns of the watched run beside that of the other; told are the median of the
rounds and how far their quartiles lie apart. The time is all that a training takes: reading, validation and checkpoints
are in it, as they are in life.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from statistics import median, quantiles
from typing import TYPE_CHECKING

import torch

from tests.benchmarks.loops import fit_seconds
from tests.benchmarks.turns import side_by_side
from tests.benchmarks.works import WORKS
from trainwell.training.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.works import Rows, Work

# The share of a step that all telemetry may cost.
LIMIT = 0.03
# Optimizer steps of a run at least: the first steps of a run are looked at more often than those that follow.
STEPS = 800
# Steps of a turn.
TURN = 4


class TakingTurns(Pulse):
    """A pulse that ends a turn after some beats."""

    def __init__(self, pass_on: Callable[[], None]) -> None:
        self._pass_on, self._beats = pass_on, 0
        super().__init__()

    @property
    def beats(self) -> int:
        """Steps and other pieces of work done."""
        return self._beats

    @beats.setter
    def beats(self, count: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._beats = count
        if count and count % TURN == 0:
            self._pass_on()


def cost_of(work: Work, rows: Rows, epochs: int, *, watched_first: bool) -> float:
    """One round: the time of the watched run by that of the other, less one."""

    def train(pass_on: Callable[[], None], *, watch: bool) -> None:
        fit_seconds(work.network(), rows, work, epochs, "fp32", watch=watch, pulse=TakingTurns(pass_on))

    both = {"watched": lambda pass_on: train(pass_on, watch=True), "plain": lambda pass_on: train(pass_on, watch=False)}
    order = both if watched_first else dict(reversed(both.items()))
    seconds = side_by_side(order)
    return seconds["watched"] / seconds["plain"] - 1


def measure(work: Work, rounds: int, steps: int) -> dict[str, float | str]:
    """The row of a work. The first round warms up and is left out."""
    rows = work.rows()
    epochs = max(1, round(steps / -(-len(rows) // work.batch_size)))
    costs = [cost_of(work, rows, epochs, watched_first=number % 2 == 0) for number in range(rounds + 1)][1:]
    low, _, high = quantiles(costs, n=4)
    return {"work": work.name, "cost": median(costs), "spread": high - low, "rounds": rounds}


def main(arguments: list[str] | None = None) -> int:
    """Print the rows; 0 when every cost is within the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--works", default="mlp,cnn")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    # A run that may use two cores tries them, and then two numbers of threads would be compared.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    missed = False
    for name in options.works.split(","):
        row = measure(WORKS[name], options.rounds, options.steps)
        missed |= float(row["cost"]) > LIMIT
        words = "{work}: telemetry costs {cost:+.2%} ({rounds} rounds, quartiles {spread:.2%} apart)"
        sys.stdout.write((json.dumps(row) if options.json else words.format(**row)) + "\n")
        sys.stdout.flush()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
