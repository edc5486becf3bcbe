"""Waiting for a run to end, without keeping anybody else waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

from trainwell.runs.lifecycle import FINAL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trainwell.store.store import Store

POLL_SECONDS = 0.05
PROGRESS_SECONDS = 0.5


async def wait_for_end(
    store: Store, run: str, seconds: float, tell: Callable[[float, float | None, str], Awaitable[None]] | None = None
) -> bool:
    """Wait until a run has ended, at most `seconds`.

    Args:
        store: Where the run is.
        run: Its handle.
        seconds: How long at most.
        tell: Told (step, total steps, message) about twice a second when there is progress.

    Returns:
        Whether it has ended.
    """
    deadline = time.monotonic() + seconds
    told_at, told_step = 0.0, -1
    while True:
        row = store.runs.get(run)
        if row["state"] in FINAL:
            return True
        now = time.monotonic()
        if now >= deadline:
            return False
        if tell and now - told_at >= PROGRESS_SECONDS and row["step"] > told_step:
            told_at, told_step = now, row["step"]
            await tell(row["step"], row["total_steps"] or None, f"epoch {row['epoch']}")
        await anyio.sleep(min(POLL_SECONDS, max(0.0, deadline - now)))
