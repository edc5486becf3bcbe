"""Ends that a person decides on: a run ended at once, taken up again, or deleted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import PYTHON
from trainwell.runs import attempts
from trainwell.runs.lifecycle import CARRIED, move
from trainwell.runs.liveness import kill
from trainwell.runs.queue import folder_of, tidy
from trainwell.runs.story import judge
from trainwell.store.atomic import remove, temporary_beside

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.store.store import Store


def end_at_once(store: Store, run: str) -> bool:
    """Kill the worker of a run that is stopping; its last checkpoint stays.

    A run that somebody's Python program carries is left alone: that process is not ours to kill.

    Returns:
        Whether it was ended here.
    """
    if store.runs.spec(run).model.architecture == PYTHON:
        return False
    row = store.runs.get(run)
    owner: dict[str, Any] = row["owner"] or {}
    # Killed before the store is written: a worker that was stopped while it wrote lets nobody else write.
    if row["state"] == "stopping" and kill(owner):
        tidy(folder_of(store, run), killed=owner["pid"])
    with store.database.transaction():
        row, now = store.runs.get(run), time.time()
        if row["state"] != "stopping":
            return False
        move(store, run, "stopped", at_attempt=row["attempt"], owner=None, ended_at=now, outcome="killed",
             epoch=store.history.epochs_done(run))  # fmt: skip
        if attempt := attempts.find(store, run, row["attempt"]):
            attempts.end(store, run, attempt, outcome="killed")
        judge(store, run)
    return True


def take_up(store: Store, run: str) -> bool:
    """Put a stopped or failed run back into the queue, where it goes on from its last checkpoint.

    Attempts are counted on, but those of the retry policy begin anew.

    Returns:
        Whether it was there to be taken up: somebody else may have been faster.
    """
    row = store.runs.get(run)
    return move(
        store, run, "queued", at_attempt=row["attempt"], resumed_at=row["attempt"], stop_requested=0, ended_at=None,
        outcome=None, cause=None, message=None, owner=None,
    )  # fmt: skip


def must_not_run(store: Store, run: str, verb: str) -> None:
    """Refuse what cannot be done to a run with a worker.

    Raises:
        TrainwellError: `run_is_running`.
    """
    state = store.runs.get(run)["state"]
    if state in CARRIED:
        raise TrainwellError(
            "run_is_running", f"This run is {state}; it must be stopped before it can be {verb}.", argument="run",
            got=run, next_call=next_call("stop_run", run=run, wait_seconds=20),
        )  # fmt: skip


def delete(store: Store, run: str, folder: Path) -> None:
    """Remove a run's rows and its folder: all of it or nothing, at every moment.

    Args:
        store: Where its rows are.
        run: A run without a worker.
        folder: Its folder, if it has one.

    Raises:
        TrainwellError: `run_is_running`.
        OSError: The folder could not be renamed; then nothing was removed.
    """
    trash = temporary_beside(folder)
    with store.database.transaction():
        must_not_run(store, run, "deleted")
        store.runs.delete(run)
        if folder.exists():
            folder.rename(trash)
    remove(trash)
