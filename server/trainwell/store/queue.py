"""What the queue asks of `runs`: narrow rows out of an index, for it is looked at often and specs are long."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING

from trainwell.store.database import Database, Row, placeholders
from trainwell.store.workspace import PERMISSIONS

if TYPE_CHECKING:
    from collections.abc import Collection

#: By the word that `train` takes.
PRIORITIES = {"low": 0, "normal": 1, "high": 2}

_WAITING = """
waiting AS MATERIALIZED (
    SELECT rowid AS entered, handle, state, priority, client, not_before, needs, after
    FROM runs WHERE state IN ('queued', 'retrying')
)"""
# Among equal priorities clients take turns: first the one with the fewest running, then the one that waited longest.
_IN_TURN = """
clients AS MATERIALIZED (
    SELECT client,
        (
            SELECT count(*) FROM runs WHERE runs.state IN ('running', 'stopping') AND runs.client = some.client
        ) AS carried,
        (SELECT max(served) FROM runs WHERE runs.client = some.client) AS served
    FROM (SELECT DISTINCT client FROM {source}) AS some
),
in_turn AS (
    SELECT entered, handle, priority, served,
        carried + row_number() OVER (PARTITION BY client, priority ORDER BY entered) AS turn
    FROM {source} JOIN clients USING (client)
)"""
_ORDER = "priority DESC, turn, served, entered"
# A wait that lies further ahead than any is long was set before the clock went back: it is over.
_READY = """
    (state = 'queued' OR not_before <= ? OR not_before > ?)
    AND needs IN ({needs})
    AND (after IS NULL OR EXISTS (
        SELECT 1 FROM runs AS first WHERE first.handle = waiting.after AND first.state = 'completed'
    ))
"""


class Queue:
    """Who waits, who is next, who is carried."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def next(self, allow: Collection[str], now: float, longest_wait: float) -> str | None:
        """The run that is next.

        Args:
            allow: Permissions of this process; a run that needs more is left to another one.
            now: Seconds since 1970.
            longest_wait: No wait is longer (s).

        Returns:
            Its handle, or None when none is ready.
        """
        needs = _needs_within(allow)
        ready = f"ready AS MATERIALIZED (SELECT * FROM waiting WHERE {_READY.format(needs=placeholders(needs))})"  # noqa: S608
        row = self._database.row(
            f"WITH {_WAITING}, {ready}, {_IN_TURN.format(source='ready')} "  # noqa: S608 - our own texts
            f"SELECT handle FROM in_turn ORDER BY {_ORDER} LIMIT 1",
            now,
            now + longest_wait,
            *needs,
        )
        return row["handle"] if row else None

    def next_at(self, allow: Collection[str]) -> float | None:
        """When the earliest retry that this process may start is due (s since 1970; 0: now), or None if none waits."""
        needs = _needs_within(allow)
        ready = _READY.format(needs=placeholders(needs))
        row = self._database.row(
            f"WITH {_WAITING} SELECT min(CASE state WHEN 'queued' THEN 0.0 ELSE not_before END) AS at "  # noqa: S608
            f"FROM waiting WHERE {ready}",
            float("inf"),
            float("inf"),
            *needs,
        )
        return row["at"] if row else None

    def position(self, handle: str) -> int:
        """How many waiting runs would be started before this one, as things stand."""
        row = self._database.row(
            f"WITH {_WAITING}, {_IN_TURN.format(source='waiting')}, "  # noqa: S608
            f"ordered AS (SELECT handle, row_number() OVER (ORDER BY {_ORDER}) - 1 AS before FROM in_turn) "
            "SELECT before FROM ordered WHERE handle = ?",
            handle,
        )
        return int(row["before"]) if row else 0

    def carried(self) -> list[Row]:
        """Runs with a worker: `handle`, `state`, `attempt`, `owner`, `place`."""
        rows = self._database.rows(
            "SELECT handle, state, attempt, owner, place FROM runs WHERE state IN ('running', 'stopping')"
        )
        return [{**row, "owner": json.loads(row["owner"] or "{}")} for row in rows]

    def count(self, *states: str) -> int:
        """How many runs are in any of these states."""
        sql = f"SELECT count(*) AS n FROM runs WHERE state IN ({placeholders(states)})"  # noqa: S608
        row = self._database.row(sql, *states)
        return int(row["n"]) if row else 0

    def bereft(self) -> list[Row]:
        """Waiting runs that follow one which will not complete: `handle`, `after`, `state` of that one or None."""
        return self._database.rows(
            "SELECT runs.handle, runs.after, first.state "
            "FROM runs LEFT JOIN runs AS first ON first.handle = runs.after "
            "WHERE runs.state = 'queued' AND runs.after IS NOT NULL "
            "AND (first.state IS NULL OR first.state IN ('failed', 'stopped'))"
        )

    def served_last(self) -> int:
        """The number of the newest claim."""
        row = self._database.row("SELECT max(served) AS n FROM runs")
        return int(row["n"] or 0) if row else 0


def needs_word(needs: Collection[str]) -> str:
    """Permissions as the column has them."""
    return ",".join(sorted(needs))


def _needs_within(allow: Collection[str]) -> list[str]:
    """What `needs` may be for a process with these permissions: every set of them."""
    known = sorted(set(allow) & set(PERMISSIONS))
    return [needs_word(some) for size in range(len(known) + 1) for some in combinations(known, size)]
