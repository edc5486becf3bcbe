"""What a worker tells the store while it trains, seldom enough that training does not feel it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from loguru import logger

from trainwell.contract.trace import AttemptRecord
from trainwell.runs import attempts
from trainwell.runs.repairs import alarm, next_repair
from trainwell.runs.story import judge
from trainwell.training.fit import REPAIR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainwell.contract.findings import Finding
    from trainwell.contract.specs import RunSpec
    from trainwell.contract.trace import EpochRecord, SignalRecord
    from trainwell.runs.repairs import Repair
    from trainwell.store.store import Store

# What the log tells of an epoch, as far as it was measured.
SHOWN = (
    "train_loss", "val_loss", "val_accuracy", "val_f1", "val_r2", "lr", "grad_norm", "samples_per_second", "gpu_memory",
)  # fmt: skip
FLUSH_SECONDS = 0.25
JUDGE_SECONDS = 1.0


@dataclass
class Recorder:
    """Buffers epochs and progress, writes them a few times a second, and judges the run as it goes.

    Attributes:
        alarm: A critical finding that is sure, as of the last judgement.
        repair: What the next attempt is to change because of it, if the run repairs itself.
        healthy_step: The last step at which the rules saw nothing wrong.
    """

    store: Store
    run: str
    attempt: int
    spec: RunSpec
    log: Callable[[str], None] = logger.info
    alarm: Finding | None = None
    repair: Repair | None = None
    healthy_step: int | None = None
    SUPERSEDED = "superseded"
    TERMINATED = "terminated"
    _epochs: list[EpochRecord] = field(default_factory=list)
    _signals: list[SignalRecord] = field(default_factory=list)
    _facts: dict[str, Any] = field(default_factory=dict)
    _has_signals: bool = False
    _position: tuple[int, int, int] = (0, 0, 0)
    _began: tuple[int, float] | None = None
    _flushed_at: float = 0.0
    _judged_at: float = 0.0
    _superseded: bool = False
    _stop_requested: bool = False
    terminated: bool = False

    def first_step(self) -> None:
        """The first optimizer step of this attempt is done."""
        now = time.time()
        row = self.store.runs.get(self.run)
        self.store.runs.update(
            self.run, at_attempt=self.attempt, first_step_at=row["first_step_at"] or now, progress_at=now,
            heartbeat=time.monotonic(),
        )  # fmt: skip

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is over."""
        self._epochs.append(record)
        self._flush_if_due()

    def signals(self, records: list[SignalRecord]) -> None:
        """Some steps were looked at closely."""
        self._signals += records
        self._flush_if_due()

    def facts(self, known: dict[str, Any]) -> None:
        """What the network showed before its first step."""
        self._facts |= known

    def progress(self, step: int, total: int, epoch: int) -> None:
        """Where training is."""
        self._position = (step, total, epoch)
        self._began = self._began or (step, time.monotonic())
        self._flush_if_due()

    def should_stop(self) -> str | None:
        """Why training should end now, or None."""
        self._flush_if_due()
        if self._superseded:
            return self.SUPERSEDED
        if self._stop_requested:
            return "stop_requested"
        if self.terminated:
            return self.TERMINATED
        if self.alarm is None or self.spec.config.on_finding == "report":
            return None
        return "finding" if self.repair is None else REPAIR

    def flush(self) -> None:
        """Write what is buffered, and see whether somebody asked to stop or took the run over."""
        self._flushed_at = time.monotonic()
        step, total, epoch = self._position
        with self.store.database.transaction():
            changed = self.store.runs.update(
                self.run, at_attempt=self.attempt, step=step, total_steps=total, epoch=epoch, progress_at=time.time(),
                heartbeat=time.monotonic(), pace=self._pace(step),
            )  # fmt: skip
            self._superseded = not changed
            if changed:
                self.store.history.put_epochs(self.run, self._epochs)
                self._put_signals()
        for record in self._epochs:
            self.log(f"epoch {record.epoch}: {told(record, (*SHOWN, self.spec.score_name))}")
        self._epochs.clear()
        self._stop_requested = bool(self.store.runs.get(self.run)["stop_requested"])

    def _put_signals(self) -> None:
        """Write signals and facts; what an earlier attempt saw of the same steps goes."""
        history = self.store.history
        if self._signals and not self._has_signals:
            history.forget_signals_from(self.run, self._signals[0].step)
            self._has_signals = True
        history.put_signals(self.run, self._signals)
        if self._facts:
            history.put_facts(self.run, self._facts)
        self._signals, self._facts = [], {}

    def _pace(self, step: int) -> float | None:
        """Seconds a step of this attempt so far, by a clock that nobody sets."""
        first, since = self._began or (step, 0.0)
        return (time.monotonic() - since) / (step - first) if step > first else None

    def note(self, words: str) -> None:
        """Keep a sentence with the attempt."""
        current = self._current()
        self.store.history.put_attempt(self.run, replace(current, notes=[*current.notes, words]))

    def change(self, changes: dict[str, Any]) -> None:
        """Keep with the attempt what was changed within it; the next one begins with that."""
        current = self._current()
        self.store.history.put_attempt(self.run, replace(current, changes={**current.changes, **changes}))

    def _current(self) -> AttemptRecord:
        return attempts.find(self.store, self.run, self.attempt) or AttemptRecord(self.attempt, time.time())

    def judge(self) -> None:
        """Ask the rules what is wrong so far, keep the answer with the run, and see whether it is to be repaired."""
        self._judged_at = time.monotonic()
        with self.store.database.transaction():
            findings = judge(self.store, self.run, finished=False)
        last = self.store.history.last_epoch(self.run)
        if last is not None and all(finding.severity == "info" for finding in findings):
            self.healthy_step = last.step
        self.alarm = alarm(findings)
        if self.alarm is not None and self.spec.config.on_finding == "repair":
            tried = [one.changes for one in self.store.history.attempts(self.run)]
            begun = self.attempt - self.store.runs.get(self.run)["resumed_at"]
            self.repair = next_repair(self.spec.retry, begun, self.alarm, tried)

    def _flush_if_due(self) -> None:
        now = time.monotonic()
        if now - self._flushed_at >= FLUSH_SECONDS:
            had_epochs = bool(self._epochs)
            self.flush()
            if had_epochs and now - self._judged_at >= JUDGE_SECONDS:
                self.judge()


def told(record: EpochRecord, shown: Sequence[str]) -> str:
    """An epoch in one line."""
    values = ((name, vars(record)[name]) for name in dict.fromkeys(shown))
    return " ".join(f"{name}={value:.5g}" for name, value in values if value is not None)
