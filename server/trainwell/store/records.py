"""Rows of a run's history: attempts, epochs, signals, facts, findings."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainwell.contract.findings import Finding
from trainwell.contract.trace import AttemptRecord, EpochRecord, SignalRecord
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

    def put_signals(self, run: str, records: Iterable[SignalRecord]) -> None:
        """Enter steps that were looked at; one that is repeated after a retry replaces the one before."""
        for record in records:
            row = {"run": run, "step": record.step, "record": to_json(asdict(record))}
            self._database.insert("signals", row, replace=True)

    def signals(self, run: str) -> list[SignalRecord]:
        """All steps that were looked at, in order."""
        found = self._database.rows("SELECT record FROM signals WHERE run = ? ORDER BY step", run)
        return [SignalRecord(**json.loads(row["record"])) for row in found]

    def forget_signals_from(self, run: str, step: int) -> None:
        """Remove what an attempt measured behind the step that the next one goes on from."""
        self._database.execute("DELETE FROM signals WHERE run = ? AND step >= ?", run, step)

    def put_facts(self, run: str, facts: dict[str, Any]) -> None:
        """Add to what is known of a run before anything is learnt; a name that is there is replaced."""
        row = {"run": run, "facts": to_json(self.facts(run) | facts)}
        self._database.insert("facts", row, replace=True)

    def facts(self, run: str) -> dict[str, Any]:
        """What is known, by name; see `Trace.facts`."""
        row = self._database.row("SELECT facts FROM facts WHERE run = ?", run)
        return json.loads(row["facts"]) if row else {}

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
