"""Train a model in the background.

Answers at once with the run handle, what to expect (memory, seconds, first loss) and what was decided automatically.
Follow it with get_run. Checkpoints, retries and the best weights are taken care of. Leave out what you have no reason
to set.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import ModelSpec, RunSpec, Spec
from trainwell.contract.text import brief, duration, rounded, size
from trainwell.runs import experiments
from trainwell.runs.record import keep
from trainwell.runs.room import require_room
from trainwell.runs.settings import changes, settings, settings_of
from trainwell.runs.view import RunView, next_step, summary, view
from trainwell.runs.waiting import wait_for_end
from trainwell.store.handles import new_handle
from trainwell.store.runs import Origin, Queueing
from trainwell.tools.asking import model_and_data, needs_of, spec_fields
from trainwell.tools.services import Services

TITLE = "Train"
SEEDS = 2**32
MOST_WARNINGS, MOST_DECISIONS = 5, 4
HINTS = Hints(read_only=False, destructive=False, idempotent=False)


class Arguments(Spec):
    """See SKILL.md."""

    model: str
    train_loader: str
    epochs: int | None = None
    lr: float | None = None
    batch_size: int | None = None
    optimizer: str
    weight_decay: float | None = None
    scheduler: str
    warmup: float | None = None
    precision: str
    grad_clip: float
    accumulate: int
    early_stopping: int
    class_weights: str
    label_smoothing: float | None = None
    augment: list[str] | None = None
    ema: float | None = None
    swa: float
    checkpoint: str | None = None
    seed: int
    deterministic: bool
    max_minutes: float | None = None
    max_attempts: int | None = None
    on_finding: str
    name: str | None = None
    tags: list[str] | None = None
    wait_seconds: float
    idempotency_key: str | None = None
    priority: str
    after: str | None = None
    repeats: int = 1
    hypothesis: str | None = None
    parent: str | None = None
    detail: str


class Result(Answer):
    """The run, and what to expect of it; `left_out` counts the decisions that only `detail: full` has."""

    run: str
    repeats: list[str] | None = None
    state: str
    position: int
    expected: dict[str, Any]
    decisions: list[str]
    left_out: int | None = None
    warnings: list[str]


async def call(services: Services, arguments: Arguments) -> Result:
    """Plan with two timed steps, enter the run (and its repeats), start what there is a place for."""
    if arguments.idempotency_key and (row := services.store.runs.by_key(arguments.idempotency_key)):
        return await _answer(services, arguments, row["handle"], row["plan"], again=True)
    require_room(services.workspace, services.store)
    parent = _parent(services, arguments)
    asked = _asked(services, arguments)
    plan = await services.ask("plan", spec=asked)
    spec = RunSpec.model_validate({**asked, "config": plan.pop("config")})
    given = _as_given(services, arguments) | {"model": spec.model.handle, "train_loader": spec.data.handle}
    now = settings_of(spec, plan)
    warnings = experiments.warnings(services.store, now, set(given), parent=parent)
    origin = Origin(parent, arguments.hypothesis, _changed(services, parent, now, set(given)))
    specs = _over_seeds(arguments, spec)
    entered = _enter(services, arguments, specs, given, plan, origin)
    if entered != spec.run:  # another call with this key was faster
        return await _answer(services, arguments, entered, services.store.runs.get(entered)["plan"], again=True)
    for one in specs:
        keep(services.workspace, services.store, one.run)
    services.start_waiting()
    return await _answer(services, arguments, spec.run, plan, again=False, warnings=warnings)


def _parent(services: Services, arguments: Arguments) -> str | None:
    """The run to compare with: as given, else, for a hypothesis, the newest that has ended on the same data."""
    if arguments.parent is not None:
        return services.find("run", arguments.parent, "parent")
    if arguments.hypothesis is None:
        return None
    data = services.find("data", arguments.train_loader, "train_loader")
    earlier = services.store.experiments.ended_on(data, 1)
    return earlier[-1]["handle"] if earlier else None


def _changed(services: Services, parent: str | None, now: dict[str, Any], given: set[str]) -> dict[str, Any] | None:
    """What was changed on purpose against the parent."""
    if parent is None:
        return None
    return changes(settings(services.store, parent), now, given | set(services.store.runs.get(parent)["arguments"]))


def _over_seeds(arguments: Arguments, spec: RunSpec) -> list[RunSpec]:
    """The run, and as many more with the seeds behind its own as were asked for."""
    more = range(1, arguments.repeats)
    seeds = [(spec.config.seed + number) % SEEDS for number in more]
    handles = [new_handle("run", arguments.name or f"{spec.data.name}-{spec.model.name}") for _ in more]
    configs = [spec.config.model_copy(update={"seed": seed}) for seed in seeds]
    return [spec, *(
        spec.model_copy(update={"run": run, "config": config}) for run, config in zip(handles, configs, strict=True)
    )]  # fmt: skip


def _enter(
    services: Services, arguments: Arguments, specs: list[RunSpec], given: dict[str, Any], plan: dict[str, Any],
    origin: Origin,
) -> str:  # fmt: skip
    """Enter the run and its repeats, unless its key has one by now. Returns: the run of that key."""
    runs, key = services.store.runs, arguments.idempotency_key
    first = specs[0].run
    queueing = _queueing(services, arguments, specs[0])
    with services.store.database.transaction():
        if key and (row := runs.by_key(key)):
            return row["handle"]
        for spec in specs:
            seeded = given | ({"seed": spec.config.seed} if spec.config.seed else {})
            runs.add(
                spec, name=arguments.name or spec.run, arguments=seeded, plan=plan, tags=arguments.tags or [],
                key=key if spec.run == first else None, queueing=queueing,
                origin=replace(origin, repeats=first if len(specs) > 1 else None),
            )  # fmt: skip
    return first


def _queueing(services: Services, arguments: Arguments, spec: RunSpec) -> Queueing:
    after = None if arguments.after is None else services.find("run", arguments.after, "after")
    return Queueing(arguments.priority, services.client, needs_of(spec.model), after)


def _asked(services: Services, arguments: Arguments) -> dict[str, Any]:
    """The fields of a RunSpec as JSON; in its config, a choice that was left open is None."""
    model, prepared = model_and_data(services, arguments.model, arguments.train_loader)
    if arguments.class_weights == "balanced" and prepared.task not in {"classification", "multilabel"}:
        raise TrainwellError(
            "no_classes", f"There are no classes to weigh in {prepared.task}.", argument="class_weights",
            got=arguments.class_weights, allowed="none",
            next_call=next_call("train", model=model.handle, train_loader=prepared.handle),
        )  # fmt: skip
    run = new_handle("run", arguments.name or f"{prepared.name}-{model.name}")
    fields = spec_fields(services, model, prepared, arguments.model_dump(mode="json"), run=run)
    if arguments.max_attempts is not None:
        fields["retry"]["max_attempts"] = arguments.max_attempts
    return fields | {"start_from": _start_from(services, arguments.checkpoint, model)}


def _start_from(services: Services, checkpoint: str | None, model: ModelSpec) -> str | None:
    """The file whose weights the run starts from; it must hold a network of the same shape."""
    if checkpoint is None:
        return None
    row = services.store.artifacts.checkpoint(services.find("ckpt", checkpoint, "checkpoint"))
    theirs = ModelSpec.model_validate(row["card"]["model"])
    if (theirs.architecture, theirs.options, theirs.shapes) != (model.architecture, model.options, model.shapes):
        raise TrainwellError(
            "model_differs", "The checkpoint holds weights of another network.", argument="checkpoint",
            got=theirs.handle, allowed=model.handle,
            next_call=next_call("train", model=theirs.handle, train_loader=model.data),
        )  # fmt: skip
    return str(services.workspace.resolve_read(row["path"], "checkpoint"))


def _as_given(services: Services, arguments: Arguments) -> dict[str, Any]:
    """The arguments that differ from the manifest's defaults: what an agent would say to get this run again."""
    defaults = services.manifest.defaults("train")
    left_out = {"wait_seconds", "idempotency_key", "repeats", "hypothesis", "parent"}
    return {
        name: value
        for name, value in arguments.model_dump(exclude_none=True).items()
        if name not in left_out and defaults.get(name) != value
    }


async def _answer(
    services: Services, arguments: Arguments, run: str, plan: dict[str, Any], *, again: bool,
    warnings: list[str] | None = None,
) -> Result:  # fmt: skip
    if arguments.wait_seconds:
        await wait_for_end(services.store, run, arguments.wait_seconds, services.progress)
    answer = _as_it_is(services, run, plan, again=again, warnings=warnings or [])
    return answer if arguments.detail == "full" else _brief(answer)


def _brief(answer: Result) -> Result:
    """The first decisions, which are those on the learning; the machine's come last. Numbers with four digits."""
    told = answer.decisions[:MOST_DECISIONS]
    left_out = len(answer.decisions) - len(told)
    return answer.model_copy(
        update={"decisions": told, "left_out": left_out or None, "expected": brief(answer.expected)}
    )


def look(services: Services, run: str) -> Result:
    """What the call that made a run would answer now; a client that follows it as a task is told this."""
    return _as_it_is(services, run, services.store.runs.get(run)["plan"], again=False, warnings=[])


def _as_it_is(services: Services, run: str, plan: dict[str, Any], *, again: bool, warnings: list[str]) -> Result:
    seen = view(services.store, run)
    spec = services.store.runs.spec(run)
    position = services.store.queue.position(run) + 1 if seen.state == "queued" else 0
    known = [*warnings, *(f"{one.code}: {one.message}" for one in spec.data.warnings)]
    return Result(
        summary=_told(seen, spec, plan, position=position, again=again, warnings=warnings),
        run=run,
        repeats=seen.repeats.members if seen.repeats else None,
        state=seen.state,
        position=position,
        expected={name: plan[name] for name in EXPECTED if name in plan},
        decisions=plan["decisions"],
        warnings=known[:MOST_WARNINGS],
        next_call=next_step(seen),
    )


EXPECTED = ("batch_size", "steps_per_epoch", "total_steps", "device", "precision", "seconds_per_epoch", "memory_bytes",
            "expected_initial_loss", "measured_initial_loss")  # fmt: skip


def _told(
    seen: RunView, spec: RunSpec, plan: dict[str, Any], *, position: int, again: bool, warnings: list[str]
) -> str:
    seconds = plan["seconds_per_epoch"] * spec.config.epochs
    most = duration(math.ceil(seconds))
    where = f"{position - 1} runs before it" if position > 1 else seen.state
    first = summary(seen, spec.score_name).splitlines()[0] if again or seen.best else f"{seen.run}: {where}."
    lines = [
        f"This key has a run already: {first}" if again else first,
        f"Expect at most {most} for {spec.config.epochs} epochs on {plan['device']}, "
        f"{size(plan['memory_bytes'])}, first loss near {rounded(plan['expected_initial_loss'], 3)} "
        f"(measured {rounded(plan['measured_initial_loss'], 3)}).",
    ]
    if spec.data.warnings:
        lines.append(f"The data warned of {', '.join(sorted({one.code for one in spec.data.warnings}))}.")
    if seen.repeats:
        lines.append(f"{seen.repeats.runs} runs that differ in their seed only; get_run of any tells mean and spread.")
    return "\n".join([*lines, *warnings[:1]])
