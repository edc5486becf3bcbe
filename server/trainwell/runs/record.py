"""A run's row, attempts and epochs as `config.json` in its folder: what a damaged store is rebuilt from."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from loguru import logger

from trainwell.contract.specs import RunSpec
from trainwell.contract.trace import AttemptRecord, EpochRecord, SignalRecord
from trainwell.runs.lifecycle import FINAL
from trainwell.store.atomic import place, write_synced

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.store.store import Store
    from trainwell.store.workspace import Workspace

FILE = "config.json"
#: Of a row that is put back: who carried it and whose turn it was mean nothing any more.
_FORGOTTEN = ("owner", "served", "place", "heartbeat", "stop_requested", "idempotency_key")


def keep(workspace: Workspace, store: Store, run: str) -> None:
    """Write what the store knows of a run into its folder; a fault here must not touch the run."""
    folder = workspace.run_dir(run)
    known = {
        "row": store.runs.get(run),
        "attempts": [asdict(one) for one in store.history.attempts(run)],
        "epochs": [asdict(one) for one in store.history.epochs(run)],
        "signals": [asdict(one) for one in store.history.signals(run)],
        "facts": store.history.facts(run),
    }
    content = json.dumps(known).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place(folder / FILE, lambda path: write_synced(path, content))
    except OSError as error:
        logger.warning("the record of {} could not be written: {}", run, error)


def put_back(store: Store, folder: Path) -> bool:
    """Enter a run again from its folder: as it ended, or stopped where its newest checkpoint is.

    Returns:
        Whether the folder holds a record that could be read.
    """
    try:
        known: dict[str, Any] = json.loads((folder / FILE).read_bytes())
        row: dict[str, Any] = {name: value for name, value in known["row"].items() if name not in _FORGOTTEN}
        spec = RunSpec.model_validate_json(row["spec"])
        attempts = [AttemptRecord(**one) for one in known["attempts"]]
        epochs = [EpochRecord(**one) for one in known["epochs"]]
        signals = [SignalRecord(**one) for one in known.get("signals", ())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if spec.run != folder.name:
        return False
    if row["state"] not in FINAL:
        saved = [int(path.name[5:13]) for path in folder.glob("checkpoints/step-????????") if path.name[5:13].isdigit()]
        row |= {"state": "stopped", "outcome": "entered_again", "ended_at": time.time(), "step": max(saved, default=0)}
    with store.database.transaction():
        store.runs.put_back(row)
        for attempt in attempts:
            store.history.put_attempt(spec.run, attempt)
        store.history.put_epochs(spec.run, epochs)
        store.history.put_signals(spec.run, signals)
        store.history.put_facts(spec.run, known.get("facts", {}))
        store.artifacts.put_model(spec.model)
        store.artifacts.put_data(spec.data)
    return True
