"""What a running training consists of, and how it is put together."""

# torch has no public name for its list and fused kernels.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn

from trainwell.contract.errors import TrainwellError
from trainwell.training import optimizers
from trainwell.training.batches import Batches, Rows, choose_batch_size, data_bytes
from trainwell.training.device import Setup, Work, decide, read_facts
from trainwell.training.losses import Metrics, Task, make_task
from trainwell.training.saving import Saver, recorded_precision
from trainwell.training.schedules import Plateau, Schedule
from trainwell.training.step import Stepper
from trainwell.training.streams import Streamed
from trainwell.training.telemetry import EpochTotals, Pending
from trainwell.training.threads import SpareCores, ThreadTuner
from trainwell.training.validation import MOST_ROWS, TRAINING_SAMPLE, VALIDATION_BATCHES, Best

if TYPE_CHECKING:
    from torch import Tensor

    from trainwell.contract.specs import RunSpec, TrainConfig
    from trainwell.training.batches import Arrays
    from trainwell.training.fit import FitJob

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@dataclass
class Loop:
    """A training in progress: its parts, its position, and what it remembers.

    Attributes:
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
    training_sample: Rows | None
    stepper: Stepper
    schedule: Schedule
    saver: Saver
    batch_words: str
    tuner: ThreadTuner | None
    spare_cores: SpareCores
    epoch: int = 0
    within: int = 0
    was_read: int = 0
    totals: EpochTotals = field(default_factory=EpochTotals)
    best: Best = field(default_factory=Best)
    plateau: Plateau = field(default_factory=Plateau)
    last_metrics: Metrics = field(default_factory=dict[str, float])
    provisional: Metrics | None = None
    pending: Pending = field(default_factory=Pending)
    update_ratio: Tensor | None = None
    highest_rate: float = 0.0
    stepped: bool = False
    look_at: float = 0.0
    progress_at: float = 0.0
    read_at: float = 0.0
    spent_before: float = 0.0
    began: float = field(default_factory=time.perf_counter)
    _clock: float = 0.0
    _thread_words: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        state = self.module.state_dict()
        self.names = list(state)
        # The tensors themselves: they follow the training.
        self.live = list(state.values())
        self.initial: list[Tensor] | None = [tensor.clone() for tensor in self.live]
        self.best_weights: list[Tensor] | None = None

    @property
    def step(self) -> int:
        """Optimizer steps done, as far as the host has read them."""
        return self.epoch * self.batches.count + self.was_read

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.config.epochs * self.batches.count

    @property
    def seconds_spent(self) -> float:
        """Time of this run, earlier attempts included."""
        return self.spent_before + time.perf_counter() - self.began

    def step_at_hand(self) -> int:
        """Optimizer steps started."""
        return self.epoch * self.batches.count + self.within

    def rates(self) -> list[float]:
        """The learning rates of the steps that are left in the epoch at hand."""
        first = self.epoch * self.batches.count
        rates = self.schedule.between(first + self.within, first + self.batches.count)
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

    def keep_best(self) -> None:
        """Copy the weights as they are now; they are the best so far."""
        if self.best_weights is None:
            self.best_weights = [tensor.clone() for tensor in self.live]
        else:
            torch._foreach_copy_(self.best_weights, self.live)

    def restore_best(self) -> None:
        """Put the best weights into the module."""
        if self.best_weights is not None:
            torch._foreach_copy_(self.live, self.best_weights)

    def restore_initial(self) -> None:
        """Go back to the weights at the start, unless a checkpoint has taken their place."""
        if self.initial is not None:
            torch._foreach_copy_(self.live, self.initial)

    def decisions(self) -> tuple[str, ...]:
        """What was decided, in sentences."""
        return (self.batch_words, *self.setup.words, *self._thread_words)


def prepare(job: FitJob) -> Loop:
    """Put a training together on its device.

    Raises:
        TrainwellError: nothing_to_train.
    """
    spec = job.spec
    known = {key: job.adjustments[key] for key in ("lr", "grad_clip") if key in job.adjustments}
    config = spec.config.model_copy(update=known)
    saver = Saver(job.folder, job.log)
    stream = job.stream
    rows = len(job.train.target) if stream is None else sum(stream.sizes)
    batch_size, batch_words = choose_batch_size(rows, config.batch_size, job.module)
    setup = make_setup(spec, config, job.module, job.train, batch_size, recorded_precision(saver))
    module = to_device(job.module, setup)
    train = Rows(job.train, setup)
    task = make_task(spec.data, config, job.train.target, job.validation.target, setup.device)
    batches = Batches(train, batch_size, config.seed) if stream is None else Streamed(stream, config.seed, setup)
    parts = config.accumulate * int(job.adjustments.get("micro_batch_divisor", 1))
    optimizer = optimizers.make(config.optimizer, module, weight_decay=config.weight_decay, fused=setup.fused)
    cores = read_facts().cores
    tunes = setup.device.type == "cpu" and not config.deterministic
    for sentence in (batch_words, *setup.words):
        job.log(sentence)
    return Loop(
        job=job,
        config=config,
        module=module,
        setup=setup,
        task=task,
        batches=batches,
        validation=Rows(job.validation, setup),
        validation_chunk=min(MOST_ROWS, max(1, VALIDATION_BATCHES * batch_size // parts)),
        training_sample=_training_sample(train, spec, len(job.validation.target)),
        stepper=Stepper(module, task, optimizer, setup, clip=config.grad_clip, parts=parts),
        schedule=Schedule(config.scheduler, config.lr, config.epochs * batches.count, config.warmup),
        saver=saver,
        batch_words=batch_words,
        tuner=ThreadTuner(cores) if tunes else None,
        spare_cores=SpareCores(cores),
    )


def make_setup(
    spec: RunSpec, config: TrainConfig, module: nn.Module, train: Arrays, batch_size: int, earlier: str | None = None
) -> Setup:
    """The device decisions for a training.

    Args:
        spec: What to do.
        config: Its config, with the adjustments of retries.
        module: The network.
        train: Training rows.
        batch_size: Rows of one optimizer step.
        earlier: The precision of an earlier attempt at the same run.

    Raises:
        TrainwellError: nothing_to_train, when no parameter needs a gradient.
    """
    parameters = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    if not parameters:
        raise TrainwellError("nothing_to_train", "This network has no parameters to train.", argument="model")
    work = Work(
        task=spec.data.task,
        parameters=parameters,
        batch_rows=batch_size,
        data_bytes=data_bytes(train),
        convolutions=any(isinstance(layer, _CONVOLUTIONS) for layer in module.modules()),
        deterministic=config.deterministic,
    )
    return decide(read_facts(), work, config.precision, earlier)


def to_device(module: nn.Module, setup: Setup) -> nn.Module:
    """The module on the setup's device, in its memory format."""
    module = module.to(setup.device)
    if setup.channels_last:
        module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return module


def _training_sample(train: Rows, spec: RunSpec, validation_rows: int) -> Rows | None:
    """The training rows whose accuracy is told after each epoch, as validation sees them; none for regression."""
    if spec.data.task != "classification":
        return None
    return train.sample(min(MOST_ROWS, max(TRAINING_SAMPLE, validation_rows)), spec.config.seed)
