"""Attempts at a run: how one begins and ends, and how long it worked, by a clock that nobody sets."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainwell.contract.trace import AttemptRecord

if TYPE_CHECKING:
    from trainwell.store.database import Row
    from trainwell.store.store import Store


def begin(store: Store, run: str, number: int, changes: dict[str, Any] | None = None) -> AttemptRecord:
    """Enter an attempt that begins now.

    Args:
        store: Where the run is.
        run: Its handle.
        number: 1 is the first.
        changes: The adjustments that it starts with.
    """
    attempt = AttemptRecord(number, time.time(), changes=changes or {}, began=time.monotonic())
    store.history.put_attempt(run, attempt)
    return attempt


def find(store: Store, run: str, number: int) -> AttemptRecord | None:
    """The attempt as it is recorded."""
    return next((one for one in store.history.attempts(run) if one.number == number), None)


def end(store: Store, run: str, attempt: AttemptRecord, **ending: Any) -> None:
    """Record that an attempt ended, and how: `outcome`, `cause` and what else belongs to it."""
    seconds = worked(store.runs.get(run), attempt)
    store.history.put_attempt(run, replace(attempt, ended_at=time.time(), seconds=seconds, **ending))


def worked(row: Row, attempt: AttemptRecord) -> float:
    """Seconds from an attempt's start to the last word of its worker.

    The last word, and not now: who died at night and is found in the morning did not work for hours.
    """
    if attempt.seconds is not None:
        return attempt.seconds
    if attempt.began is None:  # entered by an older trainwell
        return max(0.0, (attempt.ended_at or row["progress_at"] or attempt.started_at) - attempt.started_at)
    if row["attempt"] != attempt.number or row["heartbeat"] is None:
        return 0.0
    return max(0.0, row["heartbeat"] - attempt.began)
