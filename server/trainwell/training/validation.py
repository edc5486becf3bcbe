"""Validation after each epoch, and the memory of what was best."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from trainwell.training.batches import Rows
    from trainwell.training.losses import Metrics, Task

# Without gradients, a few times the rows of a training batch fit at once.
VALIDATION_BATCHES = 8
MOST_ROWS = 4096
# The training accuracy is taken from at least so many training rows, or as many as there are to validate on.
TRAINING_SAMPLE = 512


def validate(module: nn.Module, task: Task, rows: Rows, chunk: int, beat: Callable[[], None] = lambda: None) -> Metrics:
    """Metrics over all rows of a split, in full precision, as `evaluate` will compute them.

    Args:
        module: Left in evaluation mode.
        task: Gives the metrics.
        rows: The split.
        chunk: Rows at a time.
        beat: Called after each chunk.
    """
    module.eval()
    with torch.no_grad():
        tallies = [
            _tally(module, task, rows, slice(first, min(first + chunk, rows.count)), beat)
            for first in range(0, rows.count, chunk)
        ]
    sums = cast("list[list[float]]", torch.stack(tallies).tolist())
    return task.metrics(sums, rows.count)


def _tally(module: nn.Module, task: Task, rows: Rows, some: slice, beat: Callable[[], None]) -> torch.Tensor:
    *inputs, target = rows.part(some.start, some.stop)
    tally = task.tally(module(*inputs), target)
    beat()
    return tally


@dataclass
class Best:
    """The best epoch so far: the highest score, and among equal scores the lowest validation loss.

    Attributes:
        waited: Epochs since then.
    """

    score: float | None = None
    loss: float = math.inf
    epoch: int = 0
    step: int | None = None
    waited: int = 0
    metrics: dict[str, float] = field(default_factory=dict[str, float])

    def judge(self, score: float, metrics: Metrics, epoch: int, step: int) -> bool:
        """Take in one epoch; True when it is the best so far."""
        loss = metrics["val_loss"]
        if self.score is not None and (score, -loss) <= (self.score, -self.loss):
            self.waited += 1
            return False
        self.score, self.loss, self.epoch, self.step = score, loss, epoch, step
        self.metrics, self.waited = dict(metrics), 0
        return True
