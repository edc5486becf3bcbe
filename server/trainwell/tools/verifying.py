"""Trying fixes on twins: the arms are planned here, the rest is a matter of the queue."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import RunSpec
from trainwell.contract.text import rounded
from trainwell.contract.verification import Arm, Verification
from trainwell.diagnosis import diagnose
from trainwell.runs.queue import changes_so_far
from trainwell.runs.repairs import GOES_ON
from trainwell.runs.room import require_room
from trainwell.runs.story import trace_of
from trainwell.runs.twins import BESIDE_SECONDS, FEWEST_EPOCHS, MOST_FIXES, Length, divide, needed_seconds
from trainwell.runs.verification import Twin, enter
from trainwell.store.atomic import remove
from trainwell.store.handles import new_handle
from trainwell.store.runs import Queueing
from trainwell.tools.asking import model_and_data, needs_of, spec_fields
from trainwell.tools.repairing import training_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainwell.contract.trace import Trace
    from trainwell.runs.twins import Division
    from trainwell.tools.repairing import Candidate
    from trainwell.tools.services import Services

#: A twin that takes this many times what was expected, and some seconds, is cut off.
TIMES_EXPECTED, SECONDS_MORE = 2.0, 5.0


@dataclass(frozen=True)
class _Planned:
    """An arm before it has twins: its spec with every choice closed, the arguments that say so, its plan and length."""

    candidate: Candidate | None
    spec: RunSpec
    arguments: dict[str, Any]
    plan: dict[str, Any]
    length: Length


def is_answered(known: Verification | None, found: Sequence[Candidate], budget_seconds: float) -> bool:
    """Whether a verification is under way, or is over and was asked the same."""
    if known is None:
        return False
    tried = [arm.patch for arm in known.fixes]
    asked = [one.fix.patch for one in found if one.name not in known.left_out][:MOST_FIXES]
    return not known.over or (known.budget_seconds == budget_seconds and all(patch in tried for patch in asked))


async def begin(services: Services, run: str, found: Sequence[Candidate], budget_seconds: float) -> Verification:
    """Enter twins of a run with and without its first fixes, and start them if there is a place.

    Raises:
        TrainwellError: `budget_too_small`, `over_quota`; as train and build_model where a fix cannot be planned.
    """
    require_room(services.workspace, services.store)
    from_epoch = _healthy_epoch(services, run, found[:MOST_FIXES])
    arms = [await _planned(services, run, one, from_epoch) for one in (None, *found[:MOST_FIXES])]
    division = divide([arm.length for arm in arms], budget_seconds)
    if division is None:
        least = needed_seconds([arm.length for arm in arms])
        raise TrainwellError(
            "budget_too_small", "Not even one fix can be tried on two seeds in this time.", argument="budget_seconds",
            got=budget_seconds, allowed=f"at least {least:.0f}",
            next_call=next_call("diagnose", run=run, verify=True, budget_seconds=float(f"{1.2 * least:.2g}")),
        )  # fmt: skip
    return await _enter(services, run, arms, division, budget_seconds, from_epoch)


async def _enter(
    services: Services, run: str, arms: Sequence[_Planned], division: Division, budget_seconds: float, from_epoch: int
) -> Verification:
    """The twins of all arms, seed by seed, so that early ends are told of every arm."""
    first = arms[0]
    seeds = tuple((first.spec.config.seed + number) % 2**32 for number in range(division.seeds))
    taken = arms[: division.arms]
    twins = [[_twin(arm, seed, division.share, from_epoch) for arm in taken] for seed in seeds]
    verification = Verification(
        number=secrets.token_hex(4), budget_seconds=budget_seconds, began_at=time.time(), seeds=seeds,
        from_epoch=from_epoch, share=division.share,
        arms=tuple(_arm(arm, [row[place].spec.run for row in twins]) for place, arm in enumerate(taken)),
        left_out=tuple(arm.candidate.name for arm in arms[division.arms :] if arm.candidate is not None),
    )  # fmt: skip
    every = [twin for row in twins for twin in row]
    folders = [services.workspace.run_dir(twin.spec.run) for twin in every]
    queueing = Queueing(client=f"twins of {run}", needs=needs_of(services.store.runs.spec(run).model))
    try:
        if from_epoch:
            last = first.plan["steps_per_epoch"] * (from_epoch + 1) - 1
            for twin in every:
                seed = twin.spec.config.seed
                await services.ask("branch", parent=run, child=twin.spec.run, seed=seed, most=last)
        entered = enter(services.store, run, verification, every, queueing)
    except BaseException:
        _forget(folders)
        raise
    if entered.number != verification.number:  # another call was faster
        _forget(folders)
    services.start_waiting()
    return entered


def _forget(folders: Sequence[Path]) -> None:
    for folder in folders:
        remove(folder)


def _arm(planned: _Planned, twins: Sequence[str]) -> Arm:
    one = planned.candidate
    if one is None:
        return Arm(twins=tuple(twins))
    return Arm(fix=one.name, code=one.code, patch=one.fix.patch, twins=tuple(twins))


async def _planned(services: Services, run: str, candidate: Candidate | None, from_epoch: int) -> _Planned:
    """One arm: what train would do with these arguments, and how long it would take."""
    store = services.store
    row, sick = store.runs.get(run), store.runs.spec(run)
    given = row["arguments"] if candidate is None else (await training_call(services, run, candidate.fix))["arguments"]
    model, prepared = model_and_data(services, given["model"], given["train_loader"])
    asked = spec_fields(services, model, prepared, given, run=run)
    if model.handle == sick.model.handle:
        asked["start_from"] = sick.start_from
    plan = await services.ask("plan", spec=asked)
    spec = RunSpec.model_validate({**asked, "config": plan.pop("config")})
    seconds = max(plan["seconds_per_epoch"], (row["pace"] or 0.0) * plan["steps_per_epoch"])
    epochs = spec.config.epochs - from_epoch
    return _Planned(candidate, spec, given, plan, Length(seconds * epochs, epochs))


def _twin(arm: _Planned, seed: int, share: float, from_epoch: int) -> Twin:
    """A twin of one arm: from its seed with a schedule over fewer epochs, or from a checkpoint, cut off on its way."""
    whole = arm.length.epochs
    epochs = max(min(FEWEST_EPOCHS, whole), round(share * whole))
    seconds = BESIDE_SECONDS + arm.length.seconds * epochs / whole
    config = arm.spec.config.model_copy(
        update={
            "seed": seed,
            "epochs": arm.spec.config.epochs if from_epoch else epochs,
            "max_minutes": (TIMES_EXPECTED * seconds + SECONDS_MORE) / 60,
            "on_finding": "report",
        }
    )
    spec = arm.spec.model_copy(
        update={
            "run": new_handle("run", "twin"),
            "config": config,
            "retry": arm.spec.retry.model_copy(update={"repairs": False}),
            "until": from_epoch + epochs if from_epoch else None,
        }
    )
    plan = {**arm.plan, "seconds": seconds, "total_steps": arm.plan["steps_per_epoch"] * (from_epoch + epochs)}
    return Twin(spec, arm.arguments, plan)


def _healthy_epoch(services: Services, run: str, found: Sequence[Candidate]) -> int:
    """The epoch of the newest checkpoint at which nothing showed yet, if the fixes may go on from one; else 0."""
    store, folder = services.store, services.workspace.run_dir(run) / "checkpoints"
    if changes_so_far(store, run) or any(
        set(one.fix.patch) != {"train"} or not one.fix.patch["train"].keys() <= GOES_ON for one in found
    ):
        return 0
    trace, codes = trace_of(store, run), {one.code for one in found}
    epochs = (epoch for epoch in _saved_epochs(folder) if 0 < epoch < store.runs.spec(run).config.epochs)
    return next((epoch for epoch in epochs if not _is_sick(trace, epoch, codes)), 0)


def _is_sick(trace: Trace, epoch: int, codes: set[str]) -> bool:
    """Whether one of these findings, or anything critical, showed by the end of an epoch."""
    epochs, signals = (tuple(one for one in seen if one.epoch <= epoch) for seen in (trace.epochs, trace.signals))
    until = replace(trace, epochs=epochs, signals=signals, attempts=(), error=None, traceback=None, finished=False)
    shown = diagnose(until)
    return any(one.severity == "critical" or one.code in codes for one in shown)


def _saved_epochs(folder: Path) -> Iterator[int]:
    """The whole epochs of each checkpoint, the newest first."""
    for path in sorted(folder.glob("step-????????"), reverse=True):
        try:
            yield int(json.loads((path / "state.json").read_bytes())["epoch"])
        except (OSError, ValueError, KeyError):
            continue


def best_proven(verification: Verification, found: Sequence[Candidate]) -> Candidate | None:
    """The proven fix with which twins came furthest."""
    proofs = [
        (one, next((arm.proof for arm in verification.fixes if arm.patch == one.fix.patch), None)) for one in found
    ]
    proven = [(one, proof) for one, proof in proofs if proof is not None and proof.verdict == "proven"]
    # Runs that no longer fail and scores count before losses.
    best = max(proven, key=lambda pair: (pair[1].metric != "val_loss", abs(pair[1].difference or 0.0)), default=None)
    return None if best is None else best[0]


def told(verification: Verification, progress: dict[str, Any]) -> list[str]:
    """A verification in lines: how far it is, or what it has shown of each fix."""
    if not verification.over:
        waits = f" They wait for {progress['waits_for']}." if "waits_for" in progress else ""
        return [
            f"{progress['done']} of {progress['twins']} twins have ended (with and without {len(verification.fixes)} "
            f"fixes, {len(verification.seeds)} seeds, from the same {verification.start}); about "
            f"{rounded(progress['seconds_left'], 2)} s left.{waits} Ask again with the same call.",
        ]
    lines = [
        f"{arm.fix}: {arm.proof.verdict.replace('_', ' ')}. {arm.proof.told}" for arm in verification.fixes if arm.proof
    ]
    if verification.left_out:
        lines.append(f"No room in the budget for {', '.join(verification.left_out)}.")
    return lines
