"""Look at a data file before anything else.

Columns, classes, likely task, what is suspicious, and the prepare_data call to make. Reads, changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Spec, gravity
from trainwell.tools.services import Services, exactly_one

if TYPE_CHECKING:
    from pathlib import Path

TITLE = "Inspect data"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)


class Arguments(Spec):
    """See SKILL.md."""

    source: str | None = None
    rows: list[dict[str, Any]] | None = None
    target: str | None = None


class Result(Answer):
    """What was seen."""

    kind: str
    rows: int
    task: str | None = None
    target: str | None = None
    report: dict[str, Any]
    warnings: list[str]


def _file(services: Services, source: str | None) -> Path | None:
    """What the source names in the workspace; None for a set that ships, and for what the worker will refuse."""
    if source is None:
        return None
    try:
        return services.workspace.resolve_read(source, folder=True)
    except TrainwellError:
        return None


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker read the source; nothing is kept."""
    exactly_one(source=arguments.source, rows=arguments.rows)
    report = await services.look("inspect", _file(services, arguments.source), **arguments.model_dump())
    found = sorted(report.pop("warnings", []), key=lambda one: gravity(one["code"]))
    warnings = [f"{one['code']}: {one['message']}" for one in found]
    following = report.pop("next_call", None)
    kind, rows, task, target = (report.pop(name, None) for name in ("kind", "rows", "task", "target"))
    facts = [f"{kind}, {rows} rows", f"task {task}" if task else None, f'target "{target}"' if target else None]
    lines = [", ".join(fact for fact in facts if fact) + ".", *warnings[:3]]
    return Result(
        summary="\n".join(lines), kind=kind, rows=rows, task=task, target=target, report=report, warnings=warnings,
        next_call=following,
    )  # fmt: skip
