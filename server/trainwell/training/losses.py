"""Tasks: what is minimised and what is reported, for classification and for regression.

A loss is the mean over the rows of a batch, in nats for classification and in squared standard deviations of the
target for regression. Validation uses the very function that training minimises, so the two curves can be compared.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone reads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from trainwell.contract.specs import PreparedData, TrainConfig

Metrics = dict[str, float]


class Task(Protocol):
    """What the loop needs to know of a task."""

    score_name: str

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a whole batch. output: (B, K) or (B, 1); target: (B,). Returns: ()."""
        ...

    def loss_sum(self, output: Tensor, target: Tensor) -> Tensor:
        """Sum of the losses of some rows of a batch; over `divisor` of the whole batch it is their part of the mean."""
        ...

    def divisor(self, target: Tensor) -> Tensor | int:
        """What the sum of losses of this batch is divided by."""
        ...

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        """The sums over some validation rows that `metrics` needs, on the device. Returns: (3,) float32."""
        ...

    def metrics(self, tallies: Sequence[Sequence[float]], rows: int) -> Metrics:
        """Validation metrics from all tallies."""
        ...

    def expected_initial_loss(self) -> float:
        """The loss of a network that knows nothing yet."""
        ...


class Classification:
    """Cross entropy with optional class weights and label smoothing.

    Args:
        num_classes: K.
        weights: (K,) float32 on the device, or None for equal weights.
        smoothing: Share of the target that is spread over all classes.
    """

    score_name = "val_accuracy"

    def __init__(self, num_classes: int, weights: Tensor | None, smoothing: float) -> None:
        self.num_classes = num_classes
        self.weights = weights
        self.smoothing = smoothing

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss`. output: (B, K) logits; target: (B,) int64."""
        return F.cross_entropy(output, target, self.weights, label_smoothing=self.smoothing)

    def loss_sum(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss_sum`."""
        return F.cross_entropy(output, target, self.weights, reduction="sum", label_smoothing=self.smoothing)

    def divisor(self, target: Tensor) -> Tensor | int:
        """Rows, or the sum of their classes' weights."""
        return len(target) if self.weights is None else self.weights[target].sum()

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        """Sum of losses, their divisor, rows that are right."""
        right = (output.argmax(1) == target).sum()
        divisor = torch.as_tensor(self.divisor(target), device=output.device)
        return torch.stack([self.loss_sum(output, target), divisor.float(), right.float()])

    def metrics(self, tallies: Sequence[Sequence[float]], rows: int) -> Metrics:
        """val_loss and val_accuracy."""
        loss, divisor, right = (math.fsum(column) for column in zip(*tallies, strict=True))
        return {"val_loss": loss / divisor if divisor else math.nan, "val_accuracy": right / rows}

    def expected_initial_loss(self) -> float:
        """Ln K: every class equally likely."""
        return math.log(self.num_classes)


class Regression:
    """Mean squared error on the standardised target.

    Args:
        target_std: Scale of the target, to report errors in original units.
        validation_target: (rows,) float32 standardised, for the spread that r2 compares with.
    """

    score_name = "val_r2"

    def __init__(self, target_std: float, validation_target: np.ndarray) -> None:
        self.target_std = target_std
        target = validation_target.astype(np.float64)
        self.spread = float(((target - target.mean()) ** 2).sum()) if len(target) else 0.0

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss`. output: (B, 1); target: (B,) float32."""
        return F.mse_loss(output.squeeze(1), target)

    def loss_sum(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss_sum`."""
        return F.mse_loss(output.squeeze(1), target, reduction="sum")

    def divisor(self, target: Tensor) -> Tensor | int:
        """Rows."""
        return len(target)

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        """Sum of squared errors, rows, and nothing."""
        rows = torch.full((), float(len(target)), device=output.device)
        return torch.stack([self.loss_sum(output, target), rows, torch.zeros_like(rows)])

    def metrics(self, tallies: Sequence[Sequence[float]], rows: int) -> Metrics:
        """val_loss, val_r2 (0 when the validation target does not vary) and val_rmse in original units."""
        squared = math.fsum(tally[0] for tally in tallies)
        return {
            "val_loss": squared / rows,
            "val_r2": 1 - squared / self.spread if self.spread else 0.0,
            "val_rmse": math.sqrt(squared / rows) * self.target_std,
        }

    def expected_initial_loss(self) -> float:
        """The variance of a standardised target."""
        return 1.0


def balanced_weights(target: np.ndarray, num_classes: int) -> np.ndarray:
    """Class weights that give every class the same say: rows / (classes * rows of the class).

    Args:
        target: (rows,) int64 class numbers of the training rows.
        num_classes: K.

    Returns:
        (K,) float32; a class without rows gets 1.
    """
    counts = np.bincount(target, minlength=num_classes).astype(np.float64)
    present = np.count_nonzero(counts)
    weights = np.ones(num_classes)
    np.divide(len(target), present * counts, out=weights, where=counts > 0)
    return weights.astype(np.float32)


def make_task(
    data: PreparedData,
    config: TrainConfig,
    train_target: np.ndarray,
    validation_target: np.ndarray,
    device: torch.device,
) -> Task:
    """The task of prepared data under a config."""
    if data.task == "regression":
        return Regression(data.target_std, validation_target)
    weights = None
    if config.class_weights == "balanced":
        weights = torch.from_numpy(balanced_weights(train_target, data.num_outputs)).to(device)
    return Classification(data.num_outputs, weights, config.label_smoothing)
