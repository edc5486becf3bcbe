"""The engine beside hand-written loops and Lightning: `python -m tests.benchmarks.engine [--rounds N] [--works tab]`.

Every family that is there has its line, with the options that it takes by itself.

All loops run in turn in one process with one thread, round by round; a ratio is the median over the rounds of a loop's
time by that of `bulk_fused` in the same round, so that a busy machine slows both. `wall` is the training part alone
(steps and telemetry), `cpu` the CPU time of the whole call: for the engine with preparation, validation, checkpoints.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import time
from statistics import median
from typing import Any

import torch

from tests.benchmarks.loops import LOOPS
from tests.benchmarks.works import WORKS, Work

BASE = "bulk_fused"
# The loops that every family is run in; the others are for the two networks of the old anchors.
FAMILY_LOOPS = ("bulk_fused", "engine", "lightning")
# (loop compared, by what, its limit as a ratio of times, work)
TARGETS = (
    ("engine", BASE, 1.10, None),
    ("engine", "lightning", 1.0, None),
    ("engine", "seed", 1 / 2.5, "tab"),
    ("engine", "seed", 1 / 1.5, "mnist"),
)
# Seconds that a run of the best hand-written loop should last, and the epochs it takes at most to get there.
RUN_SECONDS, MOST_EPOCHS = 0.7, 60


def epochs_of(work: Work) -> int:
    """Epochs that make a run of the best hand-written loop last long enough."""
    if work.epochs is not None:
        return work.epochs
    rows = work.rows()
    once = min(LOOPS[BASE](work.network(), rows, work, 1) for _ in range(2))
    return max(1, min(MOST_EPOCHS, math.ceil(RUN_SECONDS / once)))


def measure(work: Work, loops: list[str], rounds: int, epochs: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each loop in each round, wall and CPU. The first round warms up and is left out."""
    rows = work.rows()
    times: dict[str, dict[str, list[float]]] = {loop: {"wall": [], "cpu": []} for loop in loops}
    for number in range(rounds + 1):
        for loop in loops if number % 2 else reversed(loops):
            torch.manual_seed(number)
            module = work.network()
            before = time.process_time()
            wall = LOOPS[loop](module, rows, work, epochs)
            if number:
                times[loop]["cpu"].append(time.process_time() - before)
                times[loop]["wall"].append(wall)
    return times


def ratio(times: dict[str, dict[str, list[float]]], loop: str, base: str, kind: str) -> float:
    """Median of the per-round ratios."""
    return median(a / b for a, b in zip(times[loop][kind], times[base][kind], strict=True))


def table(work: Work, times: dict[str, dict[str, list[float]]], epochs: int) -> list[dict[str, Any]]:
    """One row a loop."""
    steps = epochs * -(-len(work.rows()) // work.batch_size)
    return [
        {
            "work": work.name,
            "loop": loop,
            "us_per_step": 1e6 * median(seconds["wall"]) / steps,
            "wall": ratio(times, loop, BASE, "wall"),
            "cpu": ratio(times, loop, BASE, "cpu"),
        }
        for loop, seconds in times.items()
    ]


def verdicts(work: Work, times: dict[str, dict[str, list[float]]]) -> list[str]:
    """A sentence for each target of this work."""
    lines: list[str] = []
    for loop, base, limit, only in TARGETS:
        if only not in (None, work.name) or not {loop, base} <= times.keys():
            continue
        value = ratio(times, loop, base, "wall")
        verdict = "ok" if value <= limit else "MISSED"
        lines.append(f"{work.name}: {loop} / {base} = {value:.3f}, limit {limit:.2f}: {verdict}")
    return lines


def run(work: Work, loops: list[str], rounds: int) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a work's table, and the verdicts."""
    if not work.is_here():
        return [], [f"{work.name}: skipped, there is no such family here"]
    taken = loops if work.architecture is None else [loop for loop in loops if loop in FAMILY_LOOPS]
    epochs = epochs_of(work)
    times = measure(work, taken, rounds, epochs)
    return table(work, times, epochs), verdicts(work, times)


def main(arguments: list[str] | None = None) -> int:
    """Print the table and the verdicts; 0 when every target is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--loops", default=",".join(LOOPS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    loops = options.loops.split(",")
    if "lightning" in loops and importlib.util.find_spec("pytorch_lightning") is None:
        loops.remove("lightning")
    out = sys.stdout.write
    missed = False
    for name in options.works.split(","):
        rows, lines = run(WORKS[name], loops, options.rounds)
        missed |= any("MISSED" in line for line in lines)
        if options.json:
            out("".join(json.dumps(row) + "\n" for row in rows))
        elif rows:
            out(f"\n{name}: {WORKS[name].what}, batch {WORKS[name].batch_size}, {options.rounds} rounds\n")
            out(f"{'loop':14}{'us/step':>10}{'wall':>8}{'cpu':>8}\n")
            out("".join(f"{r['loop']:14}{r['us_per_step']:10.0f}{r['wall']:8.2f}{r['cpu']:8.2f}\n" for r in rows))
        out("\n".join(lines) + "\n")
        sys.stdout.flush()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
