"""How long a checkpoint holds training up, beside a bare copy of the same tensors: `python -m tests.benchmarks.stall`.

Copy, save and a blocking write follow each other round by round on one network with its AdamW state; a ratio is the
median over the rounds. `steps` is how much slower a matrix product runs while a checkpoint is on its way to the disk.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

from trainwell.training.checkpoint import Checkpoint
from trainwell.training.saving import Saver

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
# A save may hold training up for this many times the copy, and for the start of a thread (s).
LIMIT, THREAD_SECONDS = 1.25, 0.005
SIZES = {"1 M": 1_000_000, "10 M": 10_000_000}  # parameters; a checkpoint has three tensors of each


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def content_of(parameters: int) -> Checkpoint:
    """Weights and two moments, in layers of a million."""
    names = [str(number) for number in range(max(1, parameters // 1_000_000))]
    tensors = {kind: {name: torch.randn(1000, 1000) for name in names} for kind in ("weight", "exp_avg", "exp_avg_sq")}
    optimizer = {f"{kind}.{name}": one for kind in ("exp_avg", "exp_avg_sq") for name, one in tensors[kind].items()}
    return Checkpoint(tensors["weight"], optimizer, {"step": 0, "epoch": 0, "best_step": 0})


def measure(parameters: int, folder: Path) -> dict[str, float]:
    """Medians over the rounds: seconds of the copy, of the save, of the write, and the slow-down of a step."""
    content = content_of(parameters)
    saver = Saver(folder, lambda _: None)
    square = torch.randn(512, 512)
    copies, saves, writes, slower = [], [], [], []
    for step in range(1, ROUNDS + 2):
        tensors = [*content.weights.values(), *content.optimizer.values()]
        alone = seconds(lambda: [square @ square for _ in range(20)])
        copies.append(seconds(lambda tensors=tensors: [one.clone() for one in tensors]))
        began = time.perf_counter()
        saves.append(seconds(lambda step=step: saver.write(step, content, None)))
        slower.append(seconds(lambda: [square @ square for _ in range(20)]) / alone)
        saver.wait()
        writes.append(time.perf_counter() - began)
    found = {"copy": copies, "save": saves, "write": writes, "steps": slower}
    return {name: median(values[1:]) for name, values in found.items()}


def main() -> int:
    """Print the table. Returns: 1 when a save holds training up for longer than it may."""
    torch.set_num_threads(1)
    worst = 0.0
    sys.stdout.write(
        "| parameters | copy ms | save ms | save / copy | write ms | steps meanwhile |\n|---|---|---|---|---|---|\n"
    )
    for name, parameters in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            found = measure(parameters, Path(folder) / "checkpoints")
        ratio = found["save"] / found["copy"]
        worst = max(worst, (found["save"] - THREAD_SECONDS) / found["copy"])
        sys.stdout.write(
            f"| {name} | {1000 * found['copy']:.1f} | {1000 * found['save']:.1f} | {ratio:.2f} | "
            f"{1000 * found['write']:.0f} | {found['steps']:.2f} |\n"
        )
    sys.stdout.write(f"limit {LIMIT}: {'kept' if worst <= LIMIT else 'BROKEN'}\n")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
