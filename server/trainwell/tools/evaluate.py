"""Judge a run's best weights (or a checkpoint) on rows it has not seen.

Metrics with 95% intervals beside a trivial baseline and, for tables, gradient-boosted trees; scores by class, label,
column or step, the worst rows, slices by column, pictures.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import rounded
from trainwell.tools.services import Services

TITLE = "Evaluate"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    checkpoint: str | None = None
    data: str | None = None
    split: str
    slices: list[str] | None = None
    plot: str | None = None


class Result(Answer):
    """How good it is."""

    split: str
    rows: int
    metrics: dict[str, Any]
    baseline: dict[str, Any]
    trees: dict[str, Any] | None = None
    details: dict[str, Any]


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker load the weights and judge them."""
    trained = services.trained(arguments.run, arguments.checkpoint)
    judged = None
    if arguments.data is not None:
        handle = services.find("data", arguments.data, "data")
        judged = services.store.artifacts.data(handle).model_dump(mode="json")
    name = trained.pop("name")
    picture = services.workspace.state / "reports" / f"{name}-{arguments.split}-{arguments.plot}.png"
    drawn = {"kind": arguments.plot, "path": str(picture), "title": f"{name}: {arguments.split}"}
    report = await services.ask(
        "evaluate", **trained, data=judged, split=arguments.split, slices=arguments.slices or [],
        picture=drawn if arguments.plot else None,
    )  # fmt: skip
    metrics, baseline, rows = report.pop("metrics"), report.pop("baseline"), report.pop("rows")
    trees: dict[str, Any] | None = report.pop("trees", None)
    lines = [_told(name, arguments.split, rows, metrics, baseline), *([trees["told"]] if trees else [])]
    return Result(
        summary="\n".join([*lines, *report["notes"][:2]]),
        split=arguments.split,
        rows=rows,
        metrics=metrics,
        baseline=baseline,
        trees=trees,
        details=report,
        picture=services.workspace.shown(picture) if arguments.plot else None,
        next_call=next_call("save_checkpoint", run=name) if arguments.run else next_call("predict", checkpoint=name),
    )


def _told(name: str, split: str, rows: int, metrics: dict[str, Any], baseline: dict[str, Any]) -> str:
    main = baseline["metric"]
    interval = metrics.get(f"{main}_interval")
    between = f" (95% {rounded(interval[0])} to {rounded(interval[1])})" if interval else ""
    others = ", ".join(
        f"{key} {rounded(value)}" for key, value in metrics.items() if key != main and isinstance(value, int | float)
    )
    return (
        f"{name} on {split} ({rows} rows): {main} {rounded(metrics[main])}{between}; "
        f"baseline {rounded(baseline['value'])} ({baseline['how']}).\nAlso {others}."
    )
