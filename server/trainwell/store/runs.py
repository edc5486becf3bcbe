"""Rows of `runs`: one execution of a spec, its state, its owner, its best."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainwell.contract.specs import RunSpec
from trainwell.store.database import Database, Row, placeholders, to_json
from trainwell.store.queue import PRIORITIES, needs_word

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON_COLUMNS = ("arguments", "plan", "tags", "best_metrics", "owner", "changed")


@dataclass(frozen=True)
class Queueing:
    """How a run stands in the queue.

    Attributes:
        priority: A key of PRIORITIES.
        client: Who submitted it.
        needs: Permissions without which no process may start it.
        after: The run that must have completed before.
    """

    priority: str = "normal"
    client: str = ""
    needs: frozenset[str] = frozenset()
    after: str | None = None


@dataclass(frozen=True)
class Origin:
    """Where a run comes from.

    Attributes:
        parent: The run that it goes on with, or that it is compared with.
        hypothesis: What is expected of it, in the words of whoever started it.
        changed: What was changed against the parent: [before, now] by name.
        repeats: The group of runs that differ in their seed only: the handle of its first.
        reproduces: The run that it trains again, from the same seed.
    """

    parent: str | None = None
    hypothesis: str | None = None
    changed: dict[str, Any] | None = None
    repeats: str | None = None
    reproduces: str | None = None


class Runs:
    """Reads and writes runs. Whether a move is legal is `runs.lifecycle`'s business."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, spec: RunSpec, *, name: str, arguments: Row, plan: Row, tags: Sequence[str], key: str | None,
        queueing: Queueing | None = None, origin: Origin | None = None,
    ) -> None:  # fmt: skip
        """Enter a queued run."""
        how, comes = queueing or Queueing(), origin or Origin()
        row = {
            "handle": spec.run,
            "name": name,
            "state": "queued",
            "model": spec.model.handle,
            "data": spec.data.handle,
            "spec": spec.model_dump_json(),
            "arguments": to_json(arguments),
            "plan": to_json(plan),
            "tags": to_json(list(tags)),
            "idempotency_key": key,
            "created_at": time.time(),
            "not_before": 0.0,
            "total_steps": plan["total_steps"],
            "priority": PRIORITIES[how.priority],
            "client": how.client,
            "needs": needs_word(how.needs),
            "after": how.after,
            "parent": comes.parent,
            "hypothesis": comes.hypothesis,
            "changed": None if comes.changed is None else to_json(comes.changed),
            "repeats": comes.repeats,
            "reproduces": comes.reproduces,
        }
        self._database.insert("runs", row)

    def get(self, handle: str) -> Row:
        """The row of a run that exists; JSON columns are parsed, `spec` is left as text."""
        row = self._database.row("SELECT * FROM runs WHERE handle = ?", handle)
        if row is None:
            raise KeyError(handle)
        return parsed(row)

    def spec(self, handle: str) -> RunSpec:
        """The spec of a run."""
        return RunSpec.model_validate_json(self.get(handle)["spec"])

    def mark(self, handle: str) -> Row | None:
        """The few columns that say whether a run is as it was; None when there is no such run."""
        return self._database.row(
            "SELECT state, epoch, attempt, best_epoch, ended_at FROM runs WHERE handle = ?", handle
        )

    def newest_and_count(self) -> Row | None:
        """Which run is the newest, and how many there are."""
        return self._database.row("SELECT max(rowid) AS newest, count(*) AS count FROM runs")

    def by_key(self, key: str) -> Row | None:
        """The run that was submitted with an idempotency key."""
        row = self._database.row("SELECT * FROM runs WHERE idempotency_key = ?", key)
        return parsed(row) if row else None

    def in_states(self, states: Sequence[str]) -> list[Row]:
        """Runs in any of these states, oldest first."""
        found = self._database.rows(
            f"SELECT * FROM runs WHERE state IN ({placeholders(states)}) ORDER BY created_at, rowid",  # noqa: S608
            *states,
        )
        return [parsed(row) for row in found]

    def page(self, filters: Row, *, by_score: bool, limit: int, offset: int) -> list[Row]:
        """Runs for a list, newest or best first. `filters` has column = value; `tag` looks into the tags."""
        wheres: list[str] = ["1"]
        values: list[Any] = []
        for column, value in filters.items():
            inside = "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)"
            wheres.append(inside if column == "tag" else f"{column} = ?")
            values.append(value)
        order = "best_score IS NULL, best_score DESC, created_at DESC" if by_score else "created_at DESC, rowid DESC"
        found = self._database.rows(
            f"SELECT * FROM runs WHERE {' AND '.join(wheres)} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
            *values,
            limit,
            offset,
        )
        return [parsed(row) for row in found]

    def handles(self, states: Sequence[str]) -> list[Row]:
        """`handle` of each run in any of these states."""
        sql = f"SELECT handle FROM runs WHERE state IN ({placeholders(states)})"  # noqa: S608
        return self._database.rows(sql, *states)

    def all_handles(self, *, trained: bool = False) -> set[str]:
        """Handles of all runs, or of those that have taken a step."""
        rows = self._database.rows("SELECT handle FROM runs WHERE step >= ?", int(trained))
        return {row["handle"] for row in rows}

    def put_back(self, row: Row) -> None:
        """Enter a row as `get` gave it once; columns that this version does not know are left out."""
        known = {column["name"] for column in self._database.rows("PRAGMA table_info(runs)")}
        stored = {
            name: to_json(value) if name in JSON_COLUMNS and value is not None else value
            for name, value in row.items()
            if name in known
        }
        self._database.insert("runs", stored)

    def delete(self, handle: str) -> None:
        """Remove a run and its history; call it within a transaction."""
        for table in ("attempts", "epochs", "signals", "facts", "findings"):
            self._database.execute(f"DELETE FROM {table} WHERE run = ?", handle)  # noqa: S608
        self._database.execute("DELETE FROM runs WHERE handle = ?", handle)

    def update(self, handle: str, *, at_attempt: int | None = None, states: Sequence[str] = (), **columns: Any) -> bool:
        """Set columns, but only while the run is still in one of `states` and at attempt `at_attempt`.

        Returns:
            Whether the run was there to be changed.
        """
        values = [
            to_json(value) if name in JSON_COLUMNS and value is not None else value for name, value in columns.items()
        ]
        where: list[str] = ["handle = ?"]
        conditions: list[Any] = [handle]
        if at_attempt is not None:
            where.append("attempt = ?")
            conditions.append(at_attempt)
        if states:
            where.append(f"state IN ({placeholders(states)})")
            conditions.extend(states)
        settings = ", ".join(f"{name} = ?" for name in columns)
        return bool(
            self._database.execute(
                f"UPDATE runs SET {settings} WHERE {' AND '.join(where)}",  # noqa: S608 - our own column names
                *values,
                *conditions,
            )
        )


def parsed(row: Row) -> Row:
    """A row of `runs` with its JSON columns read."""
    return {name: json.loads(value) if name in JSON_COLUMNS and value else value for name, value in row.items()}
