"""The room that the workspace's state takes on the disk, and which runs take most of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.runs.lifecycle import CARRIED, FINAL, WAITING

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.store.store import Store
    from trainwell.store.workspace import Workspace

MOST_NAMED = 3


def folder_bytes(folder: Path) -> int:
    """What the files in a folder hold; files that vanish meanwhile count as nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - thousands of files, often
            except OSError:
                continue
    return total


def megabytes(size: int) -> str:
    """Bytes for a sentence."""
    return f"{size / 1e6:.3g} MB"


def require_room(workspace: Workspace, store: Store) -> None:
    """Refuse new work when too much is at hand, or the state has outgrown --disk-quota; nothing is deleted unasked.

    Raises:
        TrainwellError: `too_many_runs`; `over_quota`, with the largest runs that have ended.
    """
    at_hand = store.queue.count(*CARRIED, *WAITING) if workspace.most_runs is not None else 0
    if workspace.most_runs is not None and at_hand >= workspace.most_runs:
        raise TrainwellError(
            "too_many_runs", f"{at_hand} runs are at hand, as many as this server allows to one token.",
            hint="Wait for one to end, or stop one.", next_call=next_call("list_runs"),
        )  # fmt: skip
    if workspace.disk_quota is None:
        return
    used, quota = folder_bytes(workspace.state), int(workspace.disk_quota * 1e9)
    if used <= quota:
        return
    sizes = {path.name: folder_bytes(path) for path in (workspace.state / "runs").iterdir() if path.is_dir()}
    ended = {row["handle"] for row in store.runs.handles(FINAL)}
    largest = sorted((run for run in sizes if run in ended), key=sizes.__getitem__, reverse=True)[:MOST_NAMED]
    told = ", ".join(f"{run} {megabytes(sizes[run])}" for run in largest)
    raise TrainwellError(
        "over_quota", f".trainwell holds {megabytes(used)}, the quota is {megabytes(quota)}.", argument="--disk-quota",
        hint=f"Nothing is deleted unasked. The largest runs that have ended: {told or 'none'}.",
        next_call=next_call("delete_run", run=largest[0], confirm=True) if largest else None,
    )  # fmt: skip
