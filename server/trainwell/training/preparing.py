"""What a running training consists of, and how it is put together."""

# torch has no public name for its list and fused kernels.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainwell.contract.errors import TrainwellError
from trainwell.training import augment, averaging, lengths, optimizers
from trainwell.training.batches import Batches, Rows, batch_sizes, choose_batch_size, data_bytes
from trainwell.training.compiling import compiled
from trainwell.training.device import Setup, Work, decide, read_facts
from trainwell.training.kept import Kept
from trainwell.training.lengths import is_kept_by_cutting
from trainwell.training.losses import Metrics, Task, make_task
from trainwell.training.saving import Saver, recorded_compile, recorded_precision
from trainwell.training.schedules import Plateau, Schedule
from trainwell.training.step import Stepper
from trainwell.training.stopping import Ending
from trainwell.training.streams import Streamed
from trainwell.training.telemetry import EpochTotals, Pending
from trainwell.training.threads import SpareCores, ThreadTuner
from trainwell.training.timing import step_seconds, undisturbed
from trainwell.training.validation import MOST_ROWS, TRAINING_SAMPLE, VALIDATION_BATCHES, Best

if TYPE_CHECKING:
    from torch import Tensor

    from trainwell.contract.specs import RunSpec, TrainConfig
    from trainwell.training.augment import Augment
    from trainwell.training.averaging import Average
    from trainwell.training.batches import Arrays
    from trainwell.training.fit import FitJob
    from trainwell.training.lengths import Lengths
    from trainwell.training.watching import Watcher

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@dataclass
class Loop:
    """A training in progress: its parts, its position, and what it remembers.

    Attributes:
        kept: The weights and copies of them.
        average: What stands in for the weights when they are judged, if anything.
        augment: What changes training batches, if anything.
        patience: Epochs without a better score after which the run comes to its end; 0 is never.
        ending: The last fall of the rate, if it was brought forward.
        watcher: Looks at some steps closely, if anybody wants that.
        epoch: Whole epochs done.
        within: Steps done in the epoch at hand.
        was_read: Those of them whose loss the host has read.
        totals: Sums over the read steps of the epoch at hand.
        provisional: Metrics of weights that were kept as best though no epoch had ended.
    """

    job: FitJob
    config: TrainConfig
    module: nn.Module
    setup: Setup
    task: Task
    batches: Batches | Streamed
    validation: Rows
    validation_chunk: int
    training_sample: Rows
    stepper: Stepper
    schedule: Schedule
    saver: Saver
    kept: Kept
    average: Average | None
    augment: Augment | None
    patience: int
    words: tuple[str, ...]
    tuner: ThreadTuner | None
    spare_cores: SpareCores
    epoch: int = 0
    within: int = 0
    was_read: int = 0
    totals: EpochTotals = field(default_factory=EpochTotals)
    best: Best = field(default_factory=Best)
    plateau: Plateau = field(default_factory=Plateau)
    ending: Ending = field(default_factory=Ending)
    last_metrics: Metrics = field(default_factory=dict[str, float])
    provisional: Metrics | None = None
    pending: Pending = field(default_factory=Pending)
    update_ratio: Tensor | None = None
    watcher: Watcher | None = None
    highest_rate: float = 0.0
    stepped: bool = False
    look_at: float = 0.0
    progress_at: float = 0.0
    read_at: float = 0.0
    spent_before: float = 0.0
    began: float = field(default_factory=time.perf_counter)
    _clock: float = 0.0
    _thread_words: list[str] = field(default_factory=list[str])

    @property
    def step(self) -> int:
        """Optimizer steps done, as far as the host has read them."""
        return self.epoch * self.batches.count + self.was_read

    @property
    def last_epoch(self) -> int:
        """Epochs of the whole run, as things stand."""
        return self.config.epochs if self.ending.until is None else self.ending.until

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run, as things stand."""
        return self.last_epoch * self.batches.count

    @property
    def seconds_spent(self) -> float:
        """Time of this run, earlier attempts included."""
        return self.spent_before + time.perf_counter() - self.began

    def step_at_hand(self) -> int:
        """Optimizer steps started."""
        return self.epoch * self.batches.count + self.within

    def rates(self) -> list[float]:
        """The learning rates of the steps that are left in the epoch at hand."""
        count = self.batches.count
        first = self.epoch * count
        if self.ending.since is None:
            rates = self.schedule.between(first + self.within, first + count)
        else:
            begin = self.ending.since * count
            start = self.schedule.between(begin, begin + 1)[0]
            rates = self.ending.rates(start, first + self.within, first + count, count)
        if self.plateau.factor != 1.0:
            rates = [rate * self.plateau.factor for rate in rates]
        self.highest_rate = max(rates, default=self.highest_rate)
        return rates

    def told_to_stop(self) -> str | None:
        """A reason to stop, from the clock or from outside."""
        limit = self.config.max_minutes
        if limit is not None and self.seconds_spent >= 60 * limit:
            return "time_limit"
        return self.job.should_stop()

    def read(self) -> None:
        """Bring the losses of the last steps to the host.

        Raises:
            NonFiniteLoss: One of them is not finite.
        """
        if self.watcher is not None:
            self.watcher.tell(self.job)
        sizes = self.batches.sizes[self.was_read : self.within]
        self.pending.read(self.totals, sizes, self.step, self.epoch + 1)
        self.was_read = self.within

    def start_clock(self) -> None:
        """From here on, time counts as training time."""
        self._clock = time.perf_counter()

    def stop_clock(self) -> None:
        """Up to here, time counted as training time."""
        seconds = time.perf_counter() - self._clock
        self.totals.train_seconds += seconds
        self.totals.seconds += seconds

    def tune(self, seconds: float) -> None:
        """Let the tuner see the time of a step and set the threads that it wants."""
        tuner = self.tuner
        if tuner is None:
            return
        before = tuner.threads
        threads = tuner.observe(seconds, self.spare_cores)
        if threads != before:
            torch.set_num_threads(threads)
        if tuner.words:
            self.job.log(tuner.words[-1])
            self._thread_words += tuner.words
            tuner.words.clear()
        if tuner.settled:
            self.tuner = None

    def halved(self) -> None:
        """Memory ran out within a step, which was then made in smaller parts, and so are those to come."""
        divisor = self.stepper.parts // self.config.accumulate
        self.validation_chunk = min(
            self.validation_chunk, max(1, VALIDATION_BATCHES * self.batches.batch_size // self.stepper.parts)
        )
        normed = any(isinstance(layer, _BatchNorm) for layer in self.module.modules())
        self.job.log(
            f"Memory ran out within a step: micro-batch divided by {divisor}, gradients added up, the step made again."
            + (" Batch norm now takes its statistics from smaller batches." if normed else "")
        )
        self.job.on_change({"micro_batch_divisor": divisor})

    def decisions(self) -> tuple[str, ...]:
        """What was decided, in sentences."""
        return (*self.words, *self.setup.words, *self._thread_words)


def prepare(job: FitJob) -> Loop:
    """Put a training together on its device.

    Raises:
        TrainwellError: nothing_to_train, augmentation_does_not_fit.
    """
    spec = job.spec
    known = {key: job.adjustments[key] for key in ("lr", "grad_clip") if key in job.adjustments}
    config = spec.config.model_copy(update=known)
    saver = Saver(job.folder, job.log)
    stream = job.stream
    rows = len(job.train.target) if stream is None else sum(stream.sizes)
    batch_size, batch_words = choose_batch_size(rows, config.batch_size, job.module)
    parts = config.accumulate * int(job.adjustments.get("micro_batch_divisor", 1))
    setup = make_setup(spec, config, job.module, job.train, batch_size, recorded_precision(saver))
    module = to_device(job.module, setup)
    train = Rows(job.train, setup, lengths_of(job.train, spec))
    if not is_kept_by_cutting(module, train):
        train.lengths = None
    validation = Rows(job.validation, setup, None if train.lengths is None else lengths_of(job.validation, spec))
    task = make_task(spec.data, config, job.train.target, job.validation.target, setup.device)
    batches = Batches(train, batch_size, config.seed) if stream is None else Streamed(stream, config.seed, setup)
    setup = _timed(setup, saver, (job, config, task, batches, parts))
    optimizer = optimizers.make(config.optimizer, module, weight_decay=config.weight_decay, fused=setup.fused)
    stepper = Stepper(
        module, task, optimizer, setup, clip=config.grad_clip, parts=parts,
        forward=compiled(module, job.log) if setup.compile else None,
    )  # fmt: skip
    cores = read_facts().cores
    tunes = setup.device.type == "cpu" and not config.deterministic
    words = (batch_words, *choices(config), *_length_words(train))
    for sentence in (*words, *setup.words):
        job.log(sentence)
    loop = Loop(
        job=job,
        config=config,
        module=module,
        setup=setup,
        task=task,
        batches=batches,
        validation=validation.sorted(),
        validation_chunk=min(MOST_ROWS, max(1, VALIDATION_BATCHES * batch_size // parts)),
        training_sample=_training_sample(train, spec, len(job.validation.target)),
        stepper=stepper,
        schedule=make_schedule(config, batches.count),
        saver=saver,
        kept=Kept(module),
        average=averaging.make(config, module, optimizer),
        augment=augment.make(config, spec.data),
        patience=0 if averaging.averaged_epochs(config) else config.early_stopping,
        words=words,
        tuner=ThreadTuner(cores) if tunes else None,
        spare_cores=SpareCores(cores),
    )
    stepper.on_halved = loop.halved
    return loop


def make_schedule(config: TrainConfig, steps_per_epoch: int) -> Schedule:
    """The schedule of a config: with schedule_free constant behind the warm-up, with swa held over its epochs."""
    name = "constant" if config.optimizer == "schedule_free" else config.scheduler
    averaged = averaging.averaged_epochs(config)
    held = (config.epochs - averaged) * steps_per_epoch if averaged else None
    return Schedule(name, config.lr, config.epochs * steps_per_epoch, config.warmup, held)


def choices(config: TrainConfig) -> list[str]:
    """What follows from the config and was not asked for in so many words, in sentences."""
    words = averaging.told(config)
    if config.optimizer == "schedule_free":
        words.append("scheduler constant behind the warm-up: schedule_free averages instead of lowering the rate")
    if averaging.averaged_epochs(config) and config.early_stopping:
        words.append("early_stopping off: swa needs its last epochs")
    return words


def lengths_of(arrays: Arrays, spec: RunSpec) -> Lengths | None:
    """The lengths of a split's rows, where they differ; what is reconstructed is needed whole."""
    return None if spec.data.task == "reconstruction" else lengths.find(arrays.inputs, spec.data.inputs)


def _length_words(train: Rows) -> list[str]:
    if train.lengths is None:
        return []
    return [f"batches of rows that are about as long, cut to the longest of them (at most {train.lengths.longest})"]


def _timed(setup: Setup, saver: Saver, parts_of: tuple[FitJob, TrainConfig, Task, Batches | Streamed, int]) -> Setup:
    """The setup with torch.compile decided: as in an earlier attempt, else by a timed step, where it may pay at all."""
    job, config, task, batches, parts = parts_of
    earlier = recorded_compile(saver)
    if earlier is not None:
        return replace(setup, compile=earlier)
    if setup.device.type == "cpu" or isinstance(batches, Streamed):
        return setup
    with undisturbed(setup.device):
        trial = copy.deepcopy(job.module)
        optimizer = optimizers.make(config.optimizer, trial, weight_decay=0.0, fused=setup.fused)
        stepper = Stepper(trial, task, optimizer, setup, clip=config.grad_clip, parts=parts)
        seconds = step_seconds(stepper, batches.rows.sample(batches.batch_size, 0))
    return make_setup(
        job.spec, config, job.module, job.train, batches.batch_size, setup.precision,
        seconds=seconds, same_shapes=batches.rows.lengths is None,
    )  # fmt: skip


def make_setup(
    spec: RunSpec,
    config: TrainConfig,
    module: nn.Module,
    train: Arrays,
    batch_size: int,
    earlier: str | None = None,
    *,
    seconds: float | None = None,
    same_shapes: bool = True,
) -> Setup:
    """The device decisions for a training.

    Args:
        spec: What to do.
        config: Its config, with the adjustments of retries.
        module: The network.
        train: Training rows.
        batch_size: Rows of one optimizer step.
        earlier: The precision of an earlier attempt at the same run.
        seconds: Measured time of one optimizer step, where it is known.
        same_shapes: Whether batches have one shape.

    Raises:
        TrainwellError: nothing_to_train, when no parameter needs a gradient.
    """
    work = work_of(spec, config, module, train, batch_size)
    if not work.parameters:
        raise TrainwellError("nothing_to_train", "This network has no parameters to train.", argument="model")
    return decide(read_facts(), replace(work, step_seconds=seconds, same_shapes=same_shapes), config.precision, earlier)


def work_of(spec: RunSpec, config: TrainConfig, module: nn.Module, train: Arrays, batch_size: int) -> Work:
    """A training in the numbers that device decisions hang on, as far as they are known before the first step."""
    return Work(
        task=spec.data.task,
        parameters=sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad),
        batch_rows=batch_size,
        data_bytes=data_bytes(train),
        convolutions=any(isinstance(layer, _CONVOLUTIONS) for layer in module.modules()),
        deterministic=config.deterministic,
        steps=config.epochs * len(batch_sizes(len(train.target), batch_size)),
    )


def to_device(module: nn.Module, setup: Setup) -> nn.Module:
    """The module on the setup's device, in its memory format."""
    module = module.to(setup.device)
    if setup.channels_last:
        module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return module


def _training_sample(train: Rows, spec: RunSpec, validation_rows: int) -> Rows:
    """The training rows whose losses are told after an epoch, as validation sees them."""
    rows = min(MOST_ROWS, max(TRAINING_SAMPLE, validation_rows if spec.data.task == "classification" else 0))
    return train.sample(rows, spec.config.seed)
