"""Sixteen small perceptrons trained together, against one after another: `python -m tests.benchmarks.together`.

Both sides train the same networks on the same batches for the same epochs, in one thread of one process, by turns; what
is told is the median of the rounds' ratios. Time is the process's own (CPU), for a neighbour's work is none of it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

from tests.benchmarks.loops import Arrays, run_spec
from tests.benchmarks.works import WORKS, table
from trainwell import architectures
from trainwell.training.fit import FitJob, fit
from trainwell.training.together import Member, train_together

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT, EPOCHS, ROUNDS, LIMIT = 16, 5, 5, 0.5
OPTIONS = {"hidden_dims": [64, 64], "dropout": 0.1, "batch_norm": False}


def main() -> int:
    """Measure, print, and fail above the limit."""
    torch.set_num_threads(1)
    rows = table()
    arrays = Arrays((rows.inputs[0].numpy(),), rows.target.numpy())
    validation = Arrays((arrays.inputs[0][:1000],), arrays.target[:1000])
    spec = run_spec(WORKS["tab"], rows, EPOCHS, "fp32")

    def network() -> torch.nn.Module:
        return architectures.build("mlp", OPTIONS, rows.shapes())

    def one_after_another() -> None:
        for _ in range(COUNT):
            with tempfile.TemporaryDirectory() as folder:
                fit(FitJob(spec=spec, module=network(), train=arrays, validation=validation, folder=Path(folder) / "c"))

    def together() -> None:
        train_together(spec, [Member(network(), spec.config.lr, 0.01) for _ in range(COUNT)], arrays, validation)

    ratios: list[float] = []
    for number in range(ROUNDS):
        seconds = [_seconds(way) for way in (one_after_another, together)]
        ratios.append(seconds[1] / seconds[0])
        print(f"round {number + 1}: {seconds[0]:.2f} s, together {seconds[1]:.2f} s", flush=True)  # noqa: T201
    print(f"{COUNT} together take {median(ratios):.2f} of the time (at most {LIMIT})")  # noqa: T201
    return int(median(ratios) > LIMIT)


def _seconds(way: Callable[[], None]) -> float:
    start = time.process_time()
    way()
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
