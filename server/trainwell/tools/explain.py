"""Say what a run's (or a checkpoint's) answers rest on.

Columns, channels and windows of time by shuffling them, regions of images by gradients, words by taking them away; the
most important first, with intervals. How good it is: evaluate.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import brief
from trainwell.tools.services import Services

TITLE = "Explain"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    checkpoint: str | None = None
    split: str
    method: str
    plot: bool
    detail: str


class Result(Answer):
    """What matters, at most 15 features; `importance` is in `unit`, with a 95 % interval."""

    method: str
    unit: str
    rows: int
    features: list[dict[str, Any]]
    features_left_out: int
    examples: list[dict[str, Any]]
    notes: list[str]


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker load the weights and try what matters."""
    trained = services.trained(arguments.run, arguments.checkpoint)
    name = trained.pop("name")
    picture = services.workspace.state / "reports" / f"{name}-{arguments.split}-explained.png"
    drawn = {"path": str(picture), "title": f"{name}: {arguments.split}"} if arguments.plot else None
    report = await services.look(
        "explain",
        services.weights_at(trained),
        **trained,
        split=arguments.split,
        method=arguments.method,
        picture=drawn,
    )
    told, by_column = report.pop("told"), report.pop("columns")
    handle = {"run": name} if arguments.run else {"checkpoint": name}
    slices = {"slices": [report["features"][0]["name"]]} if by_column and report["features"] else {}
    return Result(
        summary="\n".join([f"{name} on {arguments.split}. {told}", *report["notes"][:2]]),
        **(report if arguments.detail == "full" else _brief(report)),
        picture=services.workspace.shown(picture) if arguments.plot else None,
        next_call=next_call("evaluate", **handle, split=arguments.split, **slices),
    )


def _brief(report: dict[str, Any]) -> dict[str, Any]:
    """The first features and examples, with three digits."""
    told = brief(report, digits=3)
    left_out = report["features_left_out"] + max(0, len(report["features"]) - len(told["features"]))
    return {name: told[name] for name in report} | {"features_left_out": left_out}
