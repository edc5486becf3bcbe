"""A training in plain torch, the same as ours without what makes ours fast and safe to interrupt.

`script` copies this file's functions, and all that they use, into a program of its own: nothing here may lean on what
such a program has not, which is everything but torch, numpy and the standard library.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from trainwell.training.averaging import Ema
from trainwell.training.batches import batch_sizes
from trainwell.training.groups import learnings
from trainwell.training.losses import make_task
from trainwell.training.schedules import FALLING, Plateau, Schedule
from trainwell.training.seeding import derive, permutation, seed_epoch, seed_everything
from trainwell.training.stopping import Ending, out_of_patience
from trainwell.training.updates import BETA1, BETA2, EPSILON, MOMENTUM
from trainwell.training.validation import Best

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from trainwell.training.losses import Task

ROWS_AT_ONCE = 4096


def read_split(folder: Path, split: str, config: Any, device: torch.device) -> list[Tensor]:
    """One part of the prepared data as tensors: the inputs in their order, then the target."""
    names = [*(one.name for one in config.inputs), "target"]
    arrays = [np.load(folder / f"{split}_{name}.npy", allow_pickle=False) for name in names]
    return [torch.from_numpy(array).to(device) for array in arrays]


def make_optimizer(network: nn.Module, config: Any) -> torch.optim.Optimizer:
    """Weight decay pulls at matrices only, not at biases, norms and tables."""
    found = learnings(network)
    groups = [
        {"params": [one.parameter for one in found if one.decays], "weight_decay": config.weight_decay},
        {"params": [one.parameter for one in found if not one.decays], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=MOMENTUM)
    return torch.optim.AdamW(groups, lr=config.lr, betas=(BETA1, BETA2), eps=EPSILON)


def train_epoch(
    network: nn.Module, task: Task, optimizer: torch.optim.Optimizer, rows: list[Tensor], rates: list[float],
    place: tuple[int, Any], after_step: Callable[[], None] | None = None,
    change: Callable[..., Any] | None = None,
) -> float:  # fmt: skip
    """One pass over the training rows.

    Args:
        network: Trained in place.
        task: Gives the loss.
        optimizer: Over its parameters.
        rows: Inputs and target.
        rates: The learning rate of each step.
        place: The epoch, from 1, and the config.
        after_step: Called after each step.
        change: Augmentation: inputs, target and a generator to inputs and target.

    Returns: The mean loss.
    """
    epoch, config = place
    network.train()
    seed_epoch(config.seed, epoch)
    count = len(rows[-1])
    order = permutation(count, config.seed, epoch).to(rows[-1].device)
    generator = torch.Generator(rows[-1].device)
    total = 0.0
    for number, index in enumerate(order.split(batch_sizes(count, config.batch_size))):
        *inputs, target = [column[index] for column in rows]
        if change is not None:
            generator.manual_seed(derive(config.seed, "augment", epoch, number))
            inputs, target = change(tuple(inputs), target, generator)
        for group in optimizer.param_groups:
            group["lr"] = rates[number]
        optimizer.zero_grad()
        loss = backward(network, task, list(inputs), target, config.accumulate)
        if config.grad_clip:
            nn.utils.clip_grad_norm_(network.parameters(), config.grad_clip)
        optimizer.step()
        if after_step is not None:
            after_step()
        total += loss * len(index)
    return total / count


def backward(network: nn.Module, task: Task, inputs: list[Tensor], target: Tensor, accumulate: int) -> float:
    """The gradients of a batch, added up over its micro-batches. Returns: its loss."""
    parts = min(accumulate, max(1, len(target) // 2)) if accumulate > 1 else 1
    if parts == 1:
        loss = task.loss(network(*inputs), target)
        loss.backward()
        return loss.item()
    total = 0.0
    for *some, goal in zip(*(column.tensor_split(parts) for column in (*inputs, target)), strict=True):
        loss = task.loss_sum(network(*some), goal) / len(target)
        loss.backward()
        total += loss.item()
    return total


def evaluate(network: nn.Module, task: Task, rows: list[Tensor]) -> dict[str, float]:
    """The metrics of all rows."""
    network.eval()
    with torch.no_grad():
        tallies = [
            task.tally(network(*inputs), target).tolist()
            for *inputs, target in zip(*(column.split(ROWS_AT_ONCE) for column in rows), strict=True)
        ]
    return task.metrics(tallies, len(rows[-1]))


def average_in(network: nn.Module, average: Ema | None) -> dict[str, Tensor]:
    """Put the averaged weights into the network. Returns: its own, to be put back."""
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if average is not None:
        network.load_state_dict({**own, **average.values()})
    return own


def train(build: Callable[[], nn.Module], config: Any, folder: Path, change: Callable[..., Any] | None = None) -> Any:
    """Train until the epochs are done or patience is at its end.

    Args:
        build: Makes the network with fresh weights.
        config: All settings, by name.
        folder: Of the prepared data.
        change: Augmentation, if there is one.

    Returns: The network with its best weights, and what was measured.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    seed_everything(config.seed)
    network = build().to(device)
    rows, validation, test = (read_split(folder, split, config, device) for split in ("train", "validation", "test"))
    targets = [part[-1].cpu().numpy() for part in (rows, validation, test)]
    task = make_task(config, config, targets[0], targets[1], device)
    optimizer = make_optimizer(network, config)
    average = Ema(network.state_dict(), config.ema) if config.ema else None
    steps = len(batch_sizes(len(rows[-1]), config.batch_size))
    schedule = Schedule(config.scheduler, config.lr, config.epochs * steps, config.warmup)
    best, plateau, ending, kept = Best(), Plateau(), Ending(), network.state_dict()
    epoch = 0
    while epoch < (ending.until or config.epochs):
        rates = rates_of(schedule, ending, epoch, steps, plateau.factor)
        after_step = None if average is None else average.after_step
        loss = train_epoch(network, task, optimizer, rows, rates, (epoch + 1, config), after_step, change)
        epoch += 1
        own = average_in(network, average)
        metrics = evaluate(network, task, validation)
        if best.judge(task, metrics, epoch, epoch * steps, len(validation[-1])):
            kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        network.load_state_dict(own)
        told = " ".join(f"{name}={value:.5g}" for name, value in metrics.items())
        sys.stdout.write(f"epoch {epoch} train_loss={loss:.5g} {told}\n")
        plateau.judge(metrics["val_loss"]) if schedule.name == "plateau" else None
        if out_of_patience(config.early_stopping, best.waited, epoch, schedule.rising / steps):
            if schedule.name not in FALLING:
                break
            ending.bring_forward(epoch, config.epochs)
    network.load_state_dict(kept)
    tested = evaluate(network, make_task(config, config, targets[0], targets[2], device), test)
    measured = {"epochs": epoch, "best_epoch": best.epoch, **best.metrics}
    return network, measured | {name.replace("val_", "test_"): value for name, value in tested.items()}


def rates_of(schedule: Schedule, ending: Ending, epoch: int, steps: int, factor: float) -> list[float]:
    """The learning rates of the steps of the next epoch."""
    first, last = epoch * steps, (epoch + 1) * steps
    rates = schedule.between(first, last)
    if ending.since is not None:
        start = schedule.between(ending.since * steps, ending.since * steps + 1)[0]
        rates = ending.rates(start, first, last, steps)
    return [rate * factor for rate in rates]


def main(build: Callable[[], nn.Module], config: Any, change: Callable[..., Any] | None = None) -> None:
    """Read the command line, train, tell what was measured as JSON in the last line, and keep the weights if asked."""
    parser = argparse.ArgumentParser(description=config.title)
    parser.add_argument("--data", type=Path, default=Path(config.folder), help="folder of the prepared data")
    parser.add_argument("--out", type=Path, help="where the best weights go, as .npz by parameter name")
    given = parser.parse_args()
    network, measured = train(build, config, given.data, change)
    if given.out:
        np.savez(given.out, **{name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()})
    sys.stdout.write(json.dumps(measured) + "\n")
