"""The training loop: plain, with plain callables, resumable at any step.

`fit` prepares, goes on from the newest good checkpoint if there is one, and runs epochs until something says stop.
The step itself is in `step`, what it needs of the device in `device`, what is saved in `saving`.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from trainwell.contract.scores import OF_CLASSES
from trainwell.training.averaging import gather_statistics
from trainwell.training.errors import NonFiniteLoss
from trainwell.training.preparing import Loop, prepare
from trainwell.training.pulse import Pulse
from trainwell.training.recording import epoch_record
from trainwell.training.replay import examine
from trainwell.training.saving import resume, save
from trainwell.training.schedules import FALLING
from trainwell.training.seeding import deterministic, seed_epoch
from trainwell.training.stopping import out_of_patience
from trainwell.training.telemetry import EpochTotals
from trainwell.training.validation import fitted, tallied
from trainwell.training.watching import next_close, step_closely, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from torch import nn

    from trainwell.contract.specs import RunSpec
    from trainwell.contract.trace import EpochRecord, SignalRecord
    from trainwell.training.batches import Arrays
    from trainwell.training.losses import Metrics
    from trainwell.training.streams import Stream

# The word of should_stop that means: another process has taken the run over. Then nothing more is written.
SUPERSEDED = "superseded"
# The word that means: the next attempt goes back to a state before this one. Then this one is not saved.
REPAIR = "repair"
# Seconds between two looks at the outside world, two progress reports, two readings of the device.
LOOK_SECONDS, PROGRESS_SECONDS, READ_SECONDS = 0.1, 0.2, 1.0
# How often in a run a sample of the training rows is judged where nothing but the rules needs that.
MOST_FITTED = 20


def _nothing(*_: Any) -> None:
    """The default of a callable that nobody listens to."""


@dataclass(frozen=True)
class FitJob:
    """One training, as the worker hands it over.

    Attributes:
        spec: What to do.
        module: Freshly built or loaded; trained in place and left with the best weights.
        train: Training rows on the host.
        validation: Validation rows on the host.
        folder: The run's folder of checkpoints.
        stream: Batches that come anew each epoch from elsewhere; `train` is then a sample of their rows.
        adjustments: What retries changed: `lr`, `grad_clip`, `micro_batch_divisor`.
        on_first_step: Called once, after the first optimizer step.
        on_epoch: Called with each epoch's record; after a kill the last epochs may come again.
        on_signals: Called with steps that were looked at closely, about once a second.
        on_facts: Called once, with what the network showed before its first step; see `Trace.facts`.
        watch: Whether to look at steps closely at all; it changes no number of the training.
        on_progress: Called with (step, total steps, epoch) at most every 0.2 s.
        should_stop: Asked every 0.1 s and after each epoch; a word ends the run in good order for that reason.
        on_save: Called before a checkpoint is written: what was reported so far must outlive it.
        healthy_step: The newest step that was sound as far as anybody knows; a checkpoint not after it is kept.
        on_note: Told in words what belongs into the run's record: a damaged checkpoint, say.
        on_change: Told of an adjustment that was made within the attempt, as in `adjustments`.
        pulse: Counts steps, for a watchdog.
        log: Told in words what was decided and what happened.
    """

    spec: RunSpec
    module: nn.Module
    train: Arrays
    validation: Arrays
    folder: Path
    stream: Stream | None = None
    adjustments: dict[str, Any] = field(default_factory=dict[str, Any])
    on_first_step: Callable[[], None] = _nothing
    on_epoch: Callable[[EpochRecord], None] = _nothing
    on_signals: Callable[[list[SignalRecord]], None] = _nothing
    on_facts: Callable[[dict[str, Any]], None] = _nothing
    watch: bool = True
    on_progress: Callable[[int, int, int], None] = _nothing
    should_stop: Callable[[], str | None] = _nothing
    on_save: Callable[[], None] = _nothing
    healthy_step: Callable[[], int | None] = _nothing
    on_note: Callable[[str], None] = _nothing
    on_change: Callable[[dict[str, Any]], None] = _nothing
    pulse: Pulse = field(default_factory=Pulse)
    log: Callable[[str], None] = _nothing


@dataclass(frozen=True)
class FitOutcome:
    """How a training ended.

    Attributes:
        reason: completed, early_stopping, time_limit, or the word that should_stop gave.
        epochs: Whole epochs done.
        steps: Optimizer steps done.
        best_epoch: Epoch of the best weights; 0 when the run was stopped before its first epoch had ended.
        best_score: The validation score of the best weights.
        best_metrics: Their validation metrics.
        last_metrics: Validation metrics of the last whole epoch.
        resumed_from_step: The step that this attempt went on from; 0 is the beginning.
        decisions: What was decided automatically, in sentences.
    """

    reason: str
    epochs: int
    steps: int
    best_epoch: int
    best_score: float | None
    best_metrics: dict[str, float]
    last_metrics: dict[str, float]
    resumed_from_step: int = 0
    decisions: tuple[str, ...] = ()


def fit(job: FitJob) -> FitOutcome:
    """Train a network until it is done or something says stop.

    Goes on from the newest good checkpoint in `job.folder` when there is one; in deterministic mode on a CPU the
    weights then end the same, bit for bit, as those of a run that was never interrupted.

    Raises:
        NonFiniteLoss: The loss or all gradients became NaN or infinite. The weights in memory are set back to the
            initial ones, or are those of the newest checkpoint at the next call.
        TrainwellError: checkpoint_damaged, checkpoint_mismatch, data_changed, nothing_to_train.
        torch.OutOfMemoryError: The device has no more memory; halve the micro-batch and call again.
        TrainwellError: disk_full.
        OSError: A checkpoint could not be written.
    """
    config = job.spec.config
    with deterministic(config.deterministic), _one_thread():
        loop = prepare(job)
        resumed = resume(loop)
        if job.watch:
            loop.watcher = watch(loop)
        try:
            reason = _epochs(loop)
        except BaseException as error:
            # What is on its way to the disk gets there, so that the next attempt finds it; and what was reported.
            with suppress(Exception):
                loop.saver.wait()
                loop.job.on_save()
            if not isinstance(error, NonFiniteLoss | RuntimeError | MemoryError):
                raise
            if isinstance(error, NonFiniteLoss):
                error.facts = _examined(loop, error)
            # A device that has failed may refuse this too; the first error is the one to tell.
            with suppress(RuntimeError):
                loop.kept.restore_initial()
            raise
        if reason not in {SUPERSEDED, REPAIR}:
            _finish(loop, reason)
        else:
            loop.saver.wait()
    best = loop.best
    return FitOutcome(
        reason=reason,
        epochs=loop.epoch,
        steps=loop.step,
        best_epoch=best.epoch,
        best_score=best.score if loop.provisional is None else loop.provisional[loop.task.score_name],
        best_metrics=loop.provisional or best.metrics,
        last_metrics=loop.last_metrics,
        resumed_from_step=resumed,
        decisions=loop.decisions(),
    )


def _examined(loop: Loop, error: NonFiniteLoss) -> dict[str, Any]:
    """What making the bad step again shows; a fault in that must not hide the one that was seen."""
    try:
        facts = examine(loop, error)
    except Exception as other:  # noqa: BLE001 - whatever a network does when it is run once more
        loop.job.log(f"The bad step could not be made again: {type(other).__name__}: {other}")
        return {}
    loop.job.log(f"The bad step was made again: {facts}")
    return facts


@contextmanager
def _one_thread() -> Generator[None]:
    """Start with one thread, and leave things as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _epochs(loop: Loop) -> str:
    """Run epochs to the end. Returns: why it ended."""
    while (reason := _ended(loop)) is None:
        reason = _train_epoch(loop)
        if reason is not None:
            break
        _end_epoch(loop)
    return reason


def _ended(loop: Loop) -> str | None:
    if loop.epoch >= loop.last_epoch:
        return "completed" if loop.ending.until is None else "early_stopping"
    if _out_of_patience(loop) and loop.schedule.name not in FALLING:
        return "early_stopping"
    return loop.told_to_stop()


def _out_of_patience(loop: Loop) -> bool:
    rising = loop.schedule.rising / loop.batches.count
    return out_of_patience(loop.patience, loop.best.waited, loop.epoch, rising)


def _train_epoch(loop: Loop) -> str | None:
    """The steps of one epoch. Returns: why it stopped within the epoch, or None at its end."""
    epoch, start = loop.epoch + 1, loop.within
    if start == 0:
        seed_epoch(loop.config.seed, epoch)
    loop.stepper.optimizer.thaw(epoch)
    rates = loop.rates()
    probe_at = start + len(rates) // 2
    close_at = next_close(loop, start, probe_at)
    step, pending, clock = loop.stepper, loop.pending, time.perf_counter
    average = loop.average if loop.average is not None and loop.average.each_step else None
    pulse = loop.job.pulse
    loop.module.train()
    loop.start_clock()
    now = clock()
    for number, (*inputs, target) in enumerate(loop.made_batches(epoch, start), start):
        loop.totals.data_seconds += clock() - now
        rate, close = rates[number - start], number == close_at
        if close:
            loss, norm = step_closely(loop, inputs, target, rate, number, probe_at)
            close_at = next_close(loop, number + 1, probe_at)
        else:
            loss, norm = step(inputs, target, rate)
        if average is not None:
            average.after_step()
        pending.losses.append(loss)
        pending.norms.append(norm)
        pulse.beats += 1
        before, now = now, clock()
        if loop.tuner is not None and not close:
            loop.tune(now - before)
        if now >= loop.look_at:
            loop.within = number + 1
            reason = _look(loop, now)
            if reason is not None:
                return reason
            now = clock()
    loop.within = loop.batches.count
    loop.read()
    loop.stop_clock()
    pulse.slow = False
    return None


def _look(loop: Loop, now: float) -> str | None:
    """A look at the outside world, every 0.1 s. Returns: why to stop, or None."""
    job = loop.job
    if not loop.stepped:
        loop.stepped = True
        # A compiler starts anew for the last batch of an epoch, which is smaller.
        job.pulse.slow = loop.setup.compile
        job.on_first_step()
    loop.look_at = now + LOOK_SECONDS
    if now >= loop.progress_at:
        loop.progress_at = now + PROGRESS_SECONDS
        job.on_progress(loop.step_at_hand(), loop.total_steps, loop.epoch + 1)
    reason = loop.told_to_stop()
    if reason is not None or now >= loop.read_at:
        loop.read()
        loop.read_at = now + READ_SECONDS
    if reason is None and loop.saver.due_within_epoch():
        loop.read()
        loop.stop_clock()
        save(loop)
        loop.start_clock()
    elif reason is not None:
        loop.stop_clock()
    return reason


def _end_epoch(loop: Loop) -> None:
    """Validate, judge, report, save."""
    start = time.perf_counter()
    if loop.average is not None:
        loop.average.after_epoch(loop.epoch + 1)
    with _judged(loop):
        metrics, judged = _validated(loop)
        loop.epoch, loop.within, loop.was_read = loop.epoch + 1, 0, 0
        loop.last_metrics = metrics
        if loop.best.judge(loop.task, metrics, loop.epoch, loop.step, loop.validation.count):
            loop.kept.keep_best()
        judged |= _fitted(loop)
    if loop.schedule.name == "plateau" and loop.plateau.judge(metrics["val_loss"]):
        loop.job.log(f"The validation loss stopped falling: learning rate times {loop.plateau.factor:.2g}.")
    if loop.schedule.name in FALLING and _out_of_patience(loop):
        _come_to_an_end(loop)
    loop.totals.seconds += time.perf_counter() - start
    record = epoch_record(loop, metrics, judged)
    loop.totals, loop.update_ratio = EpochTotals(), None
    loop.job.on_epoch(record)
    if loop.saver.due():
        save(loop)


def _come_to_an_end(loop: Loop) -> None:
    if loop.ending.bring_forward(loop.epoch, loop.config.epochs):
        loop.job.log(
            f"No better score for {loop.best.waited} epochs: the rate comes down now, "
            f"and the run ends after epoch {loop.ending.until}."
        )


@contextmanager
def _judged(loop: Loop) -> Generator[None]:
    """Within it, the module holds the weights that are judged and kept: the average where there is one."""
    values = {} if loop.average is None else loop.average.values()
    if loop.average is None or not values:
        yield
        return
    with loop.kept.standing_in(values):
        if loop.average.gathers:
            with loop.job.pulse.patient():
                gather_statistics(loop.module, loop.batches)
        yield


def _validated(loop: Loop) -> tuple[Metrics, dict[str, Any]]:
    """The metrics of validation, and how the classes fared."""
    task, rows = loop.task, loop.validation
    tallies = tallied(loop.module, task, rows, loop.validation_chunk, loop.job.pulse.beat)
    metrics = task.metrics(tallies, rows.count)
    if not math.isfinite(metrics["val_loss"]):
        raise NonFiniteLoss(loop.step, loop.epoch + 1, "val_loss")
    return metrics, task.classes(tallies)


def _fitted(loop: Loop) -> dict[str, Any]:
    """How well a sample of the training rows is fitted: what overfitting is measured by."""
    every = 1 if loop.task.score_name in OF_CLASSES else max(1, loop.config.epochs // MOST_FITTED)
    if loop.epoch > MOST_FITTED and loop.epoch % every:
        return {}
    return fitted(loop.module, loop.task, loop.training_sample, loop.validation_chunk, loop.job.pulse.beat)


def _finish(loop: Loop, reason: str) -> None:
    """Save the last state and put the best weights into the module."""
    if loop.best.score is None and loop.step > 0:
        # Stopped within the first epoch: better these weights than none.
        with _judged(loop):
            loop.provisional, _ = _validated(loop)
            loop.kept.keep_best()
    save(loop, reason)
    loop.kept.restore_best()
