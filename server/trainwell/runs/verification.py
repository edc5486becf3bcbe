"""How a verification lives: its twins are entered together, are runs like any other, and are judged when all ended.

Nobody has to wait for them: the worker of the last twin settles it, and so does whoever asks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainwell.runs.lifecycle import CARRIED, FINAL, WAITING, move
from trainwell.runs.noise import common_score, value_of
from trainwell.runs.queue import folder_of
from trainwell.runs.resuming import delete, end_at_once
from trainwell.runs.story import judge
from trainwell.runs.twins import Ending, prove
from trainwell.store.runs import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainwell.contract.findings import Severity
    from trainwell.contract.specs import RunSpec
    from trainwell.contract.verification import Arm, Verification
    from trainwell.store.database import Row
    from trainwell.store.runs import Queueing
    from trainwell.store.store import Store


@dataclass(frozen=True)
class Twin:
    """A twin that is to be entered: what it does, the arguments that say so, and its plan."""

    spec: RunSpec
    arguments: dict[str, Any]
    plan: dict[str, Any]


def enter(
    store: Store, run: str, verification: Verification, twins: Sequence[Twin], queueing: Queueing
) -> Verification:
    """Enter a verification with its twins, in their order; one that is under way stays as it is.

    Returns:
        The verification that the run has now.
    """
    with store.database.transaction():
        known = store.verifications.find(run)
        if known is not None and not known.over:
            return known
        store.verifications.put(run, verification)
        for twin in twins:
            store.runs.add(
                twin.spec, name="twin", arguments=twin.arguments, plan=twin.plan, tags=[], key=None, queueing=queueing,
                origin=Origin(parent=run),
            )  # fmt: skip
            store.runs.update(twin.spec.run, twin_of=run)
    return verification


def settle(store: Store, run: str) -> Verification | None:
    """Judge a verification whose twins have all ended, keep what they prove with the findings, and remove them.

    Returns:
        The verification of the run as it is now, if it has one.
    """
    with store.database.transaction():
        known = store.verifications.find(run)
        if known is None or known.over:
            return known
        rows = {row["handle"]: row for row in store.runs.twins(run)}
        if any(row["state"] not in FINAL for row in rows.values()):
            return known
        bare = known.arms[0]
        proven = [_proven(store, run, rows, (bare, arm)) for arm in known.fixes]
        settled = known.model_copy(update={"arms": (bare, *proven), "over": True})
        store.verifications.put(run, settled)
        judge(store, run)
        for twin in rows:  # with the verdict: who hears that it is over finds no twin left
            delete(store, twin, folder_of(store, twin))
    return settled


def _proven(store: Store, run: str, rows: Mapping[str, Row], arms: tuple[Arm, Arm]) -> Arm:
    """The second arm with what it proves beside the first, which has no fix: the twins of both by one score."""
    there = [rows[twin] for arm in arms for twin in arm.twins if twin in rows] or [store.runs.get(run)]
    name = common_score(store, there)
    # A loss with class weights is none that one without could be compared with.
    one_loss = len({store.runs.spec(row["handle"]).config.class_weights for row in there}) == 1
    without, with_fix = (
        [_ending(store, rows.get(twin), name, with_loss=one_loss) for twin in arm.twins] for arm in arms
    )
    return arms[1].model_copy(update={"proof": prove(without, with_fix, code=arms[1].code, score_name=name)})


def _ending(store: Store, row: Row | None, score_name: str, *, with_loss: bool) -> Ending:
    if row is None or row["state"] == "stopped":
        return Ending()
    found: dict[str, Severity] = {one.code: one.severity for one in store.history.findings(row["handle"])}
    if row["state"] == "failed" or row["best_score"] is None:
        return Ending(failed=True, found=found)
    return Ending(value_of(row, score_name), value_of(row, "val_loss") if with_loss else None, found=found)


def cancel(store: Store, run: str) -> bool:
    """End a verification that is under way, and remove its twins.

    Returns:
        Whether there was one.
    """
    with store.database.transaction():
        known = store.verifications.find(run)
        if known is None or known.over:
            return False
        store.verifications.delete(run)
        twins = store.runs.twins(run)
        for row in twins:
            if row["state"] in WAITING:
                move(store, row["handle"], "stopped", stop_requested=1, ended_at=time.time(), outcome="stop_requested")
            elif row["state"] in CARRIED:
                store.runs.update(row["handle"], stop_requested=1)
                move(store, row["handle"], "stopping")
    for row in twins:
        end_at_once(store, row["handle"])  # a twin has nothing to save
        delete(store, row["handle"], folder_of(store, row["handle"]))
    return True


def progress(store: Store, run: str, verification: Verification) -> dict[str, Any]:
    """How far a verification is: twins that have ended, all twins, and about how many seconds are left."""
    rows = store.runs.twins(run)
    if verification.over:
        return {"state": "over", "done": len(verification.twins), "twins": len(verification.twins)}
    ended = [row for row in rows if row["state"] in FINAL]
    left = sum(row["plan"]["seconds"] for row in rows if row["state"] not in FINAL)
    waits = not any(row["state"] in CARRIED for row in rows)
    others = [row["handle"] for row in store.queue.carried() if waits]
    return {
        "state": "running", "done": len(ended), "twins": len(rows), "seconds_left": round(left, 1),
        **({"waits_for": others[0]} if others else {}),
    }  # fmt: skip
