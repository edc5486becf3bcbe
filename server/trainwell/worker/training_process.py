"""The worker of one attempt at a run: register, train, record, judge, and let the next run start."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from trainwell import data
from trainwell.contract.trace import AttemptRecord
from trainwell.reports.curves import draw_curves
from trainwell.runs import attempts
from trainwell.runs.deaths import record_counters
from trainwell.runs.lifecycle import CARRIED, move
from trainwell.runs.places import VISIBLE, visible_at
from trainwell.runs.queue import end_attempt, next_start_in, take_over
from trainwell.runs.record import keep
from trainwell.runs.story import judge
from trainwell.runs.supervisor import start_runs
from trainwell.runs.verification import settle
from trainwell.store.atomic import remove, sweep
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace
from trainwell.training import checkpoint
from trainwell.training.fit import REPAIR, FitJob, FitOutcome, fit
from trainwell.training.pulse import Pulse
from trainwell.worker import data_facts, weights
from trainwell.worker.failures import cause_of, facts_of, told
from trainwell.worker.limits import Reserve, lift_limit, limit_memory, offer_to_the_kernel
from trainwell.worker.recorder import Recorder
from trainwell.worker.tuning import search
from trainwell.worker.watchdog import Watchdog, launch_successor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from trainwell.contract.specs import RunSpec

#: Ends that a person or a rule asked for; all others are a completed run.
_STOPPED = {"stop_requested", "finding", "interrupted"}
#: Of a run that begins anew.
NO_BEST: dict[str, Any] = {"best_epoch": None, "best_score": None, "best_metrics": None}


def main(request: dict[str, Any]) -> None:
    """Carry out one attempt; returns when there is nothing left for this process to do."""
    workspace = Workspace.of_request(request)
    run, attempt = request["arguments"]["run"], int(request["arguments"]["attempt"])
    log_to(workspace.run_dir(run) / "log.txt")
    limit_memory()
    offer_to_the_kernel()
    with suppress(OSError):  # without it, a death is told as one without a word
        record_counters(workspace.run_dir(run))
    sweep(workspace.run_dir(run))
    reserve = Reserve(workspace.run_dir(run))
    store = Store.open(workspace)
    if not take_over(store, run, attempt):
        logger.warning("attempt {} of {} was given up before it began", attempt, run)
        reserve.release()
        if run not in store.runs.all_handles():  # deleted while this process started, which made the folder anew
            remove(workspace.run_dir(run))
        return
    go_to(store.runs.get(run)["place"])
    try:
        with workspace.at_work():
            carry_out(workspace, store, run, attempt)
    except Exception as error:  # noqa: BLE001 - the border of the process: the cause goes into the run's record
        lift_limit()
        logger.opt(exception=None if cause_of(error) == "disk_full" else error).error(
            "attempt {} of {} failed: {}", attempt, run, told(error)
        )
        reserve.release()
        end_attempt(store, run, attempt, cause_of(error), told(error), facts_of(error))
    reserve.release()
    if close(workspace, store, run) == "terminated":
        launch_successor(workspace)  # who asked this process to end does not want it to wait for others
        return
    move_on(workspace, store)


def close(workspace: Workspace, store: Store, run: str) -> str | None:
    """What follows the end of an attempt: record and picture; of a twin, the judgement of what all of them show.

    Returns:
        The cause of a failure.
    """
    try:
        row = store.runs.get(run)
    except KeyError:  # a twin that another one's worker has judged, or somebody has cancelled
        return None
    if row["twin_of"] is not None:
        settle(store, row["twin_of"])
    else:
        keep(workspace, store, run)
        finish_report(workspace, store, run)
    return row["cause"]


def go_to(place: str | None) -> None:
    """Make the device that the run was given the only one that CUDA shows, before anything here has asked CUDA."""
    visible = visible_at(place, os.environ)
    if visible is not None:
        os.environ[VISIBLE] = visible


def log_to(path: Path) -> None:
    """Send this process's log, and whatever native code writes, to the run's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        sink = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:  # a log that cannot be written is not worth a run
        sink = os.open(os.devnull, os.O_WRONLY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(nothing, 0)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.close(sink)
    os.close(nothing)
    log_from("INFO")


def log_from(level: str) -> None:
    """Log what is at least this important."""
    logger.remove()
    logger.add(
        sys.stderr,
        level=level,
        format="{time:YYYY-MM-DD HH:mm:ss.SSS} {level} {message}",
        diagnose=False,
        backtrace=False,
    )


def carry_out(workspace: Workspace, store: Store, run: str, attempt: int) -> None:
    """Train, and record how it ended."""
    spec = store.runs.spec(run)
    log_from(spec.log_level.upper())
    current = attempts.find(store, run, attempt) or AttemptRecord(attempt, time.time())
    logger.info("attempt {} of {} begins; changes: {}", attempt, run, current.changes or "none")
    recorder = Recorder(store, run, attempt, spec)
    pulse = Pulse()
    with _ended_by_signal(recorder), Watchdog(workspace, run, attempt, pulse):
        ended = search(workspace, spec, recorder, pulse) if spec.search else None
        if ended is None:
            recorder.spec = spec = store.runs.spec(run)
            outcome = fit(_job(workspace, spec, current, recorder, pulse))
        else:
            outcome = nothing_trained(ended)
    recorder.flush()
    if outcome.reason == recorder.SUPERSEDED:
        logger.warning("another attempt has taken over")
        return
    if outcome.reason == recorder.TERMINATED:
        store.runs.update(run, at_attempt=attempt, step=outcome.steps)
        end_attempt(store, run, attempt, "terminated", "Its process was asked to end (SIGTERM); its state is saved.")
        return
    if recorder.repair is not None and outcome.reason == REPAIR:
        begin_repair(workspace, store, run, attempt, recorder)
        return
    record_end(store, run, attempt, current, outcome, cause=recorder.alarm.code if recorder.alarm else None)


def begin_repair(workspace: Workspace, store: Store, run: str, attempt: int, recorder: Recorder) -> None:
    """Go back to the last sound state, or to the beginning, and leave the patched attempt to the queue."""
    repair = recorder.repair
    if repair is None:
        return
    sound = recorder.healthy_step if repair.goes_on else None
    step, epoch = checkpoint.go_back(workspace.run_dir(run) / "checkpoints", sound)
    start = f"from step {step}" if step else "from the beginning"
    told = f"{repair.finding.symptom} {repair.told} It goes on {start}."
    code, now = repair.finding.code, time.time()
    with store.database.transaction():
        if not move(store, run, "retrying", at_attempt=attempt, not_before=now, owner=None, cause=code, message=told):
            return  # asked to stop meanwhile, or taken over
        current = attempts.find(store, run, attempt) or AttemptRecord(attempt, now)
        attempts.end(store, run, current, outcome="repaired", cause=code, message=told, changes=repair.changes)
        store.history.forget_epochs_after(run, epoch)
        store.history.forget_signals_from(run, step)
        best: dict[str, Any] = {} if step else {**NO_BEST}
        store.runs.update(run, step=step, epoch=epoch, **best)
        judge(store, run, finished=False)
    logger.info("attempt {} ends for a repair: {}", attempt, told)


@contextmanager
def _ended_by_signal(recorder: Recorder) -> Generator[None]:
    """Within it, SIGTERM lets training save and end in good order."""

    def heard(*_: object) -> None:
        recorder.terminated = True

    before = signal.signal(signal.SIGTERM, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _job(workspace: Workspace, spec: RunSpec, current: AttemptRecord, recorder: Recorder, pulse: Pulse) -> FitJob:
    train, validation = (data.load_split(workspace, spec.data, split) for split in ("train", "validation"))

    def first_step() -> None:
        recorder.first_step()
        data_facts.look(workspace, recorder.store, spec.run, spec.data, train, validation)

    return FitJob(
        spec=spec,
        module=weights.fresh(spec),
        train=train,
        validation=validation,
        folder=workspace.run_dir(spec.run) / "checkpoints",
        adjustments=current.changes,
        on_first_step=first_step,
        on_epoch=recorder.epoch,
        on_signals=recorder.signals,
        on_facts=recorder.facts,
        on_progress=recorder.progress,
        should_stop=recorder.should_stop,
        on_save=recorder.flush,
        healthy_step=lambda: recorder.healthy_step if spec.config.on_finding == "repair" else None,
        on_note=recorder.note,
        on_change=recorder.change,
        pulse=pulse,
        log=logger.info,
    )


def nothing_trained(reason: str) -> FitOutcome:
    """The outcome of a run whose search ended before it could train."""
    return FitOutcome(
        reason=reason, epochs=0, steps=0, best_epoch=0, best_score=None, best_metrics={}, last_metrics={}
    )  # fmt: skip


def record_end(
    store: Store,
    run: str,
    attempt: int,
    current: AttemptRecord,
    outcome: FitOutcome,
    log: Callable[[str], None] = logger.info,
    *,
    cause: str | None = None,
) -> None:
    """Move the run to its end, in one transaction with its attempt and what the rules say of it.

    `cause` is the code of the finding, if it was one that ended the run.
    """
    now = time.time()
    state = "stopped" if outcome.reason in _STOPPED else "completed"
    with store.database.transaction():
        moved = move(
            store, run, state, at_attempt=attempt, owner=None, ended_at=now, outcome=outcome.reason, step=outcome.steps,
            epoch=outcome.epochs, best_epoch=outcome.best_epoch if outcome.steps else None,
            best_score=outcome.best_score, best_metrics=outcome.best_metrics,
            cause=cause if outcome.reason == "finding" else None, message=None,
        )  # fmt: skip
        if moved:
            store.history.forget_epochs_after(run, outcome.epochs)
            # Notes and changes may have come in since the attempt began.
            current = attempts.find(store, run, attempt) or current
            attempts.end(store, run, current, outcome=outcome.reason, resumed_from_step=outcome.resumed_from_step)
            judge(store, run, finished=True)
    log(f"{outcome.reason} after {outcome.epochs} epochs: {asdict(outcome)}")


def finish_report(workspace: Workspace, store: Store, run: str) -> None:
    """Draw the learning curves once the run is over; a fault here must not touch the run."""
    epochs = store.history.epochs(run)
    if not epochs or store.runs.get(run)["ended_at"] is None:
        return
    spec = store.runs.spec(run)
    try:
        draw_curves(
            epochs,
            workspace.run_dir(run) / "report" / "curves.png",
            title=run,
            score_name=spec.score_name,
            findings=store.history.findings(run),
        )
    except Exception as error:  # noqa: BLE001 - a picture is not worth a run
        logger.opt(exception=error).warning("the picture could not be drawn")


def move_on(workspace: Workspace, store: Store) -> None:
    """Start the next waiting run. If only a retry waits for its time, wait with it: no server needs to live."""
    while not start_runs(workspace, store):
        pause = next_start_in(store, workspace.allow)
        if pause is None or store.queue.count(*CARRIED):
            return
        time.sleep(pause + 0.01)
