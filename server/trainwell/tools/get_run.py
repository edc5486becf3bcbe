"""State, progress, metrics and findings of a run.

With wait_seconds it waits for the end: poll with 20, never in a loop without.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.specs import Spec
from trainwell.runs.details import details
from trainwell.runs.lifecycle import FINAL
from trainwell.runs.view import RunView, next_step, summary, view
from trainwell.runs.waiting import wait_for_end
from trainwell.tools.services import Services

TITLE = "Get run"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)


class Arguments(Spec):
    """See SKILL.md."""

    run: str
    wait_seconds: float
    detail: str
    plot: bool


class Result(RunView, Answer):
    """The run; `full` holds arguments, plan, findings and history (at most 64 epochs) when asked for."""

    full: dict[str, Any] | None = None


async def call(services: Services, arguments: Arguments) -> Result:
    """Read the store, after waiting if asked to."""
    run = services.find("run", arguments.run, "run")
    if services.store.runs.get(run)["state"] not in FINAL:
        services.start_waiting()
    if arguments.wait_seconds:
        await wait_for_end(services.store, run, arguments.wait_seconds, services.progress)
    seen = view(services.store, run)
    spec = services.store.runs.spec(run)
    return Result(
        **seen.model_dump(),
        summary=summary(seen, spec.score_name),
        next_call=next_step(seen),
        picture=await _picture(services, seen, arguments, spec.score_name),
        full=details(services.workspace, services.store, run) if arguments.detail == "full" else None,
    )


async def _picture(services: Services, seen: RunView, arguments: Arguments, score_name: str) -> str | None:
    """Where the learning curves lie; they are drawn anew when asked for."""
    path = services.workspace.run_dir(seen.run) / "report" / "curves.png"
    epochs = services.store.history.epochs(seen.run) if arguments.plot else []
    if epochs:
        await services.ask(
            "plot",
            epochs=[asdict(one) for one in epochs],
            path=str(path),
            title=seen.run,
            score_name=score_name,
            findings=[one.model_dump(mode="json") for one in services.store.history.findings(seen.run)],
        )
    return services.workspace.shown(path) if epochs or (seen.state in FINAL and path.exists()) else None
