"""Asking for a job: its progress is passed on, the same call finds it again, and a call that is given up ends it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio

from trainwell.contract.errors import TrainwellError
from trainwell.runs import preloaded
from trainwell.store.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trainwell.store.workspace import Workspace

    Tell = Callable[[float, float | None, str], Awaitable[None]]

_POLL_SECONDS = 0.2


def is_known(workspace: Workspace, key: str) -> bool:
    """Whether a job of this name goes on, or has left a reply that nobody has seen."""
    found = Job(workspace, key).progress()
    return found is not None and (found.alive or (workspace.state / "jobs" / key / "reply.json").is_file())


async def ask(
    workspace: Workspace, work: str, arguments: dict[str, Any], *, key: str, seconds: float, tell: Tell | None
) -> dict[str, Any]:
    """Have a job done by a worker, or wait for the one that is on it already.

    Args:
        workspace: Where it is done.
        work: A name in `worker.short.WORK` that takes the argument `job`.
        arguments: JSON.
        key: The job's name.
        seconds: How long to wait.
        tell: Told (per cent, 100, words) when there is progress.

    Returns:
        The work's answer.

    Raises:
        TrainwellError: What the work raised; `work_takes_long`, after which the same call waits on; `worker_died`.
    """
    job = Job(workspace, key)
    deadline = time.monotonic() + seconds
    try:
        if not is_known(workspace, key):
            return await _start(workspace, work, {**arguments, "job": key}, job, seconds, tell)
        return await _wait(job, deadline, tell)
    except anyio.get_cancelled_exc_class():
        job.cancel()
        raise


async def _start(
    workspace: Workspace, work: str, arguments: dict[str, Any], job: Job, seconds: float, tell: Tell | None
) -> dict[str, Any]:
    job.forget()  # what an earlier one left
    answer: dict[str, Any] = {}
    failure: TrainwellError | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(_pass_on, job, tell)
        try:
            answer = await preloaded.ask(workspace, work, arguments, seconds=seconds)
        except TrainwellError as error:
            failure = _with_share(error, job)
        group.cancel_scope.cancel()
    if failure is None or failure.code != "work_takes_long":
        job.forget()
    if failure is not None:
        raise failure
    return answer


async def _wait(job: Job, deadline: float, tell: Tell | None) -> dict[str, Any]:
    while time.monotonic() < deadline:
        seen = job.progress()
        reply = job.reply()
        if reply is not None and "error" in reply:
            raise TrainwellError.from_json(reply["error"])
        if reply is not None:
            return reply["result"]
        if seen is None or not seen.alive:
            job.forget()
            raise TrainwellError(
                "worker_died", "The process that did this work ended without an answer, perhaps for want of memory.",
                hint="Make the same call again: it starts anew.",
            )  # fmt: skip
        if tell:
            await tell(100 * seen.share, 100, seen.words)
        await anyio.sleep(_POLL_SECONDS)
    raise _with_share(TrainwellError("work_takes_long", "This is not done yet; it goes on."), job)


async def _pass_on(job: Job, tell: Tell | None) -> None:
    while tell is not None:
        seen = job.progress()
        if seen is not None and seen.words:
            await tell(100 * seen.share, 100, seen.words)
        await anyio.sleep(_POLL_SECONDS)


def _with_share(error: TrainwellError, job: Job) -> TrainwellError:
    """The same error; of work that goes on also how far it is."""
    seen = job.progress() if error.code == "work_takes_long" else None
    if seen is not None:
        words = f", {seen.words}" if seen.words else ""
        error.message = f"This is not done yet ({seen.share:.0%}{words}); it goes on."
        error.hint = "Make the same call again: it waits for the same work."
    return error
