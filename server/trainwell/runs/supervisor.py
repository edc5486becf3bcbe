"""Moving the queue on: once, by whoever looks, and again and again, by a server. Runs do not need one to live."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
from loguru import logger

from trainwell.contract.errors import TrainwellError
from trainwell.runs import preloaded
from trainwell.runs.places import places_of
from trainwell.runs.queue import start_waiting

if TYPE_CHECKING:
    from trainwell.store.store import Store
    from trainwell.store.workspace import Workspace

LOOK_SECONDS = 1.0


def start_runs(workspace: Workspace, store: Store) -> list[str]:
    """Recover dead runs and start waiting ones, as far as there are places; returns at once.

    Returns:
        Handles of the runs that were started.
    """
    return start_waiting(store, places_of(workspace), partial(preloaded.launch_training, workspace), workspace.allow)


async def supervise(workspace: Workspace, store: Store) -> None:
    """Keep the preloaded process warm, notice dead workers and start what waits, until cancelled."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(preloaded.hold)
        while True:
            try:
                start_runs(workspace, store)
            except TrainwellError as error:
                logger.warning("the queue cannot be looked at: {}", error)
            await anyio.sleep(LOOK_SECONDS)
