"""Train somebody's own module on somebody's own loader: the engine, record, retries and diagnosis that agents get."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import nn

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.manifest import load_manifest
from trainwell.contract.specs import PYTHON, RetryPolicy, RunSpec
from trainwell.contract.text import plain
from trainwell.python.describing import Described, describe, scale_words, tensors_as_task
from trainwell.python.loading import Loaded, as_arrays, check_loader, load
from trainwell.python.options import Options, checked, config_of
from trainwell.python.run import Run, flat_outputs
from trainwell.runs import attempts
from trainwell.runs.lifecycle import move, reopen
from trainwell.runs.liveness import is_alive, my_identity
from trainwell.runs.queue import changes_so_far
from trainwell.runs.retry import decide
from trainwell.runs.story import judge
from trainwell.runs.supervisor import start_runs
from trainwell.store.handles import new_handle
from trainwell.store.runs import Queueing
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace
from trainwell.training.fit import FitJob, FitOutcome, fit
from trainwell.training.seeding import derive
from trainwell.training.streams import OwnRandom
from trainwell.worker import data_facts
from trainwell.worker.failures import cause_of, facts_of
from trainwell.worker.failures import told as told_error
from trainwell.worker.recorder import Recorder
from trainwell.worker.recorder import told as told_epoch
from trainwell.worker.training_process import finish_report, record_end

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch.utils.data import DataLoader

    from trainwell.contract.trace import EpochRecord
    from trainwell.training.streams import Stream

INTERRUPTED = "interrupted"
SHOWN = ("train_loss", "val_loss", "val_accuracy", "val_f1", "val_r2")
EPOCHS, LR = 10, 1e-3


def train(  # noqa: PLR0913 - the manifest's own parameters, and few besides
    model: nn.Module,
    train_loader: DataLoader[Any],
    epochs: int = EPOCHS,
    lr: float = LR,
    *,
    val_loader: DataLoader[Any] | None = None,
    task: str | None = None,
    stream: bool | None = None,
    resume: str | None = None,
    workspace: str | Path | None = None,
    verbose: bool = True,
    **options: Unpack[Options],
) -> Run:
    """Train a network and come back when it has ended, with the best weights in it.

    Checkpoints are written every few seconds; a loss that is not finite is tried again with a tenth of the rate; Ctrl-C
    stops in good order, a second one at once. `list_runs`, `get_run` and `diagnose` know the run.

    Args:
        model: Its `forward(*inputs)` gives one tensor: logits (B, K), or values. It learns in place.
        train_loader: Gives (input, target) or (input 1, input 2, ..., target); its batch size is the batch size. Rows
            that read the same twice are read once and shuffled by the engine; else it is read anew each epoch.
        epochs: Most passes over the rows.
        lr: Peak learning rate.
        val_loader: Rows to validate by after each epoch; without it a seeded 15 % of the training rows are held out.
        task: classification, multilabel, regression or reconstruction; told from the targets if left out.
        stream: True to read the loader anew each epoch, False to read it once.
        resume: Handle of a run that was killed or stopped: it goes on from its last checkpoint, with its settings, the
            same rows and a network of the same shape.
        workspace: Folder of the record; default: TRAINWELL_WORKSPACE, else the current folder.
        verbose: Tell the epochs on standard error.
        options: What the tool `train` takes besides, with the same limits and defaults; see `Options`.

    Raises:
        TrainwellError: What is wrong with the arguments.
        Exception: What the network or the loader raised, or NonFiniteLoss when no retry is left; noted with the run.
    """
    _check_objects(model, train_loader, val_loader)
    given = {**options, "epochs": epochs, "lr": lr}
    whole = checked(load_manifest(), given)
    place = Workspace.open(None if workspace is None else Path(workspace))
    store = Store.open(place)
    try:
        earlier = None if resume is None else _earlier(store, resume, given)
        seed = whole["seed"] if earlier is None else earlier.config.seed
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            # Rows that draw when they are read (augmentation) are the same again when the run is resumed.
            with OwnRandom(derive(seed, "reading")).in_place():
                loaded = load(train_loader, val_loader, seed=seed, stream=stream)
            described = describe(model, loaded, task if earlier is None else earlier.data.task)
            carried = _Carried(place, store, model, loaded, described, verbose=verbose)
            if earlier is None:
                carried.begin(_spec(whole, described, loaded), whole, given)
            else:
                carried.go_on(earlier)
            return carried.run()
    finally:
        store.database.close()


def _check_objects(model: object, train_loader: object, val_loader: object) -> None:
    """The manifest's "Valid PyTorch model" and "Non-empty DataLoader"."""
    if not isinstance(model, nn.Module):
        raise TrainwellError(
            "wrong_type", f"model is a {type(model).__name__}, not a module.", argument="model",
            allowed="Valid PyTorch model", hint="Pass an instance of a torch.nn.Module, not its class or weights.",
        )  # fmt: skip
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainwellError(
            "nothing_to_train", "This network has no parameters that learn.", argument="model",
            allowed="Valid PyTorch model", hint="Let those that shall learn: parameter.requires_grad_(True).",
        )  # fmt: skip
    check_loader(train_loader, "train_loader")
    if val_loader is not None:
        check_loader(val_loader, "val_loader")


def _spec(whole: dict[str, Any], described: Described, loaded: Loaded) -> RunSpec:
    manifest = load_manifest()
    name = whole.get("name") or described.model.name
    limits = {
        name: (schema["minimum"], schema["maximum"])
        for name, schema in manifest.input_schema("train")["properties"].items()
        if "minimum" in schema and "maximum" in schema
    }
    attempts = whole.get("max_attempts") or manifest.retry.max_attempts
    return RunSpec(
        run=new_handle("run", name),
        model=described.model,
        data=described.prepared,
        config=config_of(whole, loaded.batch_size),
        retry=manifest.retry.model_copy(update={"max_attempts": attempts}),
        metrics=manifest.metrics,
        limits=limits,
        log_level=manifest.log_level,
    )


def _earlier(store: Store, resume: str, given: dict[str, Any]) -> RunSpec:
    """The spec of the run to go on with.

    Raises:
        TrainwellError: `unknown_handle`, `not_a_python_run`, `run_is_running`, `settings_differ`.
    """
    handle = store.find("run", resume, "resume")
    row, spec = store.runs.get(handle), store.runs.spec(handle)
    if spec.model.architecture != PYTHON:
        raise TrainwellError(
            "not_a_python_run", f"{handle} was started by the tools, which go on with it themselves.",
            argument="resume", got=handle,
            hint="Call the tool resume_run, or leave resume out to begin anew.",
            next_call=next_call("resume_run", run=handle),
        )  # fmt: skip
    owner: dict[str, Any] = row["owner"] or {}
    if row["ended_at"] is None and is_alive(owner):
        raise TrainwellError(
            "run_is_running", f"{handle} is carried by process {owner['pid']}.", argument="resume", got=handle,
            hint="Stop that program first.",
        )  # fmt: skip
    config = spec.config.model_dump()
    usual = {"epochs": EPOCHS, "lr": LR}
    for name, value in given.items():
        if name in config and value != config[name] and value != usual.get(name):
            raise TrainwellError(
                "settings_differ", f"The run was started with {name} {config[name]}.", argument=name, got=value,
                allowed=config[name], hint="A resumed run keeps its settings: leave the argument out.",
            )  # fmt: skip
    return spec


@dataclass
class _Carried:
    """A run that this process carries."""

    place: Workspace
    store: Store
    model: nn.Module
    loaded: Loaded
    described: Described
    verbose: bool
    spec: RunSpec = field(init=False)
    attempt: int = 1
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    interrupts: int = 0
    shown_at: float = 0.0

    def begin(self, spec: RunSpec, whole: dict[str, Any], given: dict[str, Any]) -> None:
        """Enter the run, in this process's name."""
        self.spec = spec
        steps = -(-self.loaded.train_rows // self.loaded.batch_size)
        stream = self.loaded.stream
        plan = {
            "batch_size": self.loaded.batch_size,
            "total_steps": spec.config.epochs * (steps if stream is None else len(stream.sizes)),
            "decisions": list(self.loaded.words),
        }
        tags: list[str] = whole.get("tags") or []
        # The store's copy is never tried again by a server: only this program has the network.
        kept = spec.model_copy(update={"retry": RetryPolicy(strategy="none")})
        with self.store.database.transaction():
            self.store.runs.add(
                kept, name=given.get("name") or spec.run, arguments=dict(given), plan=plan, tags=tags, key=None,
                queueing=Queueing(client="python"),
            )  # fmt: skip
            reopen(self.store, spec.run, my_identity(), time.time())
            attempts.begin(self.store, spec.run, 1)

    def go_on(self, spec: RunSpec) -> None:
        """Take the run up again.

        Raises:
            TrainwellError: `data_changed`, `run_is_running`.
        """
        if spec.data.fingerprint != self.described.prepared.fingerprint:
            raise TrainwellError(
                "data_changed", "These are not the rows that the run was trained on so far.", argument="train_loader",
                hint="Give the same rows in the same order, and the same val_loader (or none, as before).",
            )  # fmt: skip
        policy = load_manifest().retry
        self.spec = spec.model_copy(update={"retry": policy})
        attempt = reopen(self.store, spec.run, my_identity(), time.time())
        if attempt is None:
            raise TrainwellError("run_is_running", "Another program has taken the run up.", argument="resume",
                                 hint="Stop that program first.")  # fmt: skip
        self.changes = changes_so_far(self.store, spec.run)
        self.attempt = attempt
        attempts.begin(self.store, spec.run, attempt, self.changes)

    def run(self) -> Run:
        """Attempt after attempt, to the end."""
        first = self.attempt
        with _own_signals(self), flat_outputs(self.model):
            while True:
                try:
                    outcome = self._attempt()
                    break
                except BaseException as error:
                    pause = self._failed(error, self.attempt - first + 1)
                    if pause is None:
                        raise
                    time.sleep(pause)
        self.model.eval()
        self._close()
        row = self.store.runs.get(self.spec.run)
        best = {"epoch": float(outcome.best_epoch), **outcome.best_metrics}
        words = (*self.loaded.words, *scale_words(self.spec.data), *outcome.decisions)
        return Run(
            self.spec.run, row["state"], outcome.reason, best, self.model, self.spec.data, self.spec.score_name, words,
            self.place.root,
        )  # fmt: skip

    def _attempt(self) -> FitOutcome:
        run = self.spec.run
        recorder = Recorder(self.store, run, self.attempt, self.spec, self.log)
        current = next(one for one in self.store.history.attempts(run) if one.number == self.attempt)

        def on_epoch(record: EpochRecord) -> None:
            self._show(record)
            recorder.epoch(record)

        train, validation = as_arrays(self.described.train), as_arrays(self.described.validation)

        def first_step() -> None:
            recorder.first_step()
            streamed = self.loaded.stream is not None
            data_facts.look(self.place, self.store, run, self.spec.data, train, validation, ordered=streamed)

        outcome = fit(
            FitJob(
                spec=self.spec,
                module=self.model,
                train=train,
                validation=validation,
                folder=self.place.run_dir(run) / "checkpoints",
                stream=self._stream(),
                adjustments=self.changes,
                on_first_step=first_step,
                on_epoch=on_epoch,
                on_signals=recorder.signals,
                on_facts=recorder.facts,
                on_progress=recorder.progress,
                should_stop=lambda: INTERRUPTED if self.interrupts else recorder.should_stop(),
                on_save=recorder.flush,
                on_note=recorder.note,
                on_change=recorder.change,
                log=self.log,
            )
        )
        recorder.flush()
        cause = recorder.alarm.code if recorder.alarm else None
        record_end(self.store, run, self.attempt, current, outcome, self.log, cause=cause)
        return outcome

    def _stream(self) -> Stream | None:
        """The loader's batches, their targets as the task has them."""
        found, task = self.loaded.stream, self.spec.data.task
        if found is None:
            return None
        before = found.tensors

        def tensors(batch: Any) -> tuple[torch.Tensor, ...]:
            return tensors_as_task(before(batch), task)

        return replace(found, tensors=tensors)

    def _failed(self, error: BaseException, tried: int) -> float | None:
        """Record a failed attempt. Returns: seconds until the next one, or None when there is none."""
        run, now = self.spec.run, time.time()
        interrupted = isinstance(error, KeyboardInterrupt)
        cause = INTERRUPTED if interrupted else cause_of(error)
        config = self.spec.config.model_dump()
        decision = decide(self.spec.retry, tried, cause, config, self.changes, facts_of(error))
        message = f"{told_error(error)} {decision.reason}"
        self.log(f"attempt {self.attempt} failed: {message}")
        if current := attempts.find(self.store, run, self.attempt):
            attempts.end(self.store, run, current, outcome=decision.kind, cause=cause, message=message,
                         facts=facts_of(error))  # fmt: skip
        if decision.retry and not self.interrupts:
            self.attempt, self.changes = self.attempt + 1, decision.changes
            self.store.runs.update(run, at_attempt=self.attempt - 1, attempt=self.attempt)
            attempts.begin(self.store, run, self.attempt, self.changes)
            return decision.delay_seconds
        state = "stopped" if interrupted else "failed"
        columns = {"owner": None, "ended_at": now, "outcome": state, "cause": cause, "message": message}
        with self.store.database.transaction():
            move(self.store, run, state, at_attempt=self.attempt, **columns)
            judge(self.store, run, finished=True)
        self._close()
        error.add_note(f"trainwell: {run}; trainwell.diagnose({run!r}) says more, resume={run!r} goes on")
        return None

    def _close(self) -> None:
        """What follows the end of a run: its picture, and the next one in the queue."""
        finish_report(self.place, self.store, self.spec.run)
        start_runs(self.place, self.store)

    def log(self, sentence: str) -> None:
        """A line in the run's log."""
        path = self.place.run_dir(self.spec.run) / "log.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {plain(sentence, 2000)}\n")

    def _show(self, record: EpochRecord) -> None:
        """An epoch on standard error, at most once a second, the last one always."""
        last, now = record.epoch >= self.spec.config.epochs, time.monotonic()
        if self.verbose and (last or record.epoch == 1 or now - self.shown_at >= 1.0):
            self.shown_at = now
            shown = (*SHOWN, self.spec.score_name)
            sys.stderr.write(f"epoch {record.epoch}/{self.spec.config.epochs} {told_epoch(record, shown)}\n")


@contextmanager
def _own_signals(carried: _Carried) -> Generator[None]:
    """Within it a first Ctrl-C asks the run to stop in good order, a second one raises at once.

    And a dead child raises nothing: torch's handler would, wherever this process is at that moment, also while it
    records what happened. Its loader finds the lost worker by itself, within seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: Any) -> None:
        carried.interrupts += 1
        if carried.interrupts > 1:
            raise KeyboardInterrupt
        sys.stderr.write("trainwell: stopping in good order; Ctrl-C once more stops at once\n")

    ours = {signal.SIGINT: interrupt, signal.SIGCHLD: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in ours.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
