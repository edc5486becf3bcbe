"""Runs side by side: what differs, which is best, and whether that is more than noise."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from pydantic import Field

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import rounded
from trainwell.runs import experiments
from trainwell.runs.experiments import Held
from trainwell.runs.noise import LOWER_IS_BETTER, Gap, Measured, common_score, gap, members, value_of
from trainwell.runs.settings import ASIDE, DATA, changes, settings, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainwell.store.database import Row
    from trainwell.store.store import Store

#: Runs on the same data that ended before and are looked through for the same change.
MOST_EARLIER = experiments.MOST_EARLIER
METRICS = ("val_accuracy", "val_balanced_accuracy", "val_f1", "val_r2", "val_rmse", "val_loss")


class Ranked(Spec):
    """A run, or its group of repeats, by its score; `score` is then the mean and `spread` that over the seeds."""

    rank: int | None
    run: str
    state: str
    score: float | None
    spread: float | None = None
    seeds: int | None = None
    interval: list[float] | None = None
    best_epoch: int | None = None
    epochs: int
    seconds: float | None = None
    parameters: int | None = None


class Effect(Spec):
    """What one run's changes did to the metric; `changed` is [before, now] by name."""

    run: str
    against: str
    changed: dict[str, list[Any]] = Field(default_factory=dict)
    difference: float | None = None
    interval: list[float] | None = None
    verdict: str
    method: str | None = None
    hypothesis: str | None = None
    held: Held | None = None


def entries(store: Store, runs: Sequence[str]) -> list[Row]:
    """The rows to compare: of a group of repeats one, unless there is nothing but that group."""
    rows = [store.runs.get(run) for run in dict.fromkeys(runs)]
    firsts: dict[str, Row] = {}
    for row in rows:
        firsts.setdefault(row["repeats"] or row["handle"], row)
    return list(firsts.values()) if len(firsts) > 1 else [*rows, *_others(store, rows)]


def _others(store: Store, rows: Sequence[Row]) -> list[Row]:
    """The rest of the one group, where only one of it was named."""
    known = {row["handle"] for row in rows}
    return [one for one in members(store, rows[0]) if one["handle"] not in known] if len(rows) == 1 else []


def alone(rows: Sequence[Row]) -> bool:
    """Whether these are repeats of one another, to be looked at one by one."""
    return len(rows) > 1 and rows[0]["repeats"] is not None and len({row["repeats"] for row in rows}) == 1


def metric_for(store: Store, rows: Sequence[Row], asked: str | None) -> str:
    """The metric to compare by.

    Raises:
        TrainwellError: `tasks_differ`; `unknown_metric`, where no run has it.
    """
    specs = [store.runs.spec(row["handle"]) for row in rows]
    tasks = sorted({spec.data.task for spec in specs})
    if len(tasks) > 1:
        raise TrainwellError(
            "tasks_differ", "Runs of different tasks have no score in common.", argument="runs", got=tasks,
            hint="Compare runs of one task; list_runs filters by data.",
            next_call=next_call("list_runs", data=rows[0]["data"], sort_by="score"),
        )  # fmt: skip
    measured: set[str] = {name for row in rows for name in METRICS if value_of(row, name) is not None}
    if asked is not None and measured and asked not in measured:
        raise TrainwellError("unknown_metric", f"In {tasks[0]} this is not measured.", argument="metric", got=asked,
                             allowed=sorted(measured))  # fmt: skip
    return asked or common_score(store, rows)


def ranked(store: Store, rows: Sequence[Row], scores: Mapping[str, Measured | None], metric: str) -> list[Ranked]:
    """The best first; what has no score stands behind the others, without a rank."""
    sign = 1 if metric in LOWER_IS_BETTER else -1

    def order(row: Row) -> tuple[bool, float]:
        score = scores[row["handle"]]
        return score is None, 0.0 if score is None else sign * score.value

    found = sorted(rows, key=order)
    return [_ranked(store, row, scores[row["handle"]], place) for place, row in enumerate(found, start=1)]


def _ranked(store: Store, row: Row, score: Measured | None, place: int) -> Ranked:
    spec = store.runs.spec(row["handle"])
    around = None if score is None or score.around is None else [_short(edge) for edge in score.around]
    return Ranked(
        rank=None if score is None else place, run=row["handle"], state=row["state"],
        score=None if score is None else _short(score.value),
        spread=None if score is None or score.spread is None else _short(score.spread),
        seeds=score.runs if score is not None and score.runs > 1 else None, interval=around,
        best_epoch=row["best_epoch"], epochs=row["epoch"], seconds=_seconds(store, row),
        parameters=spec.model.report.get("parameters"),
    )  # fmt: skip


def _seconds(store: Store, row: Row) -> float:
    return round(sum(one.seconds or 0.0 for one in store.history.epochs(row["handle"])), 2)


def table(store: Store, rows: Sequence[Row], *, by_seed: bool) -> dict[str, dict[str, Any]]:
    """What differs between some of the runs: for each setting its value by run."""
    known = {row["handle"]: settings(store, row["handle"]) for row in rows}
    names = dict.fromkeys(name for one in known.values() for name in one)
    if len({one[DATA] for one in known.values()}) > 1:
        names["data.train_rows"] = None
        for run, one in known.items():
            one["data.train_rows"] = store.runs.spec(run).data.splits["train"]
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        values = {run: one.get(name) for run, one in known.items()}
        if any(value != next(iter(values.values())) for value in values.values()) and (by_seed or name != "seed"):
            found[name] = values
    return found


def effect(store: Store, row: Row, before: Row, found: Gap | None) -> Effect:
    """What a run changed on purpose, and what that did."""
    given = set(row["arguments"]) | set(before["arguments"])
    changed = changes(settings(store, before["handle"]), settings(store, row["handle"]), given)
    own = row["hypothesis"] if _is_child(store, row, before) else None
    held = None if own is None else experiments.held(found if experiments.over(store, row) else None)
    if found is None:
        return Effect(run=row["handle"], against=before["handle"], changed=changed, verdict="unknown",
                      hypothesis=own, held=held)  # fmt: skip
    return Effect(
        run=row["handle"], against=before["handle"], changed=changed, difference=_short(found.value),
        interval=None if found.interval is None else [_short(edge) for edge in found.interval],
        verdict=found.verdict, method=found.method, hypothesis=own, held=held,
    )  # fmt: skip


def _is_child(store: Store, row: Row, other: Row) -> bool:
    """Whether a run was to be compared with another, or with a repeat of it."""
    return row["parent"] in {one["handle"] for one in members(store, other)}


def effects(
    store: Store, rows: Sequence[Row], scores: Mapping[str, Measured | None], metric: str
) -> list[tuple[Effect, Gap | None]]:
    """Every run against its parent where that is among them, else against the first."""
    found: list[tuple[Effect, Gap | None]] = []
    for row in () if alone(rows) else rows:
        before = next((other for other in rows if _is_child(store, row, other)), rows[0])
        if row is before:
            continue
        one, other = scores[row["handle"]], scores[before["handle"]]
        apart = None if one is None or other is None else gap(one, other, metric)
        found.append((effect(store, row, before, apart), apart))
    return found


def cautions(store: Store, rows: Sequence[Row], found: Sequence[tuple[Effect, Gap | None]]) -> list[str]:
    """What a reader of the comparison must know: confounded changes, changes tried before, other rows, weak noise."""
    words: list[str] = []
    if len({row["data"] for row in rows}) > 1:
        words.append("data_differ: the scores are of different validation rows; evaluate judges both on one data set.")
    going = [row["handle"] for row in rows if not experiments.over(store, row)]
    if going:
        words.append(f"not_over: {', '.join(going)} may still change.")
    for one, _ in found:
        several = {name: pair for name, pair in one.changed.items() if name not in ASIDE}
        if len(several) > 1:
            words.append(f"several_changes: {len(several)} things differ between {one.against} and {one.run} "
                         f"({told(several)}): what they did cannot be told apart.")  # fmt: skip
        row = store.runs.get(one.run)
        before = [
            earlier for earlier in store.experiments.ended_on(row["data"], MOST_EARLIER)
            if earlier["created_at"] < row["created_at"] and earlier["handle"] != one.against
        ]  # fmt: skip
        if vain := experiments.tried_in_vain(store, several, before):
            words.append(vain)
    hints = dict.fromkeys(hint for _, apart in found if apart and (hint := experiments.caution(apart)))
    return [*dict.fromkeys(words), *hints]


def sentence(one: Effect, metric: str) -> str:
    """An effect in words."""
    what = told(one.changed) or "nothing but the seed"
    if one.difference is None:
        return f"{one.run} ({what}): no score to compare yet."
    interval = one.interval
    sure = f" (95 % {interval[0]:+.2g} to {interval[1]:+.2g}, {one.method})" if interval else ""
    verdict = {"within_noise": "inside the noise", "unknown": "noise unknown"}.get(one.verdict, one.verdict)
    line = f"{one.run} ({what}): {metric} {one.difference:+.3g}{sure}, {verdict}"
    words = {"yes": "held", "no": "did not hold", "not shown": "not shown", "open": "open"}
    return f"{line}; hypothesis {words[one.held]}." if one.held else f"{line}."


def headline(
    found: Sequence[Ranked], scores: Mapping[str, Measured | None], metric: str, *, repeats: bool = False
) -> str:
    """The best runs in a line, and whether the first two can be told apart."""
    known = [(one, score) for one in found if (score := scores[one.run]) is not None]
    if not known:
        return f"None of these runs has a {metric} yet."
    if repeats and len(known) > 1:
        values = [score.value for _, score in known]
        return (
            f"{len(known)} runs that differ in their seed only: {metric} {rounded(fmean(values))} "
            f"+- {rounded(stdev(values), 2)}, from {rounded(min(values))} to {rounded(max(values))}."
        )
    close = len(known) > 1 and gap(known[0][1], known[1][1], metric).verdict == "within_noise"
    tail = "; the first two lie inside the noise." if close else "."
    best = ", ".join(
        f"{one.run} {rounded(one.score)}"
        + (f" +- {rounded(one.spread, 2)} over {one.seeds} seeds" if one.seeds else "")
        for one, _ in known[:3]
    )
    return f"By {metric}: {best}" + (f" and {len(known) - 3} more" if len(known) > 3 else "") + tail


def _short(value: float) -> float:
    return float(f"{value:.5g}")
