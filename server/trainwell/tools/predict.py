"""Predict raw rows (given inline, or a file) with a run's best weights or a checkpoint.

Preprocessing is applied as it was fitted. Gives class labels with confidence, or numbers in the target's own units.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import quoted
from trainwell.tools.services import Services, exactly_one

TITLE = "Predict"
HINTS = Hints(read_only=False, destructive=False, idempotent=True)
SHOWN_IN_SUMMARY = 5


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    checkpoint: str | None = None
    rows: list[dict[str, Any] | list[Any]] | None = None
    source: str | None = None
    output: str | None = None
    overwrite: bool


class Result(Answer):
    """At most 50 predictions; `confidence` is the probability of the predicted class."""

    count: int
    predictions: list[str | float | None]
    confidence: list[float] | None = None
    output: str | None = None
    notes: list[str]


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker load the weights and predict."""
    exactly_one(rows=arguments.rows, source=arguments.source)
    trained = services.trained(arguments.run, arguments.checkpoint)
    name = trained.pop("name")
    output = None
    if arguments.output is not None:
        output = str(services.workspace.resolve_write(arguments.output, "output", overwrite=arguments.overwrite))
    report = await services.ask("predict", **trained, rows=arguments.rows, source=arguments.source, output=output)
    first = ", ".join(
        quoted(value) if isinstance(value, str) else str(value) for value in report["predictions"][:SHOWN_IN_SUMMARY]
    )
    written = f" All are in {report['output']}." if report.get("output") else ""
    more = ", ..." if report["count"] > SHOWN_IN_SUMMARY else ""
    handle = {"run": name} if arguments.run else {"checkpoint": name}
    return Result(
        summary=f"{report['count']} predictions of {name}: {first}{more}.{written}",
        **report,
        next_call=next_call("evaluate", **handle),
    )
