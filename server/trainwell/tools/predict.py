"""Predict raw rows (inline, or a file of any size) with a run's best weights or a checkpoint.

Preprocessing is applied as it was fitted. Gives classes or labels with confidence, numbers or forecasts in their own
units, or how far rows are from what was learnt.
"""

from __future__ import annotations

from typing import Any, cast

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import plain, quoted, rounded
from trainwell.store.jobs import job_key
from trainwell.tools.services import Services, exactly_one

TITLE = "Predict"
HINTS = Hints(read_only=False, destructive=False, idempotent=True)
SHOWN_IN_SUMMARY = 5


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    checkpoint: str | None = None
    rows: list[Any] | None = None
    source: str | None = None
    output: str | None = None
    on_bad_row: str
    overwrite: bool


class Result(Answer):
    """At most 50 predictions; `confidence` is the probability of the predicted class, or of each label given."""

    count: int
    predictions: list[Any]
    confidence: list[Any] | None = None
    output: str | None = None
    notes: list[str]


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker load the weights and predict."""
    exactly_one(rows=arguments.rows, source=arguments.source)
    trained = services.trained(arguments.run, arguments.checkpoint)
    name = trained.pop("name")
    asked = {**trained, "rows": arguments.rows, "source": arguments.source, "on_bad_row": arguments.on_bad_row}
    report = await (_to_file(services, asked, arguments) if arguments.output else services.ask("predict", **asked))
    first = ", ".join(_shown(value) for value in report["predictions"][:SHOWN_IN_SUMMARY])
    written = f" All are in {report['output']}." if report.get("output") else ""
    more = ", ..." if report["count"] > SHOWN_IN_SUMMARY else ""
    handle = {"run": name} if arguments.run else {"checkpoint": name}
    return Result(
        summary=f"{report['count']} predictions of {name}: {first}{more}.{written}",
        **report,
        next_call=next_call("evaluate", **handle),
    )


async def _to_file(services: Services, asked: dict[str, Any], arguments: Arguments) -> dict[str, Any]:
    """As a job: a large file takes longer than a client waits, and the same call again must find it."""
    key = job_key("predict", asked, arguments.output)
    known = services.job_is_known(key)
    output = services.workspace.resolve_write(arguments.output or "", "output", overwrite=arguments.overwrite or known)
    return await services.ask_job("predict", key, **asked, output=str(output))


def _shown(prediction: Any) -> str:
    """A prediction in a few words: of a forecast the first steps of the first columns."""
    if isinstance(prediction, str):
        return quoted(prediction, 40)
    if isinstance(prediction, list):
        parts = cast("list[Any]", prediction)
        return f"[{', '.join(map(_shown, parts[:4]))}{', ...' if len(parts) > 4 else ''}]"
    if isinstance(prediction, dict):
        told = cast("dict[str, Any]", prediction)
        group = f"{quoted(told['group'], 30)}: " if told.get("group") is not None else ""
        values: dict[str, Any] = told.get("values") or {}
        return group + "; ".join(f"{plain(name, 30)} {_shown(steps)}" for name, steps in list(values.items())[:2])
    return rounded(prediction, 5) if isinstance(prediction, int | float) else "none"
