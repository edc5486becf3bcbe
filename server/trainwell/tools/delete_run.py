"""Delete a run for good: its record, log and checkpoints.

Needs confirm: true. Files that save_checkpoint wrote stay.
"""

from __future__ import annotations

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Spec
from trainwell.runs.resuming import delete, must_not_run
from trainwell.runs.room import folder_bytes, megabytes
from trainwell.runs.verification import cancel
from trainwell.tools.services import Services

TITLE = "Delete run"
HINTS = Hints(read_only=False, destructive=True, idempotent=False)


class Arguments(Spec):
    """See SKILL.md."""

    run: str
    confirm: bool


class Result(Answer):
    """What is gone."""

    run: str
    freed_bytes: int


async def call(services: Services, arguments: Arguments) -> Result:
    """Refuse, or remove rows and folder together."""
    run = services.find("run", arguments.run, "run")
    folder = services.workspace.run_dir(run)
    must_not_run(services.store, run, "deleted")
    size = folder_bytes(folder)
    if not arguments.confirm:
        raise TrainwellError(
            "not_confirmed", f"This removes the record of {run} and {megabytes(size)} of log and checkpoints for good.",
            argument="confirm", got=False, allowed=True, hint="Call again with confirm: true if that is meant.",
            next_call=next_call("delete_run", run=run, confirm=True),
        )  # fmt: skip
    cancel(services.store, run)
    try:
        delete(services.store, run, folder)
    except OSError as error:
        raise TrainwellError(
            "not_deleted", f"Its folder cannot be removed: {error.strerror}; nothing was deleted.", argument="run",
            got=run, hint="Close what holds its files, then call again.",
        ) from error  # fmt: skip
    services.start_waiting()  # runs that were to follow it hear of it
    return Result(
        summary=f"{run} is deleted, {megabytes(size)} are free again. Files that save_checkpoint wrote stay.",
        run=run,
        freed_bytes=size,
        next_call=next_call("list_runs"),
    )
