"""Rows of a run's history: attempts, epochs, findings."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from trainwell.contract.findings import Finding
from trainwell.contract.trace import AttemptRecord, EpochRecord
from trainwell.store.database import Database, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class History:
    """What happened in a run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_attempt(self, run: str, attempt: AttemptRecord) -> None:
        """Enter or replace an attempt."""
        row = {"run": run, "number": attempt.number, "record": to_json(asdict(attempt))}
        self._database.insert("attempts", row, replace=True)

    def attempts(self, run: str) -> list[AttemptRecord]:
        """All attempts, in order."""
        found = self._database.rows("SELECT record FROM attempts WHERE run = ? ORDER BY number", run)
        return [AttemptRecord(**json.loads(row["record"])) for row in found]

    def put_epochs(self, run: str, records: Iterable[EpochRecord]) -> None:
        """Enter epochs; one that is repeated after a retry replaces the one before."""
        for record in records:
            row = {"run": run, "epoch": record.epoch, "record": to_json(asdict(record))}
            self._database.insert("epochs", row, replace=True)

    def epochs(self, run: str) -> list[EpochRecord]:
        """All epochs, in order."""
        found = self._database.rows("SELECT record FROM epochs WHERE run = ? ORDER BY epoch", run)
        return [EpochRecord(**json.loads(row["record"])) for row in found]

    def last_epoch(self, run: str) -> EpochRecord | None:
        """The newest epoch, if there is one."""
        row = self._database.row("SELECT record FROM epochs WHERE run = ? ORDER BY epoch DESC LIMIT 1", run)
        return EpochRecord(**json.loads(row["record"])) if row else None

    def forget_epochs_after(self, run: str, epoch: int) -> None:
        """Remove the epochs of an attempt that was killed, which the one after it did not reach again."""
        self._database.execute("DELETE FROM epochs WHERE run = ? AND epoch > ?", run, epoch)

    def epochs_done(self, run: str) -> int:
        """How many epochs were finished and recorded."""
        last = self.last_epoch(run)
        return last.epoch if last else 0

    def set_findings(self, run: str, findings: Sequence[Finding]) -> None:
        """Replace the findings of a run; they are kept in their order of importance."""
        self._database.execute("DELETE FROM findings WHERE run = ?", run)
        for position, finding in enumerate(findings):
            row = {"run": run, "position": position, "finding": finding.model_dump_json()}
            self._database.insert("findings", row)

    def findings(self, run: str) -> list[Finding]:
        """The findings of a run, most important first."""
        found = self._database.rows("SELECT finding FROM findings WHERE run = ? ORDER BY position", run)
        return [Finding.model_validate_json(row["finding"]) for row in found]
