"""Runs of this workspace, newest first or best first, filtered by state, data, model or tag.

Each with its score and its most important finding.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import rounded
from trainwell.runs.lifecycle import CARRIED
from trainwell.runs.view import ShortFinding, next_step, reason, shorten, view
from trainwell.tools.services import Services

TITLE = "List runs"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)
MOST_IN_SUMMARY = 3


class Arguments(Spec):
    """See SKILL.md."""

    state: str | None = None
    data: str | None = None
    model: str | None = None
    tag: str | None = None
    sort_by: str
    limit: int
    cursor: str | None = None


class RunRow(Spec):
    """A run in a line."""

    run: str
    name: str
    state: str
    reason: str | None
    epoch: int
    score: float | None
    best_epoch: int | None
    model: str
    data: str
    finding: ShortFinding | None
    attempts: int | None = None
    parent: str | None = None
    after: str | None = None
    place: str | None = None


class Result(Answer):
    """A page of runs."""

    runs: list[RunRow]
    cursor: str | None = None


async def call(services: Services, arguments: Arguments) -> Result:
    """Read the store."""
    services.start_waiting()
    offset = _offset(arguments.cursor)
    found = services.store.runs.page(
        _filters(services, arguments), by_score=arguments.sort_by == "score", limit=arguments.limit + 1, offset=offset
    )
    rows = [_row(services, row) for row in found[: arguments.limit]]
    more = str(offset + arguments.limit) if len(found) > arguments.limit else None
    lines = [f"{len(rows)} run{'s' * (len(rows) != 1)}" + (", more with the cursor." if more else ".")]
    lines += [f"{row.run}: {row.state}, score {rounded(row.score)}" + (f", {row.finding.code}" if row.finding else "")
              for row in rows[:MOST_IN_SUMMARY]]  # fmt: skip
    following = next_step(view(services.store, rows[0].run)) if rows else next_call("inspect_data", source="digits")
    return Result(summary="\n".join(lines), runs=rows, cursor=more, next_call=following)


def _filters(services: Services, arguments: Arguments) -> dict[str, Any]:
    filters: dict[str, Any] = {"state": arguments.state, "tag": arguments.tag}
    for kind, text in (("data", arguments.data), ("model", arguments.model)):
        filters[kind] = services.find(kind, text, kind) if text is not None else None
    return {column: value for column, value in filters.items() if value is not None}


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 9:
        raise TrainwellError("bad_cursor", "This is not a cursor that list_runs gave.", argument="cursor", got=cursor,
                             next_call=next_call("list_runs"))  # fmt: skip
    return int(cursor)


def _row(services: Services, row: dict[str, Any]) -> RunRow:
    findings = services.store.history.findings(row["handle"])
    return RunRow(
        run=row["handle"], name=row["name"], state=row["state"], reason=reason(row), epoch=row["epoch"],
        score=row["best_score"], best_epoch=row["best_epoch"], model=row["model"], data=row["data"],
        finding=shorten(findings[0]) if findings else None, attempts=row["attempt"] if row["attempt"] > 1 else None,
        parent=row["parent"], after=row["after"], place=row["place"] if row["state"] in CARRIED else None,
    )  # fmt: skip
