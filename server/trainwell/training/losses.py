"""Tasks: what is minimised and what is reported.

A loss is the mean over the rows of a batch: in nats for classes (the mean over the labels for multilabel), in squared
standard deviations of the target, averaged over its values, for everything else. Validation uses the very function
that training minimises, so the two curves can be compared.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone reads

from trainwell.contract.scores import ACCURACY, BALANCED_ACCURACY, MOST_COUNTED, balanced_rows, score_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from trainwell.contract.specs import PreparedData, TrainConfig

Metrics = dict[str, float]

# Values of the validation target that are looked at together.
SPREAD_VALUES = 4_000_000


class Task(Protocol):
    """What the loop needs to know of a task."""

    score_name: str

    def standard_error(self, score: float, rows: int) -> float:
        """Of a score on so many rows; 0 where it is not known."""
        ...

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a whole batch. Returns: ().

        Args:
            output: (B, K), or (M * B, K) of a network of M members, which in training answer each for itself.
            target: (B, ...), see `PreparedData`.
        """
        ...

    def loss_sum(self, output: Tensor, target: Tensor) -> Tensor:
        """Sum of the losses of some rows of a batch; over the rows of the whole batch it is their part of the mean."""
        ...

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        """The sums over some rows that `metrics` and `classes` need, on the device. Returns: (n,) float32."""
        ...

    def metrics(self, tallies: Sequence[Sequence[float]], rows: int) -> Metrics:
        """Validation metrics from all tallies."""
        ...

    def classes(self, tallies: Sequence[Sequence[float]]) -> dict[str, Any]:
        """How the classes fared, by names of `EpochRecord`; empty where there are none or too many."""
        ...

    def row_losses(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each row, and whether it is wrong (NaN where that means nothing). Returns: (2, B) float32."""
        ...

    def expected_initial_loss(self) -> float:
        """The loss of a network that knows nothing yet."""
        ...


class Classification:
    """Cross entropy with optional class weights and label smoothing.

    Weighted losses are divided by the rows of their batch, not by the weights in it, as torch does: where most batches
    hold no row of a rare class, each of those would pull with full force, and the one that has such a row no more than
    any of them, so that its weight would be lost.

    Args:
        num_classes: K.
        weights: (K,) float32 on the device, or None for equal weights.
        smoothing: Share of the target that is spread over all classes.
        judged: (rows,) int64 class numbers of the rows that the score is of; they tell how sure it is.
    """

    def __init__(
        self, num_classes: int, weights: Tensor | None, smoothing: float, judged: np.ndarray | None = None
    ) -> None:
        self.num_classes = num_classes
        self.weights = weights
        self.smoothing = smoothing
        self.score_name = score_name("classification", num_classes, weighted=weights is not None)
        self.judged_rows: float | None = None
        if judged is not None and self.score_name == BALANCED_ACCURACY:
            self.judged_rows = balanced_rows(np.bincount(judged).tolist())

    def standard_error(self, score: float, rows: int) -> float:
        """See `Task.standard_error`: that of a share."""
        known = rows if self.judged_rows is None else self.judged_rows
        return math.sqrt(max(0.0, score * (1 - score)) / known)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss`. output: (B, K) logits; target: (B,) int64, or (B, K) shares of the classes from mixup."""
        if self.weights is not None:
            return self.loss_sum(output, target) / len(target)
        return F.cross_entropy(output, _for_each(output, target), label_smoothing=self.smoothing)

    def loss_sum(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss_sum`."""
        each = _for_each(output, target)
        total = F.cross_entropy(output, each, self.weights, reduction="sum", label_smoothing=self.smoothing)
        return total * (len(target) / len(output))

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        """Sum of losses, rows that are right; then by class named, due and rightly named."""
        named = output.argmax(1)
        right = (named == target).float()
        sums = torch.stack([self.loss_sum(output, target), right.sum()])
        if self.num_classes > MOST_COUNTED:
            return sums
        counts = torch.zeros(3, output.shape[1], device=output.device)
        ones = torch.ones_like(right)
        for place, (classes, weights) in enumerate(((named, ones), (target, ones), (target, right))):
            counts[place].index_add_(0, classes, weights)
        return torch.cat([sums, counts.flatten()])

    def metrics(self, tallies: Sequence[Sequence[float]], rows: int) -> Metrics:
        """val_loss and val_accuracy, and val_balanced_accuracy where the classes are counted."""
        loss, right = (math.fsum(column) for column in zip(*(tally[:2] for tally in tallies), strict=True))
        metrics = {"val_loss": loss / rows, ACCURACY: right / rows}
        recalls = [one for one in self.classes(tallies).get("recalls", ()) if one is not None]
        return metrics | {BALANCED_ACCURACY: math.fsum(recalls) / len(recalls)} if recalls else metrics

    def classes(self, tallies: Sequence[Sequence[float]]) -> dict[str, Any]:
        """How often each class was named, and the share of its rows that was found."""
        sums = [int(math.fsum(column)) for column in zip(*(tally[2:] for tally in tallies), strict=True)]
        third = len(sums) // 3
        named, due, found = sums[:third], sums[third : 2 * third], sums[2 * third :]
        recalls = [one / of if of else None for one, of in zip(found, due, strict=True)]
        return {"predicted": named, "recalls": recalls} if sums else {}

    def row_losses(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.row_losses`; without weights and smoothing, so that runs can be compared."""
        wrong = (output.argmax(1) != target).float()
        return torch.stack([F.cross_entropy(output.float(), target, reduction="none"), wrong])

    def expected_initial_loss(self) -> float:
        """Ln K: every class equally likely."""
        return math.log(self.num_classes)


class Multilabel:
    """Binary cross entropy of each label, averaged over the labels.

    Args:
        positive_weights: (K,) float32 on the device, how much a label that applies counts; None for equal weights.
        smoothing: Share of the target that moves towards one half.
    """

    score_name = "val_f1"

    def __init__(self, positive_weights: Tensor | None, smoothing: float) -> None:
        self.positive_weights = positive_weights
        self.smoothing = smoothing

    def standard_error(self, score: float, rows: int) -> float:  # noqa: ARG002 - others have one
        """Not known."""
        return 0.0

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss`. output: (B, K) logits; target: (B, K) float32."""
        return self.loss_sum(output, target) / len(target)

    def loss_sum(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss_sum`."""
        if self.smoothing:
            target = target * (1 - self.smoothing) + self.smoothing / 2
        each = _for_each(output, target)
        total = F.binary_cross_entropy_with_logits(output, each, reduction="sum", pos_weight=self.positive_weights)
        return total * (len(target) / output.numel())

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        """Sum of losses, labels rightly given, labels given or due."""
        given, due = output > 0, target > 0.5
        return torch.stack([
            self.loss_sum(output, target), (given & due).sum().float(), (given.sum() + due.sum()).float()
        ])  # fmt: skip

    def metrics(self, tallies: Sequence[Sequence[float]], rows: int) -> Metrics:
        """val_loss, and val_f1 over all labels of all rows (micro)."""
        loss, right, either = (math.fsum(column) for column in zip(*tallies, strict=True))
        return {"val_loss": loss / rows, "val_f1": 2 * right / either if either else 0.0}

    def classes(self, tallies: Sequence[Sequence[float]]) -> dict[str, Any]:  # noqa: ARG002 - others have some
        """None."""
        return {}

    def row_losses(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.row_losses`. A row is wrong where any of its labels is."""
        losses = F.binary_cross_entropy_with_logits(output.float(), target, reduction="none").mean(1)
        return torch.stack([losses, ((output > 0) != (target > 0.5)).any(1).float()])

    def expected_initial_loss(self) -> float:
        """Ln 2: every label as likely as not."""
        return math.log(2)


class Values:
    """Mean squared error on standardised values: regression, forecasting and reconstruction.

    Args:
        validation_target: (rows, ...) standardised, for the spread that r2 compares with.
        target_std: Scale of the target, to report errors in original units; None leaves them out.
        scale: Mean and deviation, each broadcastable to a target (B, ...), where it lies unstandardised (images).
    """

    score_name = "val_r2"

    def __init__(
        self, validation_target: np.ndarray, target_std: float | None, scale: tuple[Tensor, Tensor] | None = None
    ) -> None:
        self.target_std = target_std
        self.scale = scale
        self.values = max(1, math.prod(validation_target.shape[1:]))
        self.spread = self._spread(validation_target)

    def standard_error(self, score: float, rows: int) -> float:  # noqa: ARG002 - others have one
        """Not known."""
        return 0.0

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss`. output: (B, values); target: (B, ...)."""
        return F.mse_loss(output, _for_each(output, self._standard(target)))

    def loss_sum(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.loss_sum`."""
        total = F.mse_loss(output, _for_each(output, self._standard(target)), reduction="sum")
        return total * (len(target) / len(output) / self.values)

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        """Sum of squared errors, rows, and nothing."""
        rows = torch.full((), float(len(target)), device=output.device)
        return torch.stack([self.loss_sum(output, target), rows, torch.zeros_like(rows)])

    def metrics(self, tallies: Sequence[Sequence[float]], rows: int) -> Metrics:
        """val_loss, val_r2 (0 when the validation target does not vary) and val_rmse in original units."""
        squared = math.fsum(tally[0] for tally in tallies)
        metrics = {"val_loss": squared / rows, "val_r2": 1 - squared / self.spread if self.spread else 0.0}
        return metrics if self.target_std is None else metrics | {"val_rmse": _root(squared / rows) * self.target_std}

    def classes(self, tallies: Sequence[Sequence[float]]) -> dict[str, Any]:  # noqa: ARG002 - others have some
        """None."""
        return {}

    def row_losses(self, output: Tensor, target: Tensor) -> Tensor:
        """See `Task.row_losses`."""
        losses = F.mse_loss(output.float(), self._standard(target), reduction="none").mean(1)
        return torch.stack([losses, torch.full_like(losses, torch.nan)])

    def expected_initial_loss(self) -> float:
        """The variance of a standardised target."""
        return 1.0

    def _standard(self, target: Tensor) -> Tensor:
        if self.scale is not None:
            target = (target.float() - self.scale[0]) / self.scale[1]
        return target.flatten(1) if target.ndim > 1 else target.unsqueeze(1)

    def _spread(self, target: np.ndarray) -> float:
        """Sum of squared distances from the mean of each value, divided by the number of values of a row."""
        if not len(target):
            return 0.0
        mean = torch.stack([rows.sum(0) for rows in self._pieces(target)]).sum(0) / len(target)
        squares = [((rows - mean) ** 2).sum() for rows in self._pieces(target)]
        return float(torch.stack(squares).sum()) / self.values

    def _pieces(self, target: np.ndarray) -> Iterator[Tensor]:
        """The standardised target in float64, a few rows at a time: images would fill the memory."""
        step = max(1, SPREAD_VALUES // self.values)
        for first in range(0, len(target), step):
            yield self._standard(torch.from_numpy(np.array(target[first : first + step])).to(self._device())).double()

    def _device(self) -> torch.device:
        return self.scale[0].device if self.scale is not None else torch.device("cpu")


def _for_each(output: Tensor, target: Tensor) -> Tensor:
    """The target of each row of the output: of all rows once more for each member of a network that has members."""
    members = len(output) // len(target)
    return target if members == 1 else target.repeat(members, *[1] * (target.ndim - 1))


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


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
    balanced = config.class_weights == "balanced"
    if data.task == "classification":
        weights = balanced_weights(train_target, data.num_outputs) if balanced else None
        return Classification(data.num_outputs, _on(weights, device), config.label_smoothing, validation_target)
    if data.task == "multilabel":
        weights = positive_weights(train_target) if balanced else None
        return Multilabel(_on(weights, device), config.label_smoothing)
    image = data.inputs[0] if data.task == "reconstruction" and data.inputs[0].role == "image" else None
    scale = None if image is None else (_channels(image.mean or (0.0,), device), _channels(image.std or (1.0,), device))
    return Values(validation_target, data.target_std if data.task == "regression" else None, scale)


def positive_weights(target: np.ndarray) -> np.ndarray:
    """How much a label that applies counts, so that it weighs as much as its absence: absent / present, at most 100.

    Args:
        target: (rows, K) 0 or 1, of the training rows.
    """
    present = target.sum(axis=0, dtype=np.float64)
    return np.clip((len(target) - present) / np.maximum(present, 1), 0.01, 100.0).astype(np.float32)


def _on(weights: np.ndarray | None, device: torch.device) -> Tensor | None:
    return None if weights is None else torch.from_numpy(weights).to(device)


def _channels(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device).view(-1, 1, 1)
