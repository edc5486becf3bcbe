"""Stop a run in good order: it saves a checkpoint first, and what it has learnt stays usable.

A run that waits is taken out of the queue. While it is stopping, a second call ends it at once: its last checkpoint
stays. resume_run goes on with it.
"""

from __future__ import annotations

import time

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.specs import Spec
from trainwell.runs.lifecycle import FINAL, WAITING, move
from trainwell.runs.resuming import end_at_once
from trainwell.runs.verification import cancel
from trainwell.runs.view import next_step, summary, view
from trainwell.runs.waiting import wait_for_end
from trainwell.tools.services import Services

TITLE = "Stop run"
HINTS = Hints(read_only=False, destructive=False, idempotent=False)


class Arguments(Spec):
    """See SKILL.md."""

    run: str
    wait_seconds: float


class Result(Answer):
    """Where the run is now."""

    run: str
    state: str
    epoch: int
    best_score: float | None


async def call(services: Services, arguments: Arguments) -> Result:
    """Ask the worker to stop, whoever started it; it answers through the store."""
    run = services.find("run", arguments.run, "run")
    store = services.store
    with store.database.transaction():
        row = store.runs.get(run)
        ended = row["state"] in FINAL
        if row["state"] in WAITING:
            move(store, run, "stopped", stop_requested=1, ended_at=time.time(), outcome="stop_requested")
        elif row["state"] == "running":
            store.runs.update(run, stop_requested=1)
            move(store, run, "stopping")
    if row["state"] == "stopping":  # asked a second time
        end_at_once(store, run)
    cancelled = "\nThe trial of its fixes is cancelled." if cancel(store, run) else ""
    services.start_waiting()
    await wait_for_end(store, run, arguments.wait_seconds, services.progress)
    seen = view(store, run)
    said = summary(seen, store.runs.spec(run).score_name)
    return Result(
        summary=(f"It had ended before.\n{said}" if ended else said) + cancelled,
        run=run,
        state=seen.state,
        epoch=seen.epoch,
        best_score=store.runs.get(run)["best_score"],
        next_call=next_step(seen),
    )
