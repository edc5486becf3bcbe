"""Rows of `verifications`: what the newest trial of a run's fixes is made of, and what it has shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.verification import Verification

if TYPE_CHECKING:
    from trainwell.store.database import Database


class Verifications:
    """Reads and writes verifications; a run has one at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, run: str, verification: Verification) -> None:
        """Enter or replace the verification of a run."""
        row = {"run": run, "record": verification.model_dump_json()}
        self._database.insert("verifications", row, replace=True)

    def find(self, run: str) -> Verification | None:
        """The verification of a run, if there was one."""
        row = self._database.row("SELECT record FROM verifications WHERE run = ?", run)
        return Verification.model_validate_json(row["record"]) if row else None

    def delete(self, run: str) -> None:
        """Forget it."""
        self._database.execute("DELETE FROM verifications WHERE run = ?", run)
