"""The queue: it lives in the store, and whoever is alive moves it on. No scheduler has to survive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from loguru import logger

from trainwell.contract.trace import AttemptRecord
from trainwell.runs import attempts
from trainwell.runs.deaths import cause_of_death
from trainwell.runs.lifecycle import CARRIED, WAITING, move
from trainwell.runs.liveness import a_claim, claim_age, is_alive, my_identity
from trainwell.runs.retry import LONGEST_DELAY_SECONDS, Decision, decide
from trainwell.runs.story import judge
from trainwell.store.atomic import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from trainwell.contract.specs import RunSpec
    from trainwell.runs.places import Places
    from trainwell.store.database import Row
    from trainwell.store.store import Store


#: A worker that was launched has this long to take its run over, which it does before it imports torch.
LAUNCH_SECONDS = 30.0


def changes_so_far(store: Store, run: str) -> dict[str, Any]:
    """The adjustments that the next attempt starts with."""
    made = store.history.attempts(run)
    return dict(made[-1].changes) if made else {}


def end_attempt(
    store: Store, run: str, number: int, cause: str, message: str, facts: dict[str, Any] | None = None
) -> Decision:
    """Record that attempt `number` of a run failed, and decide what follows; nothing if it was given up before.

    The run moves to retrying, or to its end. Called by the worker for what it caught, and by whoever
    finds the worker dead for what it could not; `facts` is what the worker has found out about it.
    """
    row = store.runs.get(run)
    spec: RunSpec = store.runs.spec(run)
    current = attempts.find(store, run, number) or AttemptRecord(number, time.time())
    config = {**spec.config.model_dump(), "batch_size": row["plan"]["batch_size"]}
    # A person who resumes a run gives it its attempts anew.
    decision = decide(spec.retry, number - row["resumed_at"], cause, config, current.changes, facts or {})
    if row["stop_requested"]:
        decision = Decision(retry=False, kind=decision.kind, reason="It had been asked to stop.")
    now = time.time()
    changes = decision.changes if decision.retry else current.changes
    told = f"{message} {decision.reason}"
    ending = {"outcome": decision.kind, "cause": cause, "message": told, "changes": changes, **_lost(store, row)}
    ending["facts"] = facts or {}
    final = "stopped" if row["stop_requested"] else "failed"
    columns: dict[str, Any] = {"owner": None, "cause": cause, "message": told}
    with store.database.transaction():
        if decision.retry:
            moved = move(store, run, "retrying", at_attempt=number, not_before=now + decision.delay_seconds, **columns)
        else:
            # While a run goes on, its epoch is the one at hand; an end knows only those that were finished.
            columns["epoch"] = store.history.epochs_done(run)
            moved = move(store, run, final, at_attempt=number, ended_at=now, outcome=final, **columns)
        if moved:
            attempts.end(store, run, current, **ending)
            judge(store, run)
        else:
            logger.info("attempt {} of {} was already given up", number, run)
    return decision


def _lost(store: Store, row: Row) -> dict[str, Any]:
    """What an attempt that failed now has lost: the steps since its newest checkpoint."""
    folder = folder_of(store, row["handle"]) / "checkpoints"
    saved = [int(path.name[5:13]) for path in folder.glob("step-????????") if path.name[5:13].isdigit()]
    saved_step = max(saved, default=0)
    steps = max(0, row["step"] - saved_step)
    seconds = None if row["pace"] is None else round(steps * row["pace"], 2)
    return {"step": row["step"], "saved_step": saved_step, "lost_seconds": seconds}


def folder_of(store: Store, run: str) -> Path:
    """The run's folder, beside the store."""
    return store.database.path.parent / "runs" / run


def tidy(folder: Path, killed: int | None = None) -> None:
    """Remove what a worker that is gone, or was killed just now, has left half done in its run's folder."""
    for place in (folder, folder / "checkpoints"):
        sweep(place, killed)


def _is_carried(row: Row) -> bool:
    """Whether a worker lives that carries the run, or one was launched a moment ago."""
    owner: dict[str, Any] = row["owner"] or {}
    age = claim_age(owner)
    return is_alive(owner) if age is None else age < LAUNCH_SECONDS


def lost(store: Store) -> list[Row]:
    """Runs whose worker is gone."""
    return [row for row in store.queue.carried() if not _is_carried(row)]


def recover(store: Store) -> list[str]:
    """Find runs whose worker is gone and end their attempt.

    Returns:
        Handles of the runs that were found dead.
    """
    found: list[str] = []
    for row in lost(store):
        with store.database.transaction():
            fresh = store.runs.get(row["handle"])
            if fresh["state"] in CARRIED and fresh["attempt"] == row["attempt"] and not _is_carried(fresh):
                logger.warning("the worker of {} is gone", row["handle"])
                folder = folder_of(store, row["handle"])
                end_attempt(store, row["handle"], row["attempt"], *cause_of_death(folder))
                tidy(folder)
                found.append(row["handle"])
    return found


def give_up_bereft(store: Store) -> list[str]:
    """End runs that were to follow one which failed, was stopped or was deleted; and those that follow them.

    Returns:
        Their handles.
    """
    ended: list[str] = []
    while bereft := store.queue.bereft():
        for row in bereft:
            what = f"{row['state']}" if row["state"] else "was deleted"
            message = f"It was to start after {row['after']}, which {what}."
            move(store, row["handle"], "failed", ended_at=time.time(), outcome="failed", cause="after_failed",
                 message=message)  # fmt: skip
            ended.append(row["handle"])
    return ended


def claim_next(store: Store, places: Places, allow: Collection[str] = ()) -> tuple[str, int] | None:
    """Take the run that is next, if a place is free.

    The worker takes the claim over with its own identity; whoever claims may be gone by then.

    Args:
        store: Where the runs are.
        places: How many at once, on what.
        allow: Permissions of this process; runs that need more are left to another one.

    Returns:
        Its handle and the number of the attempt that starts, or None.
    """
    if not store.queue.count(*WAITING):
        return None  # most looks end here, and need not hold anybody's writing up
    with store.database.transaction():
        place = places.free(row["place"] for row in store.queue.carried())
        now = time.time()
        run = store.queue.next(allow, now, LONGEST_DELAY_SECONDS) if place else None
        if run is None:
            return None
        row = store.runs.get(run)
        attempt = int(row["attempt"]) + 1
        changes = changes_so_far(store, run)
        move(
            store,
            run,
            "running",
            at_attempt=attempt - 1,
            attempt=attempt,
            owner=a_claim(),
            place=place,
            served=store.queue.served_last() + 1,
            heartbeat=None,
            started_at=row["started_at"] or now,
        )
        attempts.begin(store, run, attempt, changes)
    return run, attempt


def take_over(store: Store, run: str, attempt: int) -> bool:
    """Make this process the one that carries an attempt which was claimed for it.

    Returns:
        Whether it still may: the attempt may have been given up before this process began.
    """
    taken = {"owner": my_identity(), "progress_at": time.time(), "heartbeat": time.monotonic()}
    return store.runs.update(run, at_attempt=attempt, states=CARRIED, **taken)


def start_waiting(
    store: Store, places: Places, launch: Callable[[str, int], None], allow: Collection[str] = ()
) -> list[str]:
    """Recover dead runs, then start as many waiting ones as there are places.

    Returns:
        Handles of the runs that were started.
    """
    recover(store)
    give_up_bereft(store)
    started: list[str] = []
    while claimed := claim_next(store, places, allow):
        run, attempt = claimed
        try:
            launch(run, attempt)
        except OSError as error:
            end_attempt(store, run, attempt, "io_error", f"Its worker could not be started: {error}.")
            return started
        started.append(run)
    return started


def next_start_in(store: Store, allow: Collection[str] = ()) -> float | None:
    """Seconds until the earliest run may start that this process may start (0 if now), or None when none waits."""
    at = store.queue.next_at(allow)
    if at is None:
        return None
    wait = at - time.time()
    return max(0.0, wait) if wait <= LONGEST_DELAY_SECONDS else 0.0  # further ahead: the clock was set back
