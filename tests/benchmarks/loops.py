"""The loops that are compared. Each trains a network for some epochs and returns the seconds of the training part."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests import factories
from tests.factories import model_spec, prepared_data, train_config
from trainwell.contract.specs import RunSpec
from trainwell.training.fit import FitJob, fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tests.benchmarks.works import Inputs, Work

LR = 1e-3


def seed(module: nn.Module, x: Inputs, y: Tensor, work: Work) -> float:
    """The loop of the seed's text: a DataLoader over a TensorDataset, AdamW as it comes, .item() each step."""
    start = time.perf_counter()
    loader = DataLoader(TensorDataset(*x, y), batch_size=work.batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR)
    total = 0.0
    for _ in range(work.epochs):
        for *inputs, target in loader:
            optimizer.zero_grad()
            loss = work.loss(module(*inputs), target)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(target)
    return time.perf_counter() - start


def bulk_fused(module: nn.Module, x: Inputs, y: Tensor, work: Work) -> float:
    """The best hand-written loop: one permutation an epoch, index_select, fused AdamW, nothing measured.

    Images lie in channels_last, as the engine has them.
    """
    start = time.perf_counter()
    if any(isinstance(layer, nn.Conv2d) for layer in module.modules()):
        module.to(memory_format=torch.channels_last)
        x = tuple(column.contiguous(memory_format=torch.channels_last) if column.ndim == 4 else column for column in x)
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR, fused=True)
    total = torch.zeros(())
    for _ in range(work.epochs):
        order = torch.randperm(len(y))
        for first in range(0, len(y), work.batch_size):
            index = order[first : first + work.batch_size]
            inputs = [column.index_select(0, index) for column in x]
            loss = work.loss(module(*inputs), y.index_select(0, index))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            total += loss.detach()
    total.item()
    return time.perf_counter() - start


def engine(module: nn.Module, x: Inputs, y: Tensor, work: Work) -> float:
    """Our engine in fp32, with clipping, all telemetry, progress reports, validation and checkpoints."""
    return _fit(module, x, y, work, "fp32")


def engine_auto(module: nn.Module, x: Inputs, y: Tensor, work: Work) -> float:
    """The same with precision auto: what a user gets."""
    return _fit(module, x, y, work, "auto")


def lightning(module: nn.Module, x: Inputs, y: Tensor, work: Work) -> float:
    """Lightning's Trainer with self.log each step; all else switched off."""
    import logging
    import warnings

    import pytorch_lightning as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
            loss = work.loss(self.module(*batch[:-1]), batch[-1])
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
    trainer = pl.Trainer(max_epochs=work.epochs, accelerator="cpu", devices=1, **quiet)
    trainer.fit(Module(), DataLoader(TensorDataset(*x, y), batch_size=work.batch_size, shuffle=True))
    return time.perf_counter() - start


LOOPS: dict[str, Callable[[nn.Module, Inputs, Tensor, Work], float]] = {
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


def run_spec(work: Work, rows: int, precision: str) -> RunSpec:
    """A run of this work with the defaults of `train`, but constant learning rate and no early end."""
    classes = tuple(str(number) for number in range(work.num_classes))
    shape = () if classes else work.inputs[0].shape
    config = train_config(
        epochs=work.epochs, lr=LR, batch_size=work.batch_size, scheduler="constant", warmup=0.0, precision=precision
    )
    return factories.run_spec(
        model=model_spec(shapes=work.shapes),
        data=prepared_data(
            task=work.shapes.task,
            inputs=work.inputs,
            classes=classes,
            class_counts=(),
            target_shape=shape,
            splits={"train": rows},
        ),
        config=config,
    )


def _fit(module: nn.Module, x: Inputs, y: Tensor, work: Work, precision: str) -> float:
    seconds: list[float] = []
    columns = tuple(column.numpy() for column in x)
    train = Arrays(columns, y.numpy())
    validation = Arrays(tuple(column[:512] for column in columns), y[:512].numpy())
    with tempfile.TemporaryDirectory() as folder:
        fit(
            FitJob(
                spec=run_spec(work, len(y), precision),
                module=module,
                train=train,
                validation=validation,
                folder=Path(folder) / "checkpoints",
                on_epoch=lambda record: seconds.append(record.train_seconds or 0.0),
                on_progress=lambda *_: None,
            )
        )
    return sum(seconds)
