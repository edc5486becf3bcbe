"""Trial steps on a run that nobody has started: the network, the rows and the steps as the run would have them.

All of it is a copy of its own: no model, run or random state feels it.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from trainwell import architectures, data
from trainwell.contract.specs import ModelSpec, PreparedData, RunSpec
from trainwell.training import augment, optimizers, recipes
from trainwell.training.batches import Batches, Rows, augmented, choose_batch_size
from trainwell.training.lengths import is_kept_by_cutting
from trainwell.training.losses import make_task
from trainwell.training.preparing import lengths_of, make_setup, to_device
from trainwell.training.seeding import seed_everything
from trainwell.training.step import Stepper
from trainwell.training.timing import undisturbed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from torch import Tensor, nn

    from trainwell.store.workspace import Workspace
    from trainwell.training.batches import Arrays
    from trainwell.training.device import Setup
    from trainwell.training.losses import Task

# Rows whose target is looked at for the spread of what is to be predicted.
SPREAD_ROWS = 2048


@dataclass(frozen=True)
class Trial:
    """A run's parts.

    Attributes:
        spec: What the run would do, every choice closed.
        module: With its first weights, on the device; trials train copies of it.
        rows: The training rows.
        batches: The training batches.
        chosen: What was chosen for the run, in sentences.
    """

    spec: RunSpec
    module: nn.Module
    train: Arrays
    setup: Setup
    task: Task
    rows: Rows
    batches: Batches
    chosen: tuple[str, ...]

    def stepper(self, setup: Setup | None = None) -> Stepper:
        """Steps on a fresh copy of the network."""
        config, setup = self.spec.config, setup or self.setup
        module = copy.deepcopy(self.module)
        module.train()
        optimizer = optimizers.make(config.optimizer, module, weight_decay=config.weight_decay, fused=setup.fused)
        return Stepper(module, self.task, optimizer, setup, clip=config.grad_clip, parts=config.accumulate)

    def endless(self, first_epoch: int = 1) -> Iterator[tuple[Tensor, ...]]:
        """Training batches, epoch after epoch, as the run would see them."""
        config = self.spec.config
        change = augment.make(config, self.spec.data)
        epoch = first_epoch
        while True:
            batches = self.batches.epoch(epoch)
            yield from batches if change is None else augmented(batches, change, (config.seed, epoch, 0))
            epoch += 1


@contextmanager
def opened(workspace: Workspace, asked: dict[str, Any]) -> Generator[Trial]:
    """A trial of a run; within it, one thread works, and random numbers are forgotten afterwards.

    Args:
        workspace: Where the prepared data lies.
        asked: The fields of a `RunSpec`, with None in its config where a choice is open.

    Raises:
        TrainwellError: As in `recipes.resolve` and `make_setup`.
    """
    model, prepared = ModelSpec.model_validate(asked["model"]), PreparedData.model_validate(asked["data"])
    config, chosen = recipes.resolve(asked["config"], model, prepared, asked["limits"])
    spec = RunSpec.model_validate({**asked, "config": config.model_dump(mode="json")})
    train = data.load_split(workspace, prepared, "train")
    with undisturbed(torch.device("cuda" if torch.cuda.is_available() else "cpu")):
        seed_everything(config.seed)
        module = architectures.build(model.architecture, model.options, model.shapes)
        batch_size, _ = choose_batch_size(len(train.target), config.batch_size, module)
        setup = make_setup(spec, config, module, train, batch_size)
        module = to_device(module, setup)
        rows = Rows(train, setup, lengths_of(train, spec))
        if not is_kept_by_cutting(module, rows):
            rows.lengths = None
        task = make_task(prepared, config, train.target, train.target[:SPREAD_ROWS], setup.device)
        batches = Batches(rows, batch_size, config.seed)
        yield Trial(spec, module, train, setup, task, rows, batches, tuple(chosen))


def seconds_of(stepper: Stepper, batch: tuple[Tensor, ...], rate: float = 0.0) -> float:
    """Seconds of one step, the device waited for."""
    *inputs, target = batch
    start = time.perf_counter()
    loss, _ = stepper(inputs, target, rate)
    loss.item()
    if target.is_cuda:
        torch.cuda.synchronize(target.device)
    return time.perf_counter() - start
