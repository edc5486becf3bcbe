"""Rows of `runs` seen as experiments: which of them repeat each other, train another again, or came before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.store.runs import parsed

if TYPE_CHECKING:
    from trainwell.store.database import Database, Row


class Experiments:
    """Finds the kin of a run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has(self, run: str) -> bool:
        """Whether there is such a run."""
        return self._database.row("SELECT 1 FROM runs WHERE handle = ?", run) is not None

    def group(self, first: str) -> list[Row]:
        """The runs of a group of repeats, oldest first."""
        found = self._database.rows("SELECT * FROM runs WHERE repeats = ? ORDER BY created_at, rowid", first)
        return [parsed(row) for row in found]

    def reproductions(self, run: str) -> list[Row]:
        """Runs that train a run again, newest first."""
        sql = "SELECT * FROM runs WHERE reproduces = ? ORDER BY created_at DESC, rowid DESC"
        return [parsed(row) for row in self._database.rows(sql, run)]

    def ended_on(self, data: str, limit: int) -> list[Row]:
        """The newest runs on some data that are over and have a score, oldest first; no twins, no reproductions."""
        sql = (
            "SELECT * FROM runs WHERE data = ? AND ended_at IS NOT NULL AND best_score IS NOT NULL "
            "AND twin_of IS NULL AND reproduces IS NULL "
            "ORDER BY created_at DESC, rowid DESC LIMIT ?"
        )
        return [parsed(row) for row in reversed(self._database.rows(sql, data, limit))]
