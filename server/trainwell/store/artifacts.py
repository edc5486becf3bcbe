"""Rows of what runs are made of and leave behind: prepared data, models, checkpoints."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from trainwell.contract.specs import ModelSpec, PreparedData
from trainwell.store.database import Database, Row, to_json
from trainwell.store.handles import content_handle

if TYPE_CHECKING:
    from collections.abc import Mapping


class Artifacts:
    """Data, models and checkpoints by handle; handles given here exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_data(self, prepared: PreparedData) -> None:
        """Enter prepared data; the same data again changes nothing but its time."""
        row = {"handle": prepared.handle, "created_at": time.time(), "meta": prepared.model_dump_json()}
        self._database.insert("data", row, replace=True)

    def data(self, handle: str) -> PreparedData:
        """Prepared data."""
        return PreparedData.model_validate_json(self._one("SELECT meta FROM data WHERE handle = ?", handle)["meta"])

    def put_model(self, spec: ModelSpec) -> None:
        """Enter a model."""
        row = {"handle": spec.handle, "data": spec.data, "created_at": time.time(), "spec": spec.model_dump_json()}
        self._database.insert("models", row, replace=True)

    def model(self, handle: str) -> ModelSpec:
        """A model."""
        return ModelSpec.model_validate_json(self._one("SELECT spec FROM models WHERE handle = ?", handle)["spec"])

    def put_checkpoint(self, path: str, card: Mapping[str, Any]) -> str:
        """Enter a checkpoint file.

        Args:
            path: Relative to the workspace where it lies inside.
            card: What the file says of itself; names its `run` and `epoch`.

        Returns:
            Its handle; the same file has the same.
        """
        name = f"{card['run'].removeprefix('run_')}-e{card['epoch']}"
        handle = content_handle("ckpt", name, json.dumps(card, sort_keys=True) + path)
        row = {"handle": handle, "run": card["run"], "path": path, "created_at": time.time(), "card": to_json(card)}
        self._database.insert("checkpoints", row, replace=True)
        return handle

    def checkpoint(self, handle: str) -> Row:
        """A checkpoint: `handle`, `run`, `path`, `created_at`, `card`."""
        row = self._one("SELECT * FROM checkpoints WHERE handle = ?", handle)
        return {**row, "card": json.loads(row["card"])}

    def _one(self, sql: str, handle: str) -> Row:
        row = self._database.row(sql, handle)
        if row is None:
            raise KeyError(handle)
        return row
