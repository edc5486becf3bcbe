"""When a running training is saved, what is saved, and how it goes on from there."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainwell import __version__
from trainwell.contract.errors import TrainwellError
from trainwell.training import checkpoint, room
from trainwell.training.checkpoint import Checkpoint
from trainwell.training.schedules import Plateau
from trainwell.training.seeding import random_state, restore_random_state
from trainwell.training.stopping import Ending
from trainwell.training.telemetry import EpochTotals
from trainwell.training.validation import Best, validate
from trainwell.training.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from trainwell.training.preparing import Loop

# At most this often (s), and never more than this share of the time.
SHORTEST_INTERVAL = 2.0
COST_SHARE = 0.02
# Within a long epoch a state is saved this often (s).
WITHIN_EPOCH_INTERVAL = 30.0
RANDOM, AVERAGE = "random.", "average."


class Saver:
    """Knows the folder, what is in it, and when it is time again. Writes on a thread of its own.

    Attributes:
        found: The checkpoint to go on from.
        best_written: The step of the newest best weights on the disk.
        set_aside: What was damaged when the folder was opened, in words.
    """

    def __init__(self, folder: Path, log: Callable[[str], None]) -> None:
        self.folder = folder
        self.set_aside: list[str] = []
        checkpoint.clean(folder)
        path = checkpoint.newest_good(folder, self.set_aside.append)
        for words in self.set_aside:
            log(words)
        self.found = None if path is None else checkpoint.read_checkpoint(path)
        self._writer = Writer()
        self.best_written: int | None = None
        self._saved_at = time.perf_counter()
        self._cost = 0.0

    def due(self) -> bool:
        """Whether to save now, at the end of an epoch; not while a write is in flight.

        Raises:
            TrainwellError: disk_full, of the write before.
            OSError: Of the write before.
            NonFiniteLoss: There was a NaN in what was to be written.
        """
        return not self._writer.busy() and self._age() >= max(SHORTEST_INTERVAL, self._cost / COST_SHARE)

    def due_within_epoch(self) -> bool:
        """Whether to save now, between two steps; raises as `due` does."""
        return not self._writer.busy() and self._age() >= max(WITHIN_EPOCH_INTERVAL, self._cost / COST_SHARE)

    def _age(self) -> float:
        return time.perf_counter() - self._saved_at

    def write(self, step: int, content: Checkpoint, best: Checkpoint | None, healthy: int | None = None) -> None:
        """Copy best weights, if they are new, and the state that refers to them; the rest happens in the background."""
        best = None if best is None or content.state["best_step"] == self.best_written else _copied(best)
        copy = _copied(content)
        self._writer.start(lambda: self._write(step, copy, best, healthy))

    def wait(self) -> None:
        """Until what was begun is on the disk; raises as `due` does."""
        self._writer.wait()

    def _write(self, step: int, content: Checkpoint, best: Checkpoint | None, healthy: int | None) -> None:
        start = time.perf_counter()
        parts = [content] if best is None else [content, best]
        for part in parts:
            room.must_be_numbers(part, int(content.state["epoch"]) + 1)
        with room.room_for(self.folder, room.needed_bytes(parts)):
            if best is not None:
                checkpoint.write_best(self.folder, content.state["best_step"], best.weights, best.state)
                self.best_written = content.state["best_step"]
            checkpoint.write_step(self.folder, step, content, healthy)
        self._saved_at = time.perf_counter()
        self._cost = self._saved_at - start


def _copied(content: Checkpoint) -> Checkpoint:
    """What the training may write over while this is on its way to the disk, on the host."""
    return Checkpoint(_on_host(content.weights), _on_host(content.optimizer), content.state)


def _on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }


def recorded_precision(saver: Saver) -> str | None:
    """The precision that an earlier attempt trained in."""
    return None if saver.found is None else saver.found.state["precision"]


def recorded_compile(saver: Saver) -> bool | None:
    """Whether an earlier attempt trained through torch.compile."""
    return None if saver.found is None else saver.found.state["compile"]


def save(loop: Loop, reason: str | None = None) -> None:
    """Save the state of a training between two steps; everything that waits must have been read.

    Args:
        loop: The training.
        reason: Why it ended, if it did.

    The write goes on in the background, but for the last one. What was reported is in the store before it begins, so
    no checkpoint is ever ahead of the record.

    Raises:
        TrainwellError: disk_full.
        OSError: When the disk is broken.
        NonFiniteLoss: There is a NaN in it.
    """
    weights = dict(zip(loop.kept.names, loop.kept.live, strict=True))
    tensors = loop.stepper.state() | random_state(loop.setup.device)
    if loop.average is not None:
        tensors |= {f"{AVERAGE}{name}": tensor for name, tensor in loop.average.state().items()}
    state = _state(loop, reason)
    loop.job.on_save()
    loop.saver.write(loop.step, Checkpoint(weights, tensors, state), _best(loop, state), loop.job.healthy_step())
    loop.kept.initial = None
    if reason is not None:
        with loop.job.pulse.patient():
            loop.saver.wait()


def resume(loop: Loop) -> int:
    """Go on from the checkpoint that was found. Returns: its step, 0 when there was none.

    Raises:
        TrainwellError: data_changed or checkpoint_mismatch.
    """
    found = loop.saver.found
    folder = loop.saver.folder
    if found is None:
        checkpoint.forget_after(folder, 0, None)
        return 0
    state = found.state
    _check(loop, state, found.weights)
    with torch.no_grad():
        for name, tensor in zip(loop.kept.names, loop.kept.live, strict=True):
            tensor.copy_(found.weights[name])
    _load_stepper(loop, found.optimizer)
    loop.epoch, loop.within, loop.was_read = state["epoch"], state["within"], state["within"]
    loop.totals = EpochTotals.from_json(state["totals"])
    loop.best, loop.plateau = Best(**state["best"]), Plateau(**state["plateau"])
    loop.ending = Ending(**state["ending"])
    loop.last_metrics, loop.spent_before = state["metrics"], state["seconds"]
    # Also between epochs, each of which is seeded: where none is left to do, this is the state that is saved again.
    randoms = {key: value for key, value in found.optimizer.items() if key.startswith(RANDOM)}
    restore_random_state(randoms, loop.setup.device)
    checkpoint.forget_after(folder, state["step"], loop.best.step)
    _load_best(loop)
    loop.saver.found = None
    loop.kept.initial = None
    loop.job.log(f"Goes on from step {state['step']}, epoch {loop.epoch + 1}.")
    for words in loop.saver.set_aside:
        loop.job.on_note(f"{words}; went on from step {state['step']}.")
    return state["step"]


def _state(loop: Loop, reason: str | None) -> dict[str, Any]:
    best = asdict(loop.best)
    if loop.best.score is None:
        best["loss"] = None
    spec = loop.job.spec
    return {
        "run": spec.run,
        "model": spec.model.handle,
        "data": spec.data.fingerprint,
        "step": loop.step,
        "epoch": loop.epoch,
        "within": loop.within,
        "batch_size": loop.batches.batch_size,
        "totals": loop.totals.to_json(),
        "best": best,
        "best_step": loop.step if loop.provisional is not None else loop.best.step,
        "plateau": asdict(loop.plateau),
        "ending": asdict(loop.ending),
        "metrics": loop.last_metrics,
        "seconds": loop.seconds_spent,
        "seed": loop.config.seed,
        "lr": loop.config.lr,
        "grad_clip": loop.config.grad_clip,
        "precision": loop.setup.precision,
        "compile": loop.setup.compile,
        "device": loop.setup.device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "environment": environment(),
        "ended": reason,
    }


def environment() -> dict[str, str]:
    """What else a number may hang on: versions, and the processor with the instructions that torch uses of it."""
    return {
        "trainwell": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def _best(loop: Loop, state: dict[str, Any]) -> Checkpoint | None:
    if loop.kept.best is None:
        return None
    weights = dict(zip(loop.kept.names, loop.kept.best, strict=True))
    provisional = loop.provisional
    about = {
        "run": state["run"],
        "model": state["model"],
        "data": state["data"],
        "step": state["best_step"],
        "epoch": loop.best.epoch,
        "score": loop.best.score if provisional is None else provisional[loop.task.score_name],
        "metrics": loop.best.metrics if provisional is None else provisional,
    }
    return Checkpoint(weights, {}, about)


def _check(loop: Loop, state: dict[str, Any], weights: dict[str, Tensor]) -> None:
    if state["data"] != loop.job.spec.data.fingerprint:
        raise TrainwellError(
            "data_changed", "The data is not what this run was trained on so far.",
            hint="Give the same rows again, or start a new run.",
        )  # fmt: skip
    shapes = {name: tensor.shape for name, tensor in zip(loop.kept.names, loop.kept.live, strict=True)}
    if shapes != {name: tensor.shape for name, tensor in weights.items()}:
        raise _mismatch("The run's checkpoint belongs to another network.")
    if (state["seed"], state["batch_size"]) != (loop.config.seed, loop.batches.batch_size):
        raise _mismatch("The run's checkpoint was made with another seed or batch size.")


def _load_stepper(loop: Loop, tensors: dict[str, Tensor]) -> None:
    try:
        loop.stepper.load(tensors)
        if loop.average is not None:
            own = {key: tensor for key, tensor in tensors.items() if key.startswith(AVERAGE)}
            loop.average.load({key.removeprefix(AVERAGE): tensor for key, tensor in own.items()})
    except KeyError as error:
        message = f"The run's checkpoint has no {error}: another optimizer, average or precision made it."
        raise _mismatch(message) from error


def _mismatch(message: str) -> TrainwellError:
    return TrainwellError(
        "checkpoint_mismatch", message, hint="Give the network and settings that it was made with, or start a new run."
    )


def _load_best(loop: Loop) -> None:
    """Best weights of the state that the run goes on from; when they are lost, the search starts again."""
    if loop.best.step is None:
        loop.best = Best()
        return
    try:
        weights, about = checkpoint.read_best(loop.saver.folder, loop.job.log)
    except TrainwellError as error:
        weights, about = {}, {"step": error.code}
    if about["step"] != loop.best.step:
        loop.job.log("The best weights so far were lost; the best of the epochs to come will be kept.")
        loop.best = Best()
        return
    loop.kept.best = [
        weights[name].to(tensor.device) for name, tensor in zip(loop.kept.names, loop.kept.live, strict=True)
    ]
    loop.saver.best_written = loop.best.step
    if loop.best.metrics.get(loop.task.score_name) != loop.best.score:
        _judge_again(loop)


def _judge_again(loop: Loop) -> None:
    """Give the best weights so far the score that the run goes by now; an older version chose them by another."""
    before = loop.best
    with loop.kept.standing_in(dict(zip(loop.kept.names, loop.kept.best or (), strict=True))):
        metrics = validate(loop.module, loop.task, loop.validation, loop.validation_chunk, loop.job.pulse.beat)
    loop.best = Best()
    loop.best.judge(loop.task, metrics, before.epoch, before.step or 0, loop.validation.count)
    loop.best.waited = before.waited
    loop.job.log(f"The best weights so far are judged by {loop.task.score_name} from here on.")
