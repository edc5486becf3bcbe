"""Go on with a stopped or failed run from its last checkpoint, bit for bit where it is deterministic.

With changed arguments (or more epochs for a completed run) a new run goes on from there and remembers its parent.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import PYTHON, RunSpec, Spec
from trainwell.runs.lifecycle import WAITING
from trainwell.runs.queue import changes_so_far
from trainwell.runs.record import keep
from trainwell.runs.resuming import must_not_run, take_up
from trainwell.runs.room import require_room
from trainwell.runs.view import next_step, summary, view
from trainwell.runs.waiting import wait_for_end
from trainwell.store.atomic import remove
from trainwell.store.handles import new_handle
from trainwell.store.runs import Origin, Queueing
from trainwell.tools.asking import needs_of
from trainwell.tools.services import Services

TITLE = "Resume run"
HINTS = Hints(read_only=False, destructive=False, idempotent=False)
CHANGEABLE = ("epochs", "lr", "weight_decay", "batch_size", "early_stopping", "max_minutes")


class Arguments(Spec):
    """See SKILL.md."""

    run: str
    epochs: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
    early_stopping: int | None = None
    max_minutes: float | None = None
    wait_seconds: float


class Result(Answer):
    """The run that goes on. `kept` is state, weights or nothing."""

    run: str
    state: str
    parent: str | None
    from_step: int
    kept: str


async def call(services: Services, arguments: Arguments) -> Result:
    """Queue the same run again, or a child of it."""
    run = services.find("run", arguments.run, "run")
    _must_be_resumable(services, run)
    changes = _changes(services, arguments, run)
    if changes:
        child, kept, step, words = await _branched(services, run, changes)
    else:
        _must_have_more_to_do(services, run)
        if not take_up(services.store, run):
            must_not_run(services.store, run, "resumed")
        child, kept, words = run, "state", "It goes on from its last checkpoint, with the same arguments."
        step = services.store.runs.get(run)["step"]
    keep(services.workspace, services.store, child)
    services.start_waiting()
    await wait_for_end(services.store, child, arguments.wait_seconds, services.progress)
    seen = view(services.store, child)
    first = summary(seen, services.store.runs.spec(child).score_name).splitlines()[0]
    return Result(
        summary=f"{first}\n{words}", run=child, state=seen.state, parent=run if child != run else None, from_step=step,
        kept=kept, next_call=next_step(seen),
    )  # fmt: skip


def _must_be_resumable(services: Services, run: str) -> None:
    must_not_run(services.store, run, "resumed")
    row = services.store.runs.get(run)
    if row["state"] in WAITING:
        raise TrainwellError(
            "run_is_waiting", f"This run is {row['state']}: it will start by itself.", argument="run", got=run,
            next_call=next_call("get_run", run=run, wait_seconds=20),
        )  # fmt: skip
    if services.store.runs.spec(run).model.architecture == PYTHON:
        raise TrainwellError(
            "python_network", "This network lives in the Python program that trained it.", argument="run", got=run,
            hint=f"There, trainwell.train(..., resume={run!r}) goes on with it.",
        )  # fmt: skip


def _must_have_more_to_do(services: Services, run: str) -> None:
    row = services.store.runs.get(run)
    if row["state"] != "completed":
        return
    epochs = services.store.runs.spec(run).config.epochs
    raise TrainwellError(
        "nothing_to_resume", "This run has completed; it goes on with more epochs only.", argument="epochs",
        got=None, allowed=f"more than {row['epoch']}", next_call=next_call("resume_run", run=run, epochs=2 * epochs),
    )  # fmt: skip


def _changes(services: Services, arguments: Arguments, run: str) -> dict[str, Any]:
    """The arguments that differ from those that the run trained with last.

    Raises:
        TrainwellError: `out_of_range`, by the manifest's limits for train; `epochs_too_few`.
    """
    row = services.store.runs.get(run)
    before = _config(services, run)
    given = {name: value for name, value in arguments.model_dump(include=set(CHANGEABLE)).items() if value is not None}
    changes = {name: value for name, value in given.items() if value != before[name]}
    limits = services.manifest.input_schema("train")["properties"]
    for name, value in changes.items():
        low, high = limits[name].get("minimum", value), limits[name].get("maximum", value)
        if not low <= value <= high:
            raise TrainwellError("out_of_range", f"{name} is out of the limits of train.", argument=name, got=value,
                                 allowed=f"{low} to {high}")  # fmt: skip
    epochs = changes.get("epochs", before["epochs"])
    if changes and "batch_size" not in changes and epochs <= row["epoch"]:
        raise TrainwellError(
            "epochs_too_few", f"This run has done {row['epoch']} epochs already; epochs is the new total.",
            argument="epochs", got=epochs, allowed=f"more than {row['epoch']}",
            next_call=next_call("resume_run", run=run, **changes | {"epochs": 2 * max(1, row["epoch"])}),
        )  # fmt: skip
    return changes


def _config(services: Services, run: str) -> dict[str, Any]:
    """The settings that a run trained with last: as planned, and as retries have changed them."""
    repaired = {
        name: value for name, value in changes_so_far(services.store, run).items() if name in {"lr", "grad_clip"}
    }
    plan = services.store.runs.get(run)["plan"]
    planned = {name: plan[name] for name in ("batch_size",) if name in plan}
    return {**services.store.runs.spec(run).config.model_dump(mode="json"), **planned, **repaired}


async def _branched(services: Services, parent: str, changes: dict[str, Any]) -> tuple[str, str, int, str]:
    """Enter a child of a run. Returns: its handle, what it keeps, the step it goes on from, and that in words."""
    require_room(services.workspace, services.store)
    row, spec = services.store.runs.get(parent), services.store.runs.spec(parent)
    child = new_handle("run", row["name"].removeprefix("run_"))
    asked = {**spec.model_dump(mode="json"), "run": child, "config": {**_config(services, parent), **changes}}
    folder = services.workspace.run_dir(child)
    try:
        if "batch_size" in changes:
            folder.mkdir(parents=True, exist_ok=True)
            asked["start_from"] = str(folder / "start.safetensors")
            saved = {"spec": spec.model_dump(mode="json"), "which": "last", "path": asked["start_from"]}
            await services.ask("save_checkpoint", **saved)
            at, kept = {"step": 0, "epoch": 0}, "weights"
        else:
            at = await services.ask("branch", parent=parent, child=child)
            kept = "state" if at["step"] else "nothing"
        plan = await services.ask("plan", spec=asked)
        _enter(services, RunSpec.model_validate({**asked, "config": plan.pop("config")}), row, plan, at, changes)
    except BaseException:
        remove(folder)
        raise
    return child, kept, at["step"], _told(spec, kept, at, changes)


def _enter(
    services: Services, spec: RunSpec, parent: dict[str, Any], plan: dict[str, Any], at: dict[str, Any],
    changes: dict[str, Any],
) -> None:  # fmt: skip
    """The child's rows; the epochs that it goes on from are its own past, too."""
    store = services.store
    queueing = Queueing(client=services.client, needs=needs_of(spec.model))
    with store.database.transaction():
        store.runs.add(
            spec, name=parent["name"], arguments=parent["arguments"] | changes, plan=plan, tags=parent["tags"],
            key=None, queueing=queueing, origin=Origin(parent["handle"], changed=_changed(services, parent, changes)),
        )  # fmt: skip
        store.runs.update(spec.run, step=at["step"], epoch=at["epoch"])
        store.history.put_epochs(
            spec.run, [one for one in store.history.epochs(parent["handle"]) if one.epoch <= at["epoch"]]
        )


def _changed(services: Services, parent: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Each change as [before, now]."""
    before = _config(services, parent["handle"])
    return {name: [before[name], value] for name, value in changes.items()}


def _told(spec: RunSpec, kept: str, at: dict[str, Any], changes: dict[str, Any]) -> str:
    what = ", ".join(f"{name} {value:g}" for name, value in changes.items())
    if kept == "weights":
        return f"New run with {what}: starts from the last weights; the optimizer's state and the epochs count anew."
    if kept == "nothing":
        return f"New run with {what}: its parent had saved nothing yet, so it starts from the beginning."
    words = f"New run with {what}: goes on after epoch {at['epoch']} with weights, optimizer state and best so far"
    if "epochs" in changes and spec.config.scheduler not in {"constant", "plateau"}:
        return (
            f"{words}; {spec.config.scheduler} is laid over all {changes['epochs']} epochs, so the rate jumps to there."
        )
    return f"{words}."
