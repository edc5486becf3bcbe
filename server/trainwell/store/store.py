"""The store: the workspace's memory, as one object with a part for each kind of row."""

from __future__ import annotations

from dataclasses import dataclass

from trainwell.store.artifacts import Artifacts
from trainwell.store.database import Database
from trainwell.store.experiments import Experiments
from trainwell.store.handles import find_handle, newest_handles
from trainwell.store.queue import Queue
from trainwell.store.records import History
from trainwell.store.runs import Runs
from trainwell.store.workspace import Workspace


@dataclass(frozen=True)
class Store:
    """Everything that is remembered about a workspace."""

    database: Database
    runs: Runs
    queue: Queue
    history: History
    artifacts: Artifacts
    experiments: Experiments

    @classmethod
    def open(cls, workspace: Workspace) -> Store:
        """Open the workspace's database, made where it is missing."""
        database = Database(workspace.database)
        return cls(
            database, Runs(database), Queue(database), History(database), Artifacts(database), Experiments(database)
        )

    def find(self, kind: str, text: str, argument: str) -> str:
        """The handle that an agent's words mean; `kind` is data, model, run or ckpt."""
        return find_handle(self.database, kind, text, argument)

    def newest(self, kind: str) -> list[str]:
        """The newest handles of a kind, newest first."""
        return newest_handles(self.database, kind)
