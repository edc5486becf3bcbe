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
from torch.utils.data import DataLoader, TensorDataset

from tests import factories
from tests.factories import model_spec, prepared_data, train_config
from trainwell.contract.specs import RunSpec, Shapes, TensorSpec
from trainwell.training.fit import FitJob, fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from tests.benchmarks.works import Work

LR = 1e-3

Loop = "Callable[[nn.Module, Tensor, Tensor, Work], float]"


def seed(module: nn.Module, x: Tensor, y: Tensor, work: Work) -> float:
    """The loop of the seed's text: a DataLoader over a TensorDataset, AdamW as it comes, .item() each step."""
    start = time.perf_counter()
    loader = DataLoader(TensorDataset(x, y), batch_size=work.batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR)
    total = 0.0
    for _ in range(work.epochs):
        for inputs, target in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(module(inputs), target)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
    return time.perf_counter() - start


def bulk_fused(module: nn.Module, x: Tensor, y: Tensor, work: Work) -> float:
    """The best hand-written loop: one permutation an epoch, index_select, fused AdamW, nothing measured."""
    start = time.perf_counter()
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR, fused=True)
    total = torch.zeros(())
    for _ in range(work.epochs):
        order = torch.randperm(len(y))
        for first in range(0, len(y), work.batch_size):
            index = order[first : first + work.batch_size]
            loss = F.cross_entropy(module(x.index_select(0, index)), y.index_select(0, index))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            total += loss.detach()
    total.item()
    return time.perf_counter() - start


def engine(module: nn.Module, x: Tensor, y: Tensor, work: Work) -> float:
    """Our engine in fp32, with clipping, all telemetry, progress reports, validation and checkpoints."""
    return _fit(module, x, y, work, "fp32")


def engine_auto(module: nn.Module, x: Tensor, y: Tensor, work: Work) -> float:
    """The same with precision auto: what a user gets."""
    return _fit(module, x, y, work, "auto")


def lightning(module: nn.Module, x: Tensor, y: Tensor, work: Work) -> float:
    """Lightning's Trainer with self.log each step; all else switched off."""
    import logging  # noqa: PLC0415
    import warnings  # noqa: PLC0415

    import pytorch_lightning as pl  # noqa: PLC0415 - optional

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
            loss = F.cross_entropy(self.module(batch[0]), batch[1])
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
    trainer.fit(Module(), DataLoader(TensorDataset(x, y), batch_size=work.batch_size, shuffle=True))
    return time.perf_counter() - start


LOOPS: dict[str, Callable[[nn.Module, Tensor, Tensor, Work], float]] = {
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


def run_spec(work: Work, x: Tensor, precision: str) -> RunSpec:
    """A run of this work with the defaults of `train`, but constant learning rate and no early end."""
    inputs = (TensorSpec(name="x", shape=tuple(x.shape[1:])),)
    classes = tuple(str(number) for number in range(work.num_classes))
    config = train_config(
        epochs=work.epochs, lr=LR, batch_size=work.batch_size, scheduler="constant", warmup=0.0, precision=precision
    )
    return factories.run_spec(
        model=model_spec(shapes=Shapes(inputs=inputs, num_outputs=work.num_classes)),
        data=prepared_data(inputs=inputs, classes=classes, class_counts=(), splits={"train": len(x)}),
        config=config,
    )


def _fit(module: nn.Module, x: Tensor, y: Tensor, work: Work, precision: str) -> float:
    seconds: list[float] = []
    train = Arrays((x.numpy(),), y.numpy())
    validation = Arrays((x[:512].numpy(),), y[:512].numpy())
    with tempfile.TemporaryDirectory() as folder:
        fit(
            FitJob(
                spec=run_spec(work, x, precision),
                module=module,
                train=train,
                validation=validation,
                folder=Path(folder) / "checkpoints",
                on_epoch=lambda record: seconds.append(record.train_seconds or 0.0),
                on_progress=lambda *_: None,
            )
        )
    return sum(seconds)
