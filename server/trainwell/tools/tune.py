"""Search for better settings in the background, then train with the best: one run, to be used like any other.

Trials go within a budget of time, poor ones are cut short, small mlps are trained many at once. get_run tells how far
it is, stop_run ends it, resume_run goes on. Settings are judged by validation: evaluate tells the honest number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError
from trainwell.contract.schema import compile_schema
from trainwell.contract.specs import TUNABLE, Range, RunSpec, Search, Spec
from trainwell.runs.record import keep
from trainwell.runs.room import require_room
from trainwell.runs.view import next_step, summary, view
from trainwell.runs.waiting import wait_for_end
from trainwell.store.handles import new_handle
from trainwell.store.runs import Queueing
from trainwell.tools.asking import model_and_data, needs_of, spec_fields

if TYPE_CHECKING:
    from trainwell.tools.services import Services

TITLE = "Tune"
HINTS = Hints(read_only=False, destructive=False, idempotent=False)
MOST_NAMES, MOST_CHOICES = 12, 50
# Numbers that span so much are searched by their logarithm where nothing is said.
LOG_RATIO = 10
FORM = '[choice, choice] or {"low": number, "high": number, "log": true}'


class Arguments(Spec):
    """See SKILL.md."""

    model: str
    train_loader: str
    budget_minutes: float
    trials: int
    space: dict[str, Any] | None = None
    name: str | None = None
    wait_seconds: float
    detail: str


class Result(Answer):
    """The run, and what it searches; `decisions`, on what is not searched, come with `detail: full`."""

    run: str
    state: str
    space: dict[str, Any]
    seconds_a_trial: float
    decisions: list[str] | None = None


async def call(services: Services, arguments: Arguments) -> Result:
    """Plan one training, enter the run with its search, start it if there is a place."""
    require_room(services.workspace, services.store)
    space = _space(services, arguments.space)
    model, prepared = model_and_data(services, arguments.model, arguments.train_loader)
    run = new_handle("run", arguments.name or f"{prepared.name}-{model.name}-tuned")
    asked = spec_fields(services, model, prepared, {}, run=run)
    plan = await services.ask("plan_search", spec=asked, space=space)
    found = plan.pop("space")
    search = Search(space=found, seconds=60 * arguments.budget_minutes, trials=arguments.trials)
    spec = RunSpec.model_validate({**asked, "config": plan.pop("config"), "search": search.model_dump()})
    plan["tuning"] = {"trials": [], "seconds": 0.0, "over": False}
    services.store.runs.add(
        spec, name=arguments.name or run, arguments={"model": model.handle, "train_loader": prepared.handle},
        plan=plan, tags=["tuned"], key=None,
        queueing=Queueing(client=services.client, needs=needs_of(model)),
    )  # fmt: skip
    keep(services.workspace, services.store, run)
    services.start_waiting()
    await wait_for_end(services.store, run, arguments.wait_seconds, services.progress)
    seen = view(services.store, run)
    seconds = plan["seconds_per_epoch"] * spec.config.epochs
    told = {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in search.space.items()}
    return Result(
        summary=_told(summary(seen, spec.score_name).splitlines()[0], search, seconds),
        run=run, state=seen.state, space=told, seconds_a_trial=round(seconds, 2),
        decisions=plan["decisions"] if arguments.detail == "full" else None, next_call=next_step(seen),
    )  # fmt: skip


def _told(first: str, search: Search, seconds: float) -> str:
    return (
        f"{first}\nIt searches {', '.join(search.space)} for at most {search.seconds / 60:g} min and {search.trials} "
        f"trials, each about {max(1, math.ceil(seconds))} s alone, and then trains with the best."
    )


def _space(services: Services, asked: dict[str, Any] | None) -> dict[str, Any] | None:
    """The space as ranges; what belongs to train is held to its limits here, the rest by the worker.

    Raises:
        TrainwellError: `bad_space`.
    """
    if asked is None:
        return None
    if not 1 <= len(asked) <= MOST_NAMES:
        raise TrainwellError(
            "bad_space", "A space has a few names.", argument="space", got=len(asked), allowed=f"1 to {MOST_NAMES}"
        )
    ranges = {name: _range(name, given) for name, given in asked.items()}
    properties = services.manifest.input_schema("train")["properties"]
    for name in set(ranges) & (set(properties) - set(TUNABLE)):
        raise TrainwellError(
            "bad_space", f"train's {name} is nothing to be searched.", argument=f"space/{name}",
            allowed=[*TUNABLE, "options of the model"],
        )  # fmt: skip
    for name, one in ranges.items():
        for value in one.ends if name in TUNABLE else ():
            if wrong := next(compile_schema(properties[name]).iter_errors(value), None):
                raise TrainwellError(
                    "bad_space",
                    f"train does not take this {name}: {wrong.message}.",
                    argument=f"space/{name}",
                    got=value,
                )
    return {name: one.model_dump(mode="json") for name, one in ranges.items()}


def _range(name: str, given: Any) -> Range:
    refusal = TrainwellError(
        "bad_space", f"These are no values of {name} to try.", argument=f"space/{name}", got=given, allowed=FORM
    )
    if isinstance(given, list):
        choices = cast("list[Any]", given)
        if not 1 <= len(choices) <= MOST_CHOICES:
            raise refusal
        return Range(choices=tuple(choices))
    if not isinstance(given, dict) or not {"low", "high"} <= cast("dict[str, Any]", given).keys():
        raise refusal
    try:
        one = Range.model_validate(given)
    except ValidationError:
        raise refusal from None
    if one.low is None or one.high is None or not one.low < one.high or one.choices or (one.log and one.low <= 0):
        raise refusal
    wide = one.low > 0 and one.high / one.low >= LOG_RATIO
    return one.model_copy(update={"log": one.log or ("log" not in given and wide)})
