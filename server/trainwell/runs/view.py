"""A run as an agent sees it: short, typed, with the findings that matter and the next call."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydantic import Field

from trainwell.contract.errors import next_call
from trainwell.contract.scores import BALANCED_ACCURACY
from trainwell.contract.specs import RunSpec, Spec
from trainwell.contract.text import duration, rounded
from trainwell.runs.attempts import worked
from trainwell.runs.experiments import Experiment, Repeats, experiment_of, lines, repeats_of
from trainwell.runs.lifecycle import CARRIED, FINAL, WAITING
from trainwell.runs.liveness import silence
from trainwell.store.queue import PRIORITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.findings import Finding, Fix
    from trainwell.contract.trace import AttemptRecord, EpochRecord
    from trainwell.store.database import Row
    from trainwell.store.store import Store

MOST_FINDINGS = 3
MOST_NOTES = 6
MOST_LINES = 5
#: Always told beside the manifest's own metrics.
ALSO_TOLD = ("val_r2", "val_rmse", "val_f1", "lr", "grad_norm", "samples_per_second")
#: A carried run without a word for this long, or for so many of its usual epochs, is called stalled.
STALLED_SECONDS = 60.0


class ShortFinding(Spec):
    """A finding cut to what an agent acts on."""

    code: str
    severity: str
    symptom: str
    fix: str | None = None
    next_call: dict[str, Any] | None = None


class ShortAttempt(Spec):
    """One attempt, when there was trouble."""

    number: int
    outcome: str | None
    cause: str | None = None
    message: str | None = None
    started_at: float | None = None
    lost_seconds: float | None = None
    changes: dict[str, Any] = Field(default_factory=dict)


class Tuning(Spec):
    """How far a search is; `best` are the values of the best trial, which the run trains with once it is over."""

    over: bool
    trials: int
    pruned: int = 0
    failed: int = 0
    best_score: float | None = None
    best: dict[str, Any] | None = None
    seconds_left: float | None = None


class RunView(Spec):
    """State, progress and judgement of a run."""

    run: str
    state: str
    reason: str | None = None
    epoch: int
    epochs: int
    progress: float
    eta_seconds: float | None = None
    seconds: float | None = None
    metrics: dict[str, float | None]
    best: dict[str, float | None] | None = None
    attempts: list[ShortAttempt] = Field(default_factory=list)
    findings: list[ShortFinding] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    tuning: Tuning | None = None
    parent: str | None = None
    reproduces: str | None = None
    experiment: Experiment | None = None
    repeats: Repeats | None = None
    after: str | None = None
    priority: str | None = None
    place: str | None = None
    position: int | None = None


def view(store: Store, run: str) -> RunView:
    """What the store knows of a run, as of now."""
    row = store.runs.get(run)
    spec = RunSpec.model_validate_json(row["spec"])
    last = store.history.last_epoch(run)
    attempts = store.history.attempts(run)
    told = attempts if len(attempts) > 1 or any(one.cause or one.changes for one in attempts) else []
    return RunView(
        run=run,
        state=row["state"],
        reason=reason(row),
        epoch=row["epoch"],
        epochs=spec.config.epochs,
        progress=_progress(row),
        eta_seconds=_eta_seconds(row),
        seconds=_seconds(row, attempts),
        metrics=_metrics(last, spec),
        best=_best(row, spec),
        attempts=[
            ShortAttempt(
                number=one.number,
                outcome=one.outcome,
                cause=one.cause,
                message=one.message,
                changes=one.changes,
                started_at=round(one.started_at, 1),
                lost_seconds=one.lost_seconds,
            )
            for one in told[-4:]
        ],
        findings=[shorten(finding) for finding in store.history.findings(run)[:MOST_FINDINGS]],
        notes=[*_notes(last, row), *(note for one in attempts for note in one.notes)][:MOST_NOTES],
        experiment=experiment_of(store, row),
        repeats=repeats_of(store, row, spec.score_name),
        tuning=_tuning(row, spec),
        **_standing(store, row),
    )


def _tuning(row: Row, spec: RunSpec) -> Tuning | None:
    told = row["plan"].get("tuning")
    if told is None or spec.search is None:
        return None
    trials: list[dict[str, Any]] = told["trials"]
    best = max((one for one in trials if one["state"] == "done"), key=lambda one: (one["score"], -one["loss"]),
               default=None)  # fmt: skip
    return Tuning(
        over=told["over"],
        trials=len(trials),
        pruned=sum(one["state"] == "pruned" for one in trials),
        failed=sum(one["state"] == "failed" for one in trials),
        best_score=None if best is None else _number(best["score"]),
        best=None if best is None else best["values"],
        seconds_left=None if told["over"] else round(max(0.0, spec.search.seconds - told["seconds"]), 1),
    )


def _standing(store: Store, row: Row) -> dict[str, Any]:
    """Where a run comes from and stands: its parent, and its place or its turn; what is as usual is left out."""
    waits = row["state"] in WAITING
    usual = row["priority"] == PRIORITIES["normal"]
    return {
        "parent": row["parent"],
        "reproduces": row["reproduces"],
        "after": row["after"] if waits else None,
        "priority": None if usual else next(word for word, level in PRIORITIES.items() if level == row["priority"]),
        "place": row["place"] if row["state"] in CARRIED else None,
        "position": store.queue.position(row["handle"]) + 1 if waits else None,
    }


def reason(row: Row) -> str | None:
    """Why a run ended, or why it is tried again."""
    if row["outcome"] == "finding" and row["cause"]:
        return f"finding: {row['cause']}"
    return row["message"] if row["state"] in {"failed", "retrying"} else row["outcome"]


def shorten(finding: Finding) -> ShortFinding:
    """The finding with its best fix only."""
    fix = finding.best_fix
    return ShortFinding(
        code=finding.code, severity=finding.severity, symptom=finding.symptom, fix=_fix_told(fix) if fix else None,
        next_call=fix.next_call if fix else None,
    )  # fmt: skip


def _fix_told(fix: Fix) -> str:
    """A fix, and whether twins have proven it."""
    return fix.reason if fix.proof is None else f"{fix.reason} ({fix.proof.verdict}: {fix.proof.told})"


def summary(seen: RunView, score_name: str) -> str:
    """The run in one to three lines."""
    score = seen.best.get(score_name) if seen.best else None
    where = f"epoch {seen.epoch}/{seen.epochs}"
    if seen.state in FINAL:
        told = "" if score is None else f"{score_name} {rounded(score)} "  # an older run may not have it
        best = f", best {told}at epoch {int(seen.best['epoch'] or 0)}" if seen.best else ""
        why = f" ({seen.reason})" if seen.reason != seen.state else ""
        line = f"{seen.run} {seen.state}{why} at {where}{best}, {duration(seen.seconds)}."
    elif seen.state in WAITING:
        turn = f", waits for {seen.after}." if seen.after else f", number {seen.position} in the queue."
        line = f"{seen.run} {seen.state}" + (f": {seen.reason}" if seen.reason else turn)
    else:
        eta = f", about {duration(seen.eta_seconds)} left" if seen.eta_seconds is not None else ""
        now = ", ".join(f"{name} {rounded(seen.metrics.get(name))}" for name in ("train_loss", "val_loss", score_name)
                        if name in seen.metrics)  # fmt: skip
        line = f"{seen.run} {seen.state}, {where} ({seen.progress:.0%}){eta}" + (f": {now}." if now else ".")
    told = [
        line,
        *lines(seen.repeats, seen.experiment),
        *([_told(seen.tuning, score_name)] if seen.tuning else []),
        *(f"{one.severity}: {one.symptom}" + (f" Fix: {one.fix}" if one.fix else "") for one in seen.findings),
    ]
    return "\n".join(told[:MOST_LINES])


def _told(tuning: Tuning, score_name: str) -> str:
    """The search in a line."""
    cut = f" ({tuning.pruned} cut short)" if tuning.pruned else ""
    values = ", ".join(
        f"{name} {rounded(value) if isinstance(value, float) else value}" for name, value in (tuning.best or {}).items()
    )
    best = f", best {score_name} {rounded(tuning.best_score)} with {values}" if tuning.best else ""
    return f"Search {'over' if tuning.over else 'at work'}: {tuning.trials} trials{cut}{best}."


def next_step(seen: RunView) -> dict[str, Any]:
    """The call that an agent most likely wants now."""
    urgent = next((one.next_call for one in seen.findings if one.severity == "critical" and one.next_call), None)
    if seen.state not in FINAL:
        return next_call("get_run", run=seen.run, wait_seconds=20)
    if seen.state == "stopped" and seen.tuning and not seen.tuning.over:
        return next_call("resume_run", run=seen.run)
    if seen.state == "failed" or seen.best is None:
        return urgent or next_call("diagnose", run=seen.run)
    return urgent or next_call("evaluate", run=seen.run)


def is_stalled(row: Row) -> bool:
    """Whether a carried run has said nothing for suspiciously long."""
    quiet = silence(row["owner"], row["heartbeat"]) if row["state"] in CARRIED else None
    return quiet is not None and quiet > STALLED_SECONDS


def _progress(row: Row) -> float:
    if row["state"] == "completed":
        return 1.0
    return round(row["step"] / row["total_steps"], 4) if row["total_steps"] else 0.0


def _eta_seconds(row: Row) -> float | None:
    if row["state"] not in CARRIED or row["pace"] is None:
        return None
    return round(max(0.0, row["pace"] * (row["total_steps"] - row["step"])), 1)


def _seconds(row: Row, attempts: Sequence[AttemptRecord]) -> float | None:
    """What its attempts worked; waiting between them does not count."""
    return round(sum(worked(row, one) for one in attempts), 2) if row["started_at"] else None


def _metrics(last: EpochRecord | None, spec: RunSpec) -> dict[str, float | None]:
    if last is None:
        return {}
    values = vars(last)
    always = {name: values[name] for name in spec.metrics if name in values}
    measured = {name: values[name] for name in (*ALSO_TOLD, spec.score_name) if values[name] is not None}
    return {name: _number(value) for name, value in {**always, **measured}.items()}


def _best(row: Row, spec: RunSpec) -> dict[str, float | None] | None:
    if row["best_epoch"] is None:
        return None
    values: dict[str, Any] = {"epoch": row["best_epoch"], **(row["best_metrics"] or {})}
    hidden = {BALANCED_ACCURACY} - {spec.score_name, *spec.metrics}
    return {
        name: _number(value) for name, value in values.items() if isinstance(value, int | float) and name not in hidden
    }


def _number(value: float | None) -> float | None:
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def _notes(last: EpochRecord | None, row: Row) -> list[str]:
    notes: list[str] = []
    if last is not None:
        wrong = [name for name, value in vars(last).items() if isinstance(value, float) and not math.isfinite(value)]
        notes += [f"{name} is {rounded(vars(last)[name])} at epoch {last.epoch} (null in metrics)." for name in wrong]
    if is_stalled(row):
        notes.append(f"No word from its worker for more than {STALLED_SECONDS:.0f} s.")
    return notes
