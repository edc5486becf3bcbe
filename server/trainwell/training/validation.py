"""Validation after each epoch, and the memory of what was best."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch

from trainwell.contract.scores import OF_CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from trainwell.training.batches import Rows
    from trainwell.training.losses import Metrics, Task

# Without gradients, a few times the rows of a training batch fit at once.
VALIDATION_BATCHES = 8
MOST_ROWS = 4096
# The training accuracy is taken from at least so many training rows, or as many as there are to validate on.
TRAINING_SAMPLE = 512
# Standard errors within which a score is as good as the highest.
MARGIN = 0.5


def validate(module: nn.Module, task: Task, rows: Rows, chunk: int, beat: Callable[[], None] = lambda: None) -> Metrics:
    """Metrics over all rows of a split, in full precision, as `evaluate` will compute them; see `tallied`."""
    return task.metrics(tallied(module, task, rows, chunk, beat), rows.count)


def tallied(
    module: nn.Module, task: Task, rows: Rows, chunk: int, beat: Callable[[], None] = lambda: None
) -> list[list[float]]:
    """What the task needs to know of each chunk of a split.

    Args:
        module: Left in evaluation mode.
        task: Gives the sums.
        rows: The split.
        chunk: Rows at a time.
        beat: Called after each chunk.
    """
    return cast("list[list[float]]", _over(module, rows, chunk, beat, task.tally).tolist())


def fitted(module: nn.Module, task: Task, rows: Rows, chunk: int, beat: Callable[[], None]) -> dict[str, Any]:
    """How well a sample of the training rows is fitted, as validation sees them, by names of `EpochRecord`."""
    losses, wrong = _over(module, rows, chunk, beat, task.row_losses, join=torch.cat, dim=1).unbind()
    places = [round(share * (rows.count - 1)) for share in (0.5, 0.9, 0.99, 1.0)]
    known = torch.stack([*losses.sort().values[places], losses.mean(), wrong.mean(), (losses * wrong).mean()])
    median, p90, p99, most, mean, share, lost = cast("list[float]", known.tolist())
    spread = {"median": median, "p90": p90, "p99": p99, "max": most}
    if math.isnan(share):
        return {"fitted_loss": mean, "row_losses": spread}
    spread |= {"wrong": share, "sure": lost / share if share else 0.0}
    rightly = (rows.count - round(share * rows.count)) / rows.count
    right = {"train_accuracy": rightly} if task.score_name in OF_CLASSES else {}
    return {"fitted_loss": mean, "row_losses": spread, **right}


def _over(
    module: nn.Module, rows: Rows, chunk: int, beat: Callable[[], None], of: Callable[[Tensor, Tensor], Tensor],
    join: Callable[..., Tensor] = torch.stack, dim: int = 0,
) -> Tensor:  # fmt: skip
    """A function of outputs and targets over all rows, some at a time, in evaluation mode."""
    module.eval()
    found: list[Tensor] = []
    with torch.no_grad():
        for first in range(0, rows.count, chunk):
            *inputs, target = rows.part(first, min(first + chunk, rows.count))
            found.append(of(module(*inputs), target))
            beat()
    return join(found, dim=dim)


@dataclass
class Best:
    """The best epoch so far: of those whose score is as good as the highest, the one with the lowest validation loss.

    Of some rows, a few more that are right are chance; as good is an accuracy, plain or balanced, within half its
    standard error of the highest (as in the one-standard-error rule of Breiman et al. 1984), and of other scores the
    highest alone. On small tables (pima, contraceptive, german and banana of KEEL) the epochs chosen so were 0.01
    better on test rows than those of the highest accuracy.

    Attributes:
        top: The highest score so far.
        waited: Epochs since the best one.
    """

    score: float | None = None
    loss: float = math.inf
    epoch: int = 0
    step: int | None = None
    waited: int = 0
    top: float | None = None
    metrics: dict[str, float] = field(default_factory=dict[str, float])

    def judge(self, task: Task, metrics: Metrics, epoch: int, step: int, rows: int) -> bool:
        """Take in one epoch, judged on so many rows by the task's score; True when it is the best so far."""
        score, loss = metrics[task.score_name], metrics["val_loss"]
        self.top = score if self.top is None else max(self.top, score)
        near = self.top - MARGIN * task.standard_error(self.top, rows)
        if self.score is not None and (score < near or (self.score >= near and loss >= self.loss)):
            self.waited += 1
            return False
        self.score, self.loss, self.epoch, self.step = score, loss, epoch, step
        self.metrics, self.waited = dict(metrics), 0
        return True
