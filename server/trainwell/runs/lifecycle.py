"""The states of a run and the legal moves between them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainwell.store.store import Store

#: queued: waits for its turn. running: a worker carries it. retrying: an attempt failed, the next one waits.
#: stopping: asked to stop, the worker is saving. The others are ends, which a person may resume but for completed.
MOVES: dict[str, frozenset[str]] = {
    "queued": frozenset({"running", "stopped", "failed"}),
    "running": frozenset({"completed", "failed", "stopped", "retrying", "stopping"}),
    "retrying": frozenset({"running", "stopped", "failed"}),
    "stopping": frozenset({"stopped", "completed", "failed"}),
    "completed": frozenset(),
    "failed": frozenset({"queued"}),
    "stopped": frozenset({"queued"}),
}
FINAL = ("completed", "failed", "stopped")
WAITING = ("queued", "retrying")
CARRIED = ("running", "stopping")
STATES = (*WAITING, *CARRIED, *FINAL)


def move(store: Store, run: str, to: str, *, at_attempt: int | None = None, **columns: Any) -> bool:
    """Change a run's state if the move is legal from where it is now.

    The states that allow the move are part of the UPDATE, so of two processes that race only one moves it.

    Args:
        store: Where the run is.
        run: Its handle.
        to: The new state.
        at_attempt: If given, the run must still be at this attempt: a worker that was given up changes nothing.
        columns: Further columns to set with it.

    Returns:
        Whether the run was moved.
    """
    allowed_from = [state for state, moves in MOVES.items() if to in moves]
    return store.runs.update(run, at_attempt=at_attempt, states=allowed_from, state=to, **columns)


def reopen(store: Store, run: str, owner: dict[str, Any], started_at: float) -> int | None:
    """Take up a run that ended, or whose process died, in this process: only what carries it itself may do so.

    Args:
        store: Where the run is.
        run: Its handle.
        owner: Identity of this process.
        started_at: Now.

    Returns:
        The number of the attempt that begins, or None when somebody else was faster.
    """
    row = store.runs.get(run)
    attempt = int(row["attempt"]) + 1
    taken = store.runs.update(
        run, at_attempt=row["attempt"], state="running", attempt=attempt, owner=owner, stop_requested=0,
        started_at=row["started_at"] or started_at, progress_at=started_at, heartbeat=time.monotonic(), ended_at=None,
        outcome=None, cause=None, message=None,
    )  # fmt: skip
    return attempt if taken else None
