"""What every tool is given: the workspace, the store, the manifest, and a way to have work done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import psutil

from trainwell.contract.errors import TrainwellError
from trainwell.contract.manifest import load_manifest
from trainwell.runs import jobs, preloaded
from trainwell.runs.supervisor import start_runs
from trainwell.store.filestate import state_of
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from trainwell.contract.manifest import Manifest
    from trainwell.store.workspace import Permission

#: Training needs 16 bytes a parameter (weights, gradients, two moments of AdamW, in fp32) and room for the rest.
_BYTES_PER_PARAMETER = 16
_MEMORY_SHARE = 0.5
#: Stay below what clients wait for one answer (some give up at 30 s).
PATIENCE_SECONDS = 25.0


@dataclass(frozen=True)
class Services:
    """One for a server's life; `progress` is set for the length of a call."""

    workspace: Workspace
    store: Store
    manifest: Manifest
    progress: Callable[[float, float | None, str], Awaitable[None]] | None = None
    client: str = "command line"  # who asks: clients take turns in the queue

    def with_progress(self, progress: Callable[[float, float | None, str], Awaitable[None]] | None) -> Services:
        """The same services, for one call that wants to hear of progress."""
        return replace(self, progress=progress)

    def guest(self, folder: str, most_runs: int | None = None) -> Services:
        """The services of a workspace below this one, with the same manifest and permissions.

        Raises:
            TrainwellError: The folder cannot be used.
        """
        mine = self.workspace
        below = Workspace.open(mine.root / folder, mine.allow_read, mine.allow, mine.max_parallel, mine.disk_quota)
        below = replace(below, most_runs=most_runs)
        return replace(self, workspace=below, store=Store.open(below), client=folder)

    def find(self, kind: str, text: str, argument: str) -> str:
        """The handle that the agent means; see `store.handles`."""
        return self.store.find(kind, text, argument)

    async def ask(self, work: str, **arguments: Any) -> dict[str, Any]:
        """Have short work done by a worker; see `worker.short` for its names."""
        return await preloaded.ask(self.workspace, work, arguments, seconds=PATIENCE_SECONDS)

    async def look(self, work: str, reads: Path | None = None, **arguments: Any) -> dict[str, Any]:
        """As `ask`, for work that changes nothing: equal calls are one piece of work.

        Args:
            work: Its name.
            reads: The file or folder that its answer depends on, where it may change between two calls.
            arguments: JSON.
        """
        sees = "" if reads is None else await anyio.to_thread.run_sync(_state_of, reads)
        return await preloaded.ask(self.workspace, work, arguments, seconds=PATIENCE_SECONDS, sees=sees)

    def checkpoints_of(self, run: str) -> Path:
        """Where a run's weights lie."""
        return self.workspace.run_dir(run) / "checkpoints"

    def weights_at(self, trained: dict[str, Any]) -> Path:
        """Where the weights lie that the work arguments of `trained` name."""
        return Path(trained["file"]) if "file" in trained else self.checkpoints_of(trained["spec"]["run"])

    async def ask_job(self, work: str, key: str, **arguments: Any) -> dict[str, Any]:
        """As `ask`, for work that may outlive the call: the same call again waits for it, cancelling ends it."""
        return await jobs.ask(self.workspace, work, arguments, key=key, seconds=PATIENCE_SECONDS, tell=self.progress)

    def job_is_known(self, key: str) -> bool:
        """Whether such a job goes on, or has ended unseen."""
        return jobs.is_known(self.workspace, key)

    def start_waiting(self) -> list[str]:
        """Recover dead runs and start waiting ones; returns at once."""
        return start_runs(self.workspace, self.store)

    def max_parameters(self) -> int:
        """The largest network that this machine's memory could train."""
        return int(psutil.virtual_memory().total * _MEMORY_SHARE / _BYTES_PER_PARAMETER)

    def trained(self, run: str | None, checkpoint: str | None) -> dict[str, Any]:
        """The work arguments that name trained weights: a run's, or a checkpoint file's; exactly one is given.

        Raises:
            TrainwellError: `exactly_one`, or the handle is unknown, or the file is gone.
        """
        exactly_one(run=run, checkpoint=checkpoint)
        if run is not None:
            handle = self.find("run", run, "run")
            return {"spec": self.store.runs.spec(handle).model_dump(mode="json"), "name": handle}
        handle = self.find("ckpt", checkpoint or "", "checkpoint")
        row = self.store.artifacts.checkpoint(handle)
        return {"file": str(self.workspace.resolve_read(row["path"], "checkpoint")), "name": handle}


def _state_of(path: Path) -> str | None:
    """As `filestate.state_of`; None, which nothing is shared for, where the path is gone or changes under our eyes."""
    try:
        return state_of(path)
    except OSError:
        return None


def exactly_one(**given: Any) -> str:
    """The name of the one argument that was given.

    Raises:
        TrainwellError: None or several were.
    """
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise TrainwellError(
            "exactly_one",
            f"Give exactly one of {', '.join(given)}.",
            argument="/".join(given),
            got=names or None,
            allowed=list(given),
        )
    return names[0]


def open_services(
    root: Path | None = None,
    skill: Path | None = None,
    allow_read: tuple[Path, ...] = (),
    allow: Iterable[Permission] = (),
    max_parallel: int | None = None,
    disk_quota: float | None = None,
) -> Services:
    """Open a workspace and the manifest that rules it.

    Raises:
        TrainwellError: The workspace, the store or the manifest cannot be used.
    """
    manifest = load_manifest(skill)
    workspace = Workspace.open(root, allow_read, allow, max_parallel, disk_quota)
    return Services(workspace, Store.open(workspace), manifest)
