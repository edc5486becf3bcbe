"""Threads on a shared machine: `python -m tests.benchmarks.neighbour [--rounds N] [--spincount N]`.

The best hand-written loop with one thread and with torch's default of all cores, and the engine, which decides while
it trains; on an idle machine and beside processes that keep all cores but one busy. Each run has a process of its
own, because idle OpenMP threads of one run would slow the next. `one thread` of the same round is 1.00.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from statistics import median

import torch

from tests.benchmarks.loops import LOOPS
from tests.benchmarks.works import Work, flat_images, perceptron

WORK = Work(
    name="wide",
    what="MLP 784-1024-1024-10 on 2,560 x 784, batch 256",
    batch_size=256,
    rows=lambda: flat_images(2560),
    network=lambda: perceptron(784, (1024, 1024), 10),
)
EPOCHS = 16
# name -> (loop, threads; None leaves them to the loop)
CASES = {"one thread": ("bulk_fused", 1), "all cores": ("bulk_fused", os.cpu_count() or 1), "engine": ("engine", None)}
# With a busy neighbour the engine may be slower than one thread by this ratio at most.
BUSY_LIMIT = 1.3
LONGEST_SECONDS = 120


def child(case: str) -> None:
    """One run in a process of its own; prints seconds per step."""
    loop, threads = CASES[case]
    if threads is not None:
        torch.set_num_threads(threads)
    rows = WORK.rows()
    torch.manual_seed(0)
    module = WORK.network()
    steps = EPOCHS * -(-len(rows) // WORK.batch_size)
    sys.stdout.write(f"{LOOPS[loop](module, rows, WORK, EPOCHS) / steps}\n")


def seconds_per_step(case: str, environment: dict[str, str]) -> float:
    """Run one case; infinity when it takes longer than anyone would wait."""
    command = [sys.executable, "-m", "tests.benchmarks.neighbour", "--child", case]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        return float("inf")
    return float(done.stdout)


def measure(busy: int, rounds: int, environment: dict[str, str]) -> dict[str, list[float]]:
    """Seconds per step of every case in every round, beside this many busy processes."""
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        times: dict[str, list[float]] = {case: [] for case in CASES}
        for _ in range(rounds):
            for case in CASES:
                times[case].append(seconds_per_step(case, environment))
        return times
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()


def main() -> int:
    """Print both tables; 0 when the engine stays within its limit beside a busy neighbour."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spincount", type=int, help="GOMP_SPINCOUNT of the runs")
    parser.add_argument("--child", choices=CASES)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return 0
    environment = dict(os.environ)
    if options.spincount is not None:
        environment["GOMP_SPINCOUNT"] = str(options.spincount)
    cores = os.cpu_count() or 1
    ratios: dict[str, float] = {}
    for name, busy in (("idle", 0), ("busy", max(1, cores - 1))):
        times = measure(busy, options.rounds, environment)
        sys.stdout.write(f"\n{name}: {WORK.what}, {busy} busy neighbours, {cores} cores\n")
        for case, seconds in times.items():
            value = median(a / b for a, b in zip(seconds, times["one thread"], strict=True))
            sys.stdout.write(f"{case:12}{1e3 * median(seconds):10.2f} ms/step{value:8.2f}\n")
            ratios[f"{name} {case}"] = value
    met = ratios["busy engine"] <= BUSY_LIMIT
    verdict = "ok" if met else "MISSED"
    sys.stdout.write(f"busy: engine / one thread = {ratios['busy engine']:.2f}, limit {BUSY_LIMIT}: {verdict}\n")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
