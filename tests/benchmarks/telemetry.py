"""What looking at steps costs: `python -m tests.benchmarks.telemetry [--rounds N] [--works mlp,cnn]`.

The engine trains the same network twice in each round, watched and not, in turn and in changing order, in one process
with one thread. A ratio is the median over the rounds of the time of the steps (all that a step waits for, reading
included; not validation) watched by that unwatched, and `spread` is the distance of the quartiles of the rounds.
`cpu` is the same of the CPU time of the whole call, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from statistics import median, quantiles
from typing import TYPE_CHECKING

import torch

from tests.benchmarks.loops import fit_seconds
from tests.benchmarks.works import WORKS

if TYPE_CHECKING:
    from tests.benchmarks.works import Work

# The share of a step that all telemetry may cost.
LIMIT = 0.03
# Optimizer steps of a run at least: the first steps of a run are looked at more often than those that follow.
STEPS = 800


def measure(work: Work, rounds: int, steps: int) -> dict[str, float | str]:
    """The row of a work. The first round warms up and is left out."""
    rows = work.rows()
    epochs = max(1, round(steps / -(-len(rows) // work.batch_size)))
    times: dict[bool, list[float]] = {True: [], False: []}
    cpu: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds + 1):
        for watch in (True, False) if number % 2 else (False, True):
            torch.manual_seed(number)
            module, before = work.network(), time.process_time()
            seconds = fit_seconds(module, rows, work, epochs, "fp32", watch=watch)
            if number:
                times[watch].append(seconds)
                cpu[watch].append(time.process_time() - before)
    ratios = [on / off for on, off in zip(times[True], times[False], strict=True)]
    low, _, high = quantiles(ratios, n=4)
    taken = epochs * -(-len(rows) // work.batch_size)
    return {
        "work": work.name,
        "us_per_step": 1e6 * median(times[False]) / taken,
        "cost": median(ratios) - 1,
        "spread": high - low,
        "cpu": median(on / off for on, off in zip(cpu[True], cpu[False], strict=True)) - 1,
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the rows; 0 when every cost is within the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--works", default="mlp,cnn")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    missed = False
    for name in options.works.split(","):
        row = measure(WORKS[name], options.rounds, options.steps)
        missed |= float(row["cost"]) > LIMIT
        words = "{work}: {us_per_step:.0f} us a step, telemetry {cost:+.2%} of it (quartiles {spread:.2%} apart)"
        words += ", CPU {cpu:+.2%}"
        sys.stdout.write((json.dumps(row) if options.json else words.format(**row)) + "\n")
        sys.stdout.flush()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
