"""The queue: it lives in the store, and whoever is alive moves it on. No scheduler has to survive."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loguru import logger

from trainwell.contract.trace import AttemptRecord
from trainwell.runs.lifecycle import CARRIED, WAITING, move
from trainwell.runs.liveness import is_alive
from trainwell.runs.retry import Decision, decide
from trainwell.runs.story import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainwell.contract.specs import RunSpec
    from trainwell.store.database import Row
    from trainwell.store.store import Store


#: Runs carried at once. One, because a CPU that two share serves both badly; issue 4 gives each GPU a place.
PLACES = 1
#: A worker that was launched has this long to take its run over; a fresh process imports torch first.
LAUNCH_SECONDS = 120.0


def changes_so_far(store: Store, run: str) -> dict[str, Any]:
    """The adjustments that the next attempt starts with."""
    attempts = store.history.attempts(run)
    return dict(attempts[-1].changes) if attempts else {}


def end_attempt(store: Store, run: str, number: int, cause: str, message: str) -> Decision:
    """Record that attempt `number` of a run failed, and decide what follows; nothing if it was given up before.

    The run moves to retrying, or to its end. Called by the worker for what it caught, and by whoever
    finds the worker dead for what it could not.
    """
    row = store.runs.get(run)
    spec: RunSpec = store.runs.spec(run)
    attempts = store.history.attempts(run)
    current = next((one for one in attempts if one.number == number), AttemptRecord(number, time.time()))
    config = {**spec.config.model_dump(), "batch_size": row["plan"]["batch_size"]}
    decision = decide(spec.retry, number, cause, config, current.changes)
    if row["stop_requested"]:
        decision = Decision(retry=False, kind=decision.kind, reason="It had been asked to stop.")
    now = time.time()
    changes = decision.changes if decision.retry else current.changes
    told = f"{message} {decision.reason}"
    ended = replace(current, ended_at=now, outcome=decision.kind, cause=cause, message=told, changes=changes)
    final = "stopped" if row["stop_requested"] else "failed"
    columns: dict[str, Any] = {"owner": None, "cause": cause, "message": told}
    with store.database.transaction():
        if decision.retry:
            moved = move(store, run, "retrying", at_attempt=number, not_before=now + decision.delay_seconds, **columns)
        else:
            moved = move(store, run, final, at_attempt=number, ended_at=now, outcome=final, **columns)
        if moved:
            store.history.put_attempt(run, ended)
            judge(store, run)
        else:
            logger.info("attempt {} of {} was already given up", number, run)
    return decision


def _is_carried(row: Row) -> bool:
    """Whether a worker lives that carries the run, or one was launched a moment ago."""
    owner: dict[str, Any] = row["owner"] or {}
    if "claimed_at" in owner:
        return abs(time.time() - owner["claimed_at"]) < LAUNCH_SECONDS  # a clock that was set back counts too
    return is_alive(owner)


def recover(store: Store) -> list[str]:
    """Find runs whose worker is gone and end their attempt.

    Returns:
        Handles of the runs that were found dead.
    """
    lost: list[str] = []
    for row in store.runs.in_states(CARRIED):
        if _is_carried(row):
            continue
        with store.database.transaction():
            fresh = store.runs.get(row["handle"])
            if fresh["state"] in CARRIED and fresh["attempt"] == row["attempt"] and not _is_carried(fresh):
                logger.warning("the worker of {} is gone", row["handle"])
                end_attempt(
                    store,
                    row["handle"],
                    row["attempt"],
                    "process_died",
                    "The worker process died without a word (killed?).",
                )
                lost.append(row["handle"])
    return lost


def claim_next(store: Store, max_parallel: int) -> tuple[str, int] | None:
    """Take the oldest run that may start, if a place is free.

    The worker takes the claim over with its own identity; whoever claims may be gone by then.

    Returns:
        Its handle and the number of the attempt that starts, or None.
    """
    if not store.runs.in_states(WAITING):
        return None  # most looks end here, and need not hold anybody's writing up
    with store.database.transaction():
        if len(store.runs.in_states(CARRIED)) >= max_parallel:
            return None
        now = time.time()
        ready = [row for row in store.runs.in_states(WAITING) if row["not_before"] <= now]
        if not ready:
            return None
        row = ready[0]
        attempt = int(row["attempt"]) + 1
        changes = changes_so_far(store, row["handle"])
        move(
            store,
            row["handle"],
            "running",
            at_attempt=attempt - 1,
            attempt=attempt,
            owner={"claimed_at": now},
            started_at=row["started_at"] or now,
        )
        store.history.put_attempt(row["handle"], AttemptRecord(attempt, now, changes=changes))
    return row["handle"], attempt


def start_waiting(store: Store, max_parallel: int, launch: Callable[[str, int], None]) -> list[str]:
    """Recover dead runs, then start as many waiting ones as there are places.

    Returns:
        Handles of the runs that were started.
    """
    recover(store)
    started: list[str] = []
    while claimed := claim_next(store, max_parallel):
        run, attempt = claimed
        try:
            launch(run, attempt)
        except OSError as error:
            end_attempt(store, run, attempt, "io_error", f"Its worker could not be started: {error}.")
            return started
        started.append(run)
    return started


def next_start_in(store: Store) -> float | None:
    """Seconds until the earliest waiting run may start (0 if now), or None when none waits."""
    waiting = store.runs.in_states(WAITING)
    return max(0.0, min(row["not_before"] for row in waiting) - time.time()) if waiting else None
