"""The loops that are compared. Each trains a network for some epochs and returns the seconds of the training part."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests import factories
from tests.factories import model_spec, prepared_data, train_config
from trainwell.contract.specs import RunSpec
from trainwell.training.fit import FitJob, fit
from trainwell.training.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tests.benchmarks.works import Rows, Work

LR = 1e-3


def loss_of(output: Tensor, target: Tensor) -> Tensor:
    """Cross entropy of class numbers, mean squared error of values."""
    if target.is_floating_point():
        return F.mse_loss(output, target.flatten(1))
    return F.cross_entropy(output, target)


def seed(module: nn.Module, rows: Rows, work: Work, epochs: int) -> float:
    """The loop of the seed's text: a DataLoader over a TensorDataset, AdamW as it comes, .item() each step."""
    start = time.perf_counter()
    loader = DataLoader(TensorDataset(*rows.inputs, rows.target), batch_size=work.batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR)
    total = 0.0
    for _ in range(epochs):
        for *inputs, target in loader:
            optimizer.zero_grad()
            loss = loss_of(module(*inputs), target)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(target)
    return time.perf_counter() - start


def bulk_fused(module: nn.Module, rows: Rows, work: Work, epochs: int) -> float:
    """The best hand-written loop: one permutation an epoch, index_select, fused AdamW, nothing measured.

    Networks with convolutions over pictures get their memory format.
    """
    start = time.perf_counter()
    pictures = any(isinstance(layer, nn.Conv2d) for layer in module.modules())
    if pictures:
        module.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR, fused=True)
    total = torch.zeros(())
    for _ in range(epochs):
        order = torch.randperm(len(rows))
        for first in range(0, len(rows), work.batch_size):
            index = order[first : first + work.batch_size]
            inputs = [column.index_select(0, index) for column in rows.inputs]
            if pictures:
                inputs = [x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs]
            loss = loss_of(module(*inputs), rows.target.index_select(0, index))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            total += loss.detach()
    total.item()
    return time.perf_counter() - start


def engine(module: nn.Module, rows: Rows, work: Work, epochs: int) -> float:
    """Our engine in fp32, with clipping, all telemetry, progress reports, validation and checkpoints."""
    return fit_seconds(module, rows, work, epochs, "fp32")


def engine_auto(module: nn.Module, rows: Rows, work: Work, epochs: int) -> float:
    """The same with precision auto: what a user gets."""
    return fit_seconds(module, rows, work, epochs, "auto")


def lightning(module: nn.Module, rows: Rows, work: Work, epochs: int) -> float:
    """Lightning's Trainer with self.log each step; all else switched off."""
    import logging
    import warnings

    import pytorch_lightning as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
            loss = loss_of(self.module(*batch[:-1]), batch[-1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.module.parameters(), lr=LR)

    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    start = time.perf_counter()
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", devices=1, **quiet)
    trainer.fit(
        Module(), DataLoader(TensorDataset(*rows.inputs, rows.target), batch_size=work.batch_size, shuffle=True)
    )
    return time.perf_counter() - start


LOOPS: dict[str, Callable[[nn.Module, Rows, Work, int], float]] = {
    "bulk_fused": bulk_fused,
    "engine": engine,
    "engine_auto": engine_auto,
    "seed": seed,
    "lightning": lightning,
}


@dataclass(frozen=True)
class Arrays:
    """A split, as the data room gives it."""

    inputs: tuple[np.ndarray, ...]
    target: np.ndarray


def run_spec(work: Work, rows: Rows, epochs: int, precision: str) -> RunSpec:
    """A run of this work with the defaults of `train`, but constant learning rate and no early end."""
    classes = tuple(str(number) for number in range(rows.outputs)) if rows.task == "classification" else ()
    config = train_config(
        epochs=epochs, lr=LR, batch_size=work.batch_size, scheduler="constant", warmup=0.0, precision=precision
    )
    data = prepared_data(
        inputs=rows.specs, classes=classes, class_counts=(), task=rows.task, splits={"train": len(rows)},
        target_shape=tuple(rows.target.shape[1:]),
    )  # fmt: skip
    return factories.run_spec(model=model_spec(shapes=rows.shapes()), data=data, config=config)


def fit_seconds(
    module: nn.Module, rows: Rows, work: Work, epochs: int, precision: str, *, watch: bool = True,
    pulse: Pulse | None = None,
) -> float:  # fmt: skip
    """Seconds of the steps of a run of the engine."""
    seconds: list[float] = []
    train = Arrays(tuple(column.numpy() for column in rows.inputs), rows.target.numpy())
    validation = Arrays(tuple(column[:64].numpy() for column in rows.inputs), rows.target[:64].numpy())
    with tempfile.TemporaryDirectory() as folder:
        fit(
            FitJob(
                spec=run_spec(work, rows, epochs, precision),
                module=module,
                train=train,
                validation=validation,
                folder=Path(folder) / "checkpoints",
                on_epoch=lambda record: seconds.append(record.train_seconds or 0.0),
                on_progress=lambda *_: None,
                watch=watch,
                pulse=pulse or Pulse(),
            )
        )
    return sum(seconds)
