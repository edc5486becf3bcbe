"""Train a completed run again from its seed and compare: bit for bit, or by how much.

The first call starts it in the background; the same call later tells how it stands and, at its end, weights, metrics
and environment side by side.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import rounded
from trainwell.runs import reproducing
from trainwell.runs.record import keep
from trainwell.runs.room import require_room
from trainwell.runs.view import summary, view
from trainwell.runs.waiting import wait_for_end
from trainwell.tools.services import Services

TITLE = "Reproduce"
HINTS = Hints(read_only=False, destructive=False, idempotent=True)


class Arguments(Spec):
    """See SKILL.md."""

    run: str
    wait_seconds: float


class Result(Answer):
    """The run that repeats it. `identical`: all weights, the best and the last, are the same bit for bit."""

    run: str
    again: str
    state: str
    identical: bool | None = None
    data: dict[str, Any]
    seed: int
    weights: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    notes: list[str]


async def call(services: Services, arguments: Arguments) -> Result:
    """Find the reproduction or start one; compare once it is over."""
    store = services.store
    run = services.find("run", arguments.run, "run")
    reproducing.must_be_reproducible(store, run)
    again = reproducing.known_reproduction(store, run)
    if again is None:
        require_room(services.workspace, store)
        again = reproducing.enter(store, run, services.client)
        keep(services.workspace, store, again)
    services.start_waiting()
    await wait_for_end(store, again, arguments.wait_seconds, services.progress)
    spec, seen = store.runs.spec(run), view(store, again)
    compared = await _compared(services, run, again) if seen.state == "completed" else {}
    notes = reproducing.reservations(store.runs.get(run), spec, len(store.history.attempts(run)))
    first = summary(seen, spec.score_name).splitlines()[0]
    return Result(
        summary=_told(run, again, compared, spec.score_name) if compared else f"{first}\nIt trains {run} again.",
        run=run,
        again=again,
        state=seen.state,
        data={"handle": spec.data.handle, "sha256": spec.data.fingerprint},
        seed=spec.config.seed,
        notes=[] if compared.get("identical") else notes,
        next_call=next_call("compare_runs", runs=[run, again]) if compared
        else next_call("reproduce", run=run, wait_seconds=20),
        **compared,
    )  # fmt: skip


async def _compared(services: Services, run: str, again: str) -> dict[str, Any]:
    """Weights, metrics and environments of both."""
    specs = [services.store.runs.spec(one).model_dump(mode="json") for one in (run, again)]
    found = await services.ask("compare_weights", original=specs[0], again=specs[1])
    before, now = found.pop("environments")
    differing = {name: [before.get(name), now.get(name)] for name in {**before, **now}
                 if before.get(name) != now.get(name)}  # fmt: skip
    return {
        "identical": all(part["sha256"][0] == part["sha256"][1] for part in found.values()),
        "weights": found,
        "metrics": reproducing.metrics_beside(services.store, run, again),
        "environment": {"of_both": now if not differing else None, "differs": differing},
    }


def _told(run: str, again: str, compared: dict[str, Any], score_name: str) -> str:
    where = compared["environment"]["differs"]
    words = ", ".join(f"{name} {before} -> {now}" for name, (before, now) in where.items())
    place = f"The environment differs: {words}." if words else "The environment is the same."
    if compared["identical"]:
        return f"{again} is {run} again, bit for bit: best and last weights have the same sha256.\n{place}"
    before, now = compared["metrics"]["best"].get(score_name, [None, None])
    apart = compared["weights"]["best"]["largest_difference"]
    return (
        f"{again} is not {run} bit for bit: best weights differ by at most {rounded(apart, 3)}; "
        f"{score_name} {rounded(before)} then, {rounded(now)} now.\n{place}"
    )
