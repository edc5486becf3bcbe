"""What a crash, a full disk or a careless hand leaves in a workspace: found, and mended when that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from trainwell.runs.queue import lost, recover
from trainwell.runs.record import put_back
from trainwell.store.atomic import TEMPORARY, remove
from trainwell.store.salvage import copy_readable, is_damaged, set_aside
from trainwell.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trainwell.store.workspace import Workspace


@dataclass(frozen=True)
class Fault:
    """Something that is not as it should be: what it is, whether it was mended now, and whether it can be at all."""

    told: str
    mended: bool = False
    mendable: bool = True


def look_over(workspace: Workspace, *, repair: bool) -> Iterator[Fault]:
    """Find faults in a workspace, and mend them if that is asked for; without it nothing is changed.

    Raises:
        TrainwellError: The store cannot be opened for a reason that is not damage.
    """
    damage = is_damaged(workspace.database)
    if damage is not None:
        yield _new_store(workspace, damage) if repair else Fault(f"the store is damaged: {damage}")
        if not repair:
            return
    store = Store.open(workspace)
    try:
        yield from _leases(store, repair=repair)
        yield from _leftovers(workspace.state, repair=repair)
        yield from _folders(workspace, store, repair=repair)
        yield from _rows(workspace, store)
    finally:
        store.database.close()


def _new_store(workspace: Workspace, damage: str) -> Fault:
    aside = set_aside(workspace.database)
    store = Store.open(workspace)
    try:
        with store.database.transaction():
            rows = copy_readable(aside, store.database)
    finally:
        store.database.close()
    return Fault(f"the store was damaged ({damage}): set aside as {aside.name}, {rows} rows of it saved", mended=True)


def _leases(store: Store, *, repair: bool) -> Iterator[Fault]:
    dead = [row["handle"] for row in lost(store)]
    mended = recover(store) if repair else []
    for run in dead:
        state = f", now {store.runs.get(run)['state']}" if run in mended else ""
        yield Fault(f"the worker of {run} is gone{state}", mended=run in mended)


def _leftovers(state: Path, *, repair: bool) -> Iterator[Fault]:
    """Temporary files and folders of processes that are gone."""
    for path in sorted(state.rglob(f"{TEMPORARY}*")):
        owner = path.name.removeprefix(TEMPORARY).split("-")[0]
        if (owner.isdigit() and psutil.pid_exists(int(owner))) or not path.exists():
            continue
        if repair:
            remove(path)
        told = "removed" if repair else "is left over"
        yield Fault(f"{path.relative_to(state)} of a process that is gone {told}", mended=repair)


def _folders(workspace: Workspace, store: Store, *, repair: bool) -> Iterator[Fault]:
    """Folders of runs that the store does not know."""
    known = store.runs.all_handles()
    for folder in sorted((workspace.state / "runs").glob("run_*")):
        if folder.name in known:
            continue
        if repair and put_back(store, folder):
            yield Fault(f"{folder.name} was not in the store and is entered again", mended=True)
        elif repair:
            yield Fault(f"{folder.name} is not in the store and has no record to enter it from", mendable=False)
        else:
            yield Fault(f"{folder.name} has a folder, but is not in the store")


def _rows(workspace: Workspace, store: Store) -> Iterator[Fault]:
    """Runs that have learnt something whose folder is gone: only delete_run helps."""
    for run in sorted(store.runs.all_handles(trained=True)):
        if not workspace.run_dir(run).exists():
            yield Fault(f"{run} has lost its folder: its weights are gone", mendable=False)
