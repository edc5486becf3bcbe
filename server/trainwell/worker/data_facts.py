"""What the rows of a run show, found once for each data set and kept with every run on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loguru import logger

from trainwell.data.facts import VERSION, gather
from trainwell.store.atomic import place, sweep_of, write_synced

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import SplitArrays
    from trainwell.store.store import Store
    from trainwell.store.workspace import Workspace

FILE = f"facts-{VERSION}.json"


def look(
    workspace: Workspace, store: Store, run: str, data: PreparedData, train: SplitArrays, validation: SplitArrays, *,
    ordered: bool = False,
) -> None:  # fmt: skip
    """Put the facts of a run's data on record. Takes up to 0.2 s the first time; a fault here must not touch the run.

    Args:
        workspace: Keeps the facts beside the prepared data, where there is such a folder.
        store: Has the run.
        run: Its handle.
        data: What the rows are.
        train: Rows to learn from.
        validation: Rows to judge by.
        ordered: Whether training takes its rows in the order in which they stand.
    """
    folder = workspace.data_dir(data.handle)
    file = folder / FILE if folder.is_dir() else None
    try:
        if file is not None:
            sweep_of(file)  # an attempt before this one may have been killed while it wrote
        facts = _known(file)
        if facts is None:
            facts = gather(data, train, validation, ordered=ordered)
            _keep(file, facts)
        store.history.put_facts(run, facts)
    except Exception as error:  # noqa: BLE001 - what rows show is not worth a run
        logger.opt(exception=error).warning("the rows could not be looked at")


def _known(file: Path | None) -> dict[str, Any] | None:
    try:
        return None if file is None else json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None


def _keep(file: Path | None, facts: dict[str, Any]) -> None:
    if file is None:
        return
    content = json.dumps(facts).encode()
    try:
        place(file, lambda path: write_synced(path, content))
    except OSError as error:
        logger.warning("the facts of the data could not be kept: {}", error)
