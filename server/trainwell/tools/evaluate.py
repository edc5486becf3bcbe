"""Judge a run's best weights (or a checkpoint) on rows it has not seen.

Metrics with 95% intervals beside a trivial baseline and, for tables, gradient-boosted trees; scores by class, label,
column or step, the worst rows, slices by column, pictures.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import brief, rounded
from trainwell.tools.services import Services

TITLE = "Evaluate"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)
MOST_WORST = 3
# What a brief answer leaves to its summary, or to `detail: full`.
_IN_FULL = {"told", "metrics", "interval_method", "split", "task", "data", "model", "slices"}


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    checkpoint: str | None = None
    data: str | None = None
    split: str
    slices: list[str] | None = None
    plot: str | None = None
    detail: str


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
    report = await services.look(
        "evaluate", services.weights_at(trained), **trained, data=judged, split=arguments.split,
        slices=arguments.slices or [], picture=drawn if arguments.plot else None,
    )  # fmt: skip
    metrics, baseline, rows = report.pop("metrics"), report.pop("baseline"), report.pop("rows")
    trees: dict[str, Any] | None = report.pop("trees", None)
    lines = [_told(name, arguments.split, rows, metrics, baseline), *([trees["told"]] if trees else [])]
    notes: list[str] = report["notes"]
    if arguments.detail == "brief":
        metrics, baseline, report = brief(metrics), brief(baseline), _brief(report)
        trees = brief({name: value for name, value in trees.items() if name not in _IN_FULL}) if trees else None
    return Result(
        summary="\n".join([*lines, *notes[:2]]),
        split=arguments.split,
        rows=rows,
        metrics=metrics,
        baseline=baseline,
        trees=trees,
        details=report,
        picture=services.workspace.shown(picture) if arguments.plot else None,
        next_call=next_call("save_checkpoint", run=name) if arguments.run else next_call("predict", checkpoint=name),
    )


def _brief(report: dict[str, Any]) -> dict[str, Any]:
    """The parts by class, label, column and row cut to the worst; slices were asked for and stay whole."""
    worst = [_few_values(one) for one in report["worst"][:MOST_WORST]]
    told = brief({name: value for name, value in report.items() if name not in _IN_FULL})
    return {**told, "worst": worst, **({"slices": report["slices"]} if "slices" in report else {})}


def _few_values(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its first raw values only; forecasts are told by their first steps."""
    values = dict(list(row.get("values", {}).items())[:MOST_WORST])
    return brief({**row, **({"values": values} if values else {})})


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
