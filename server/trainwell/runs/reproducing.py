"""A run trained again from its seed: whether it can be, and what its epochs say beside the first ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import PYTHON, RunSpec
from trainwell.runs.lifecycle import FINAL
from trainwell.store.handles import new_handle
from trainwell.store.runs import Origin, Queueing

if TYPE_CHECKING:
    from trainwell.contract.trace import EpochRecord
    from trainwell.store.database import Row
    from trainwell.store.store import Store

#: What follows from rows and weights alone; the rest of an epoch's record is measured by the clock, or made of these.
_COMPARED = (
    "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_f1", "val_r2", "val_rmse", "lr", "grad_norm",
)  # fmt: skip


def must_be_reproducible(store: Store, run: str) -> None:
    """Refuse what has no beginning or no end to compare.

    Raises:
        TrainwellError: `python_network`, `run_not_completed`, `goes_on_from_another`.
    """
    row, spec = store.runs.get(run), store.runs.spec(run)
    if spec.model.architecture == PYTHON:
        raise TrainwellError(
            "python_network", "This network lives in the Python program that trained it.", argument="run", got=run,
            hint="Run that program again with the same seed and deterministic=True.",
        )  # fmt: skip
    if row["state"] != "completed":
        over = row["state"] in FINAL
        raise TrainwellError(
            "run_not_completed", f"This run is {row['state']}; only a whole one can be compared with another.",
            argument="run", got=run, allowed="a completed run",
            next_call=next_call("resume_run", run=run) if over else next_call("get_run", run=run, wait_seconds=20),
        )  # fmt: skip
    attempts = store.history.attempts(run)
    if row["parent"] and attempts and attempts[0].resumed_from_step:
        raise TrainwellError(
            "goes_on_from_another", f"This run went on with the state of {row['parent']}.", argument="run", got=run,
            hint="Reproduce that one; then resume_run of it with the same changes.",
            next_call=next_call("reproduce", run=row["parent"]),
        )  # fmt: skip


def known_reproduction(store: Store, run: str) -> str | None:
    """The newest reproduction that is on its way or done; one that failed or was stopped counts for nothing."""
    found = store.experiments.reproductions(run)
    return next((row["handle"] for row in found if row["state"] not in {"failed", "stopped"}), None)


def enter(store: Store, run: str, client: str) -> str:
    """Queue the same spec under a new handle. Returns: the handle."""
    row, spec = store.runs.get(run), store.runs.spec(run)
    again = new_handle("run", f"again-{row['name'].removeprefix('run_')}")
    queueing = Queueing(client=client, needs=frozenset(filter(None, row["needs"].split(","))))
    store.runs.add(
        spec.model_copy(update={"run": again, "search": None}), name=row["name"], arguments=row["arguments"],
        plan=row["plan"], tags=row["tags"], key=None, queueing=queueing, origin=Origin(reproduces=run),
    )  # fmt: skip
    return again


def metrics_beside(store: Store, run: str, again: str) -> dict[str, Any]:
    """The best metrics of both, and the largest difference of any number of any epoch."""
    rows = [store.runs.get(one) for one in (run, again)]
    best: list[dict[str, Any]] = [row["best_metrics"] or {} for row in rows]
    epochs = [store.history.epochs(one) for one in (run, again)]
    return {
        "best": {name: [best[0].get(name), best[1].get(name)] for name in best[0]},
        "best_epoch": [row["best_epoch"] for row in rows],
        "epochs": [len(one) for one in epochs],
        "largest_difference": _largest(*epochs),
    }


def _largest(one: list[EpochRecord], other: list[EpochRecord]) -> float | None:
    """None where the runs have not the same epochs."""
    if len(one) != len(other):
        return None
    pairs = [(vars(first)[name], vars(second)[name]) for first, second in zip(one, other, strict=True)
             for name in _COMPARED]  # fmt: skip
    return max((_apart(first, second) for first, second in pairs), default=0.0)


def _apart(first: float | None, second: float | None) -> float:
    if first is None or second is None:
        return 0.0 if first is second else math.inf
    same = first == second or (math.isnan(first) and math.isnan(second))
    return 0.0 if same else abs(first - second)


def reservations(row: Row, spec: RunSpec, attempts: int) -> list[str]:
    """Why a run may come out otherwise although everything was kept."""
    notes = {
        "deterministic was off: the number of threads is chosen while it trains, and sums are rounded in another "
        "order; only train(deterministic=true) promises the same bits.": not spec.config.deterministic,
        "max_minutes ended it: how far that goes is a matter of the clock.": row["outcome"] == "time_limit",
        "It took several attempts, and what retries changed is not repeated.": attempts > 1,
        "It started from a checkpoint file, which must be the same still.": spec.start_from is not None,
        f"It chose its best weights before {spec.score_name} was recorded, which chooses them now.": spec.score_name
        not in (row["best_metrics"] or ()),
    }
    return [note for note, holds in notes.items() if holds]
