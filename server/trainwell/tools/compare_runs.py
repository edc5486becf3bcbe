"""Compare runs: what differs in arguments, network and data, and what it did to the score.

Ranks them, and says whether each difference is inside the noise: by the spread over seeds where runs were repeated,
else by the validation rows.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.intervals import Interval
from trainwell.contract.specs import PYTHON, Spec
from trainwell.runs import comparing
from trainwell.runs.comparing import Effect, Ranked
from trainwell.runs.noise import Measured, measured, value_of
from trainwell.tools.services import Services

TITLE = "Compare runs"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)
#: What evaluate calls the metrics whose intervals it draws.
JUDGED = {"val_balanced_accuracy": "balanced_accuracy", "val_r2": "r2", "val_rmse": "rmse", "val_f1": "f1_micro"}
MOST_SENTENCES, MOST_RANKED, MOST_SETTINGS = 3, 5, 8


class Arguments(Spec):
    """See SKILL.md."""

    runs: list[str]
    metric: str | None = None
    plot: bool
    detail: str


class Result(Answer):
    """The comparison; `differences` has the value of each setting by run, `left_out` counts runs left to full."""

    metric: str
    ranked: list[Ranked]
    differences: dict[str, Any]
    effects: list[Effect]
    warnings: list[str]
    left_out: int | None = None


async def call(services: Services, arguments: Arguments) -> Result:
    """Read the store; where a metric's noise is not known, have a worker draw the validation rows again."""
    store = services.store
    handles = [services.find("run", run, f"runs/{place}") for place, run in enumerate(arguments.runs)]
    rows = comparing.entries(store, handles)
    if len(rows) < 2:
        raise TrainwellError(
            "one_run", "There is nothing to compare one run with.", argument="runs", got=arguments.runs,
            allowed="2 to 12 runs", next_call=next_call("list_runs", data=rows[0]["data"], sort_by="score"),
        )  # fmt: skip
    metric = comparing.metric_for(store, rows, arguments.metric)
    repeats = comparing.alone(rows)
    scores = {row["handle"]: await _measured(services, row, metric, repeats=repeats) for row in rows}
    found = comparing.ranked(store, rows, scores, metric)
    effects = comparing.effects(store, rows, scores, metric)
    lines = [comparing.headline(found, scores, metric, repeats=repeats)]
    lines += [comparing.sentence(one, metric) for one, _ in effects[:MOST_SENTENCES]]
    warnings = comparing.cautions(store, rows, effects)
    answer = Result(
        summary="\n".join([*lines, *warnings[:1]]),
        metric=metric,
        ranked=found,
        differences=comparing.table(store, rows, by_seed=repeats),
        effects=[one for one, _ in effects],
        warnings=warnings,
        picture=await _picture(services, [one.run for one in found], metric) if arguments.plot else None,
        next_call=next_call("evaluate", run=found[0].run),
    )
    return answer if arguments.detail == "full" else _brief(answer)


def _brief(answer: Result) -> Result:
    """The best runs only, with what differs between them and the strongest effects."""
    best = answer.ranked[:MOST_RANKED]
    names = {one.run for one in best}
    differences = {
        setting: {run: value for run, value in by_run.items() if run in names}
        for setting, by_run in list(answer.differences.items())[:MOST_SETTINGS]
    }
    return answer.model_copy(
        update={
            "ranked": best, "differences": differences, "effects": answer.effects[:MOST_SENTENCES],
            "warnings": answer.warnings[:1], "left_out": len(answer.ranked) - len(best) or None,
        }
    )  # fmt: skip


async def _measured(services: Services, row: dict[str, Any], metric: str, *, repeats: bool) -> Measured | None:
    """The score with what is known of its noise."""
    if repeats:
        row = {**row, "repeats": None}
    found = measured(services.store, row, metric)
    if found is None or found.spread or found.around is not None or metric not in JUDGED:
        return found
    return measured(services.store, row, metric, await _interval(services, row, metric))


async def _interval(services: Services, row: dict[str, Any], metric: str) -> Interval | None:
    """The interval that drawing the validation rows again gives; None where the weights cannot be judged any more."""
    spec = services.store.runs.spec(row["handle"])
    if spec.model.architecture == PYTHON or value_of(row, metric) is None:
        return None
    try:
        metrics = await services.look(
            "intervals", services.checkpoints_of(spec.run), spec=spec.model_dump(mode="json"), split="validation"
        )
    except TrainwellError:
        return None
    edges = metrics.get(f"{JUDGED[metric]}_interval")
    return Interval(*edges) if edges else None


async def _picture(services: Services, runs: list[str], metric: str) -> str | None:
    """The learning curves of all of them in one picture."""
    curves = [[run, [asdict(one) for one in services.store.history.epochs(run)]] for run in runs]
    if not any(epochs for _, epochs in curves):
        return None
    path = services.workspace.state / "reports" / f"compare-{runs[0]}-{len(runs)}.png"
    await services.ask("plot_runs", curves=curves, path=str(path), metric=metric)
    return services.workspace.shown(path)
