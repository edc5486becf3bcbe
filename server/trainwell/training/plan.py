"""What a training will take, told before it starts: from a measured forward pass and two timed steps."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from trainwell.contract.errors import TrainwellError
from trainwell.training import optimizers
from trainwell.training.batches import Rows, batch_sizes, choose_batch_size, data_bytes
from trainwell.training.device import read_facts
from trainwell.training.losses import make_task
from trainwell.training.preparing import choices, make_setup, to_device
from trainwell.training.step import Stepper
from trainwell.training.timing import step_seconds, undisturbed
from trainwell.training.validation import VALIDATION_BATCHES, validate

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from trainwell.contract.specs import RunSpec, TrainConfig
    from trainwell.training.batches import Arrays
    from trainwell.training.losses import Task

# Weights, gradients, moments, the best weights, and the initial ones until the first checkpoint.
COPIES = {"adamw": 6, "sgd": 5, "muon": 6, "schedule_free": 6}
# Rows that the saved activations are measured on, and rows that the initial loss is.
PROBE_ROWS, LOSS_ROWS = 8, 2048
# Share of the free memory that a training may take.
MEMORY_SHARE = 0.9


@dataclass(frozen=True)
class _Some:
    """The first rows of a split."""

    inputs: tuple[np.ndarray, ...]
    target: np.ndarray


def plan(spec: RunSpec, module: nn.Module, train: Arrays) -> dict[str, Any]:
    """Time, memory and first loss of a training; neither the module nor torch's random state changes.

    Returns:
        JSON: batch_size, micro_batch, steps_per_epoch, total_steps, device, precision, seconds_per_epoch,
        memory_bytes, expected_initial_loss, measured_initial_loss (None when it is not finite), decisions.

    Raises:
        TrainwellError: nothing_to_train; not_enough_memory, with what would help.
    """
    config = spec.config
    batch_size, batch_words = choose_batch_size(len(train.target), config.batch_size, module)
    setup = make_setup(spec, config, module, train, batch_size)
    micro = -(-batch_size // min(config.accumulate, batch_size))
    fixed = fixed_bytes(module, config) + (data_bytes(train) if setup.resident else 0)
    _require_memory(fixed, 0, micro)
    with undisturbed(setup.device):
        trial = to_device(copy.deepcopy(module), setup)
        task = make_task(spec.data, config, train.target, train.target[:LOSS_ROWS], setup.device)
        rows = Rows(_first(train, PROBE_ROWS), setup)
        per_row = saved_bytes(trial, task, rows) // rows.count
        _require_memory(fixed, per_row * micro, micro)
        sample = Rows(_first(train, LOSS_ROWS), setup)
        loss = validate(trial, task, sample, VALIDATION_BATCHES * micro)["val_loss"]
        optimizer = optimizers.make(config.optimizer, trial, weight_decay=config.weight_decay, fused=setup.fused)
        stepper = Stepper(trial, task, optimizer, setup, clip=config.grad_clip, parts=config.accumulate)
        seconds = step_seconds(stepper, Rows(_first(train, batch_size), setup))
    steps = len(batch_sizes(len(train.target), batch_size))
    return {
        "batch_size": batch_size,
        "micro_batch": micro,
        "steps_per_epoch": steps,
        "total_steps": steps * config.epochs,
        "device": setup.device.type,
        "precision": setup.precision,
        "seconds_per_epoch": seconds * steps,
        "memory_bytes": fixed + per_row * micro,
        "expected_initial_loss": task.expected_initial_loss(),
        "measured_initial_loss": loss if math.isfinite(loss) else None,
        "decisions": [batch_words, *choices(config), *setup.words],
    }


def _first(arrays: Arrays, rows: int) -> _Some:
    return _Some(tuple(column[:rows] for column in arrays.inputs), arrays.target[:rows])


def fixed_bytes(module: nn.Module, config: TrainConfig) -> int:
    """Bytes of weights, gradients, optimizer state and copies of the weights."""
    copies = COPIES[config.optimizer] + (1 if config.ema or config.swa else 0)
    return copies * sum(tensor.nbytes for tensor in module.state_dict().values())


def saved_bytes(module: nn.Module, task: Task, rows: Rows) -> int:
    """Bytes that one forward pass keeps for the backward pass, without the weights."""
    own = {tensor.untyped_storage().data_ptr() for tensor in module.state_dict().values()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    module.train()
    *inputs, target = rows.part(0, rows.count)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        task.loss(module(*inputs), target)
    # The gradients of activations live while the backward pass runs.
    return 2 * sum(kept.values())


def _require_memory(fixed: int, moving: int, micro: int) -> None:
    """Refuse a training that would not fit.

    Args:
        fixed: Bytes of weights, optimizer and resident rows.
        moving: Bytes of one micro-batch's activations.
        micro: Rows of a micro-batch.
    """
    free = int(read_facts().memory_free * MEMORY_SHARE)
    if fixed + moving <= free:
        return
    room = free - fixed
    helps = room > 0 and moving > 0 and micro > 1
    parts = -(-moving // room) if helps else 0
    raise TrainwellError(
        "not_enough_memory",
        f"This training needs about {fixed + moving:,} bytes of memory, and {free:,} are free.",
        argument="accumulate" if helps else "model",
        allowed=f"at most {free} bytes",
        hint=f"Set accumulate to {2 ** math.ceil(math.log2(parts))}: the same batch in smaller pieces."
        if helps
        else "Build a smaller model.",
    )
