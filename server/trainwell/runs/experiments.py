"""A run as an experiment: what was changed, what was expected of it, what came of it, and what was tried before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainwell.contract.specs import Spec
from trainwell.contract.text import quoted, rounded
from trainwell.runs.lifecycle import FINAL
from trainwell.runs.noise import BY_ROWS, Gap, common_score, gap, measured, members
from trainwell.runs.settings import ASIDE, Changes, Settings, changes, differences, settings, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.store.database import Row
    from trainwell.store.store import Store

Held = Literal["yes", "no", "not shown", "open"]
#: Earlier runs on the same data that are looked through for the same change.
MOST_EARLIER = 30
LONGEST_HYPOTHESIS = 300


class Repeats(Spec):
    """A score over the seeds of a group of runs that are the same but for them."""

    runs: int
    done: int
    metric: str
    mean: float | None = None
    spread: float | None = None
    members: list[str] = Field(default_factory=list)


class Experiment(Spec):
    """What a run was to show beside its parent, and whether it did. `difference` is of the metric, run - parent."""

    parent: str
    changed: dict[str, list[Any]] = Field(default_factory=dict)
    hypothesis: str | None = None
    held: Held | None = None
    metric: str
    difference: float | None = None
    interval: list[float] | None = None
    verdict: str | None = None
    method: str | None = None


def repeats_of(store: Store, row: Row, metric: str) -> Repeats | None:
    """The group of a run that was repeated over seeds."""
    if not row["repeats"]:
        return None
    group = members(store, row)
    found = measured(store, row, metric)
    return Repeats(
        runs=len(group), done=sum(one["state"] in FINAL for one in group), metric=metric,
        mean=_short(found.value) if found else None, spread=_short(found.spread) if found else None,
        members=[one["handle"] for one in group],
    )  # fmt: skip


def experiment_of(store: Store, row: Row) -> Experiment | None:
    """What a run was to show; None where it was compared with nothing, or its parent is gone."""
    parent = row["parent"]
    if parent is None or (row["changed"] is None and row["hypothesis"] is None) or not store.experiments.has(parent):
        return None
    before = store.runs.get(parent)
    metric = common_score(store, [row, before])
    base: dict[str, Any] = {
        "parent": parent,
        "changed": row["changed"] or {},
        "hypothesis": row["hypothesis"],
        "metric": metric,
    }
    found = compared(store, row, before, metric) if over(store, row) and over(store, before) else None
    outcome = None if row["hypothesis"] is None else held(found)
    if found is None:
        return Experiment(**base, held=outcome)
    return Experiment(
        **base, held=outcome, difference=_short(found.value), verdict=found.verdict, method=found.method,
        interval=None if found.interval is None else [_rounded(edge) for edge in found.interval],
    )  # fmt: skip


def compared(store: Store, row: Row, before: Row, metric: str) -> Gap | None:
    """How a run differs from another in a metric, each with the repeats it has; None while a value is missing."""
    one, other = measured(store, row, metric), measured(store, before, metric)
    return None if one is None or other is None else gap(one, other, metric)


def over(store: Store, row: Row) -> bool:
    """Whether a run, and every repeat of it, has ended."""
    return all(one["state"] in FINAL for one in members(store, row))


def held(found: Gap | None) -> Held:
    """Whether a run did better than what it was to beat; what is inside the noise shows nothing."""
    if found is None:
        return "open"
    answers: dict[str, Held] = {"better": "yes", "worse": "no"}
    return answers.get(found.verdict, "not shown")


def lines(repeats: Repeats | None, experiment: Experiment | None) -> list[str]:
    """Both in a sentence each, for a summary."""
    told_lines: list[str] = []
    if repeats is not None and repeats.mean is not None:
        spread = f" +- {rounded(repeats.spread, 2)}" if repeats.spread is not None else ""
        told_lines.append(f"{repeats.done} of {repeats.runs} seeds: {repeats.metric} {rounded(repeats.mean)}{spread}.")
    if experiment is not None and experiment.hypothesis is not None:
        words = {"yes": "held", "no": "did not hold", "not shown": "is not shown", "open": "is open"}
        line = f"Hypothesis {quoted(experiment.hypothesis, 60)} {words[experiment.held or 'open']}"
        told_lines.append(line + (f": {effect(experiment)}." if experiment.difference is not None else "."))
    return told_lines


def effect(experiment: Experiment) -> str:
    """The difference in words: `val_accuracy +0.02 (95 % -0.01 to 0.05 by validation rows) against run_a`."""
    sure = ""
    if experiment.interval is not None:
        low, high = experiment.interval
        sure = f" (95 % {low:+.2g} to {high:+.2g} by {experiment.method})"
    return f"{experiment.metric} {experiment.difference:+.3g}{sure} against {experiment.parent}"


def warnings(
    store: Store, now: Settings, given: set[str], *, parent: str | None, group: Sequence[str] = ()
) -> list[str]:
    """What to know before a run is believed: too much was changed at once, or it was tried before without gain.

    Args:
        store: Where earlier runs are.
        now: The settings of the run.
        given: The arguments of `train` that were given for it.
        parent: The run that it is compared with; None takes the newest that has ended.
        group: The run itself and its repeats, where they are entered.
    """
    earlier = [row for row in store.experiments.ended_on(now["data"], MOST_EARLIER) if row["handle"] not in group]
    words: list[str] = []
    for row in reversed(earlier):
        if not set(differences(settings(store, row["handle"]), now)) - ASIDE:
            words.append(f"tried_before: {row['handle']} was trained with the same settings, its seed aside.")
            break
    reference = parent or (earlier[-1]["handle"] if earlier else None)
    if reference is None:
        return words
    before = store.runs.get(reference)
    changed = changes(settings(store, reference), now, given | set(before["arguments"]))
    if len(changed) > 1 and parent is not None:
        words.append(
            f"several_changes: {len(changed)} things differ from {reference} ({told(changed)}): "
            "what comes of it cannot be told apart."
        )
    vain = tried_in_vain(store, changed, [row for row in earlier if row["handle"] != reference])
    return [*words, vain] if vain else words


def tried_in_vain(store: Store, changed: Changes, earlier: Sequence[Row]) -> str | None:
    """The same change, made before without a gain that stands out of the noise, in a sentence."""
    if not changed:
        return None
    wanted = {name: now for name, (_, now) in changed.items()}
    for previous, row in zip([None, *earlier], earlier, strict=False):
        before = store.runs.get(row["parent"]) if row["parent"] and store.experiments.has(row["parent"]) else previous
        if before is None:
            continue
        made = made_by(store, before, row)
        if {name: now for name, (_, now) in made.items()} != wanted:
            continue
        found = compared(store, row, before, common_score(store, [row, before]))
        if found is not None and found.verdict != "better":
            noise = "" if found.verdict == "worse" else ", within the noise"
            return (
                f"no_gain_before: {told(made)} was tried in {row['handle']}: {found.value:+.3g} against "
                f"{before['handle']}{noise}."
            )
    return None


def made_by(store: Store, before: Row, row: Row) -> Changes:
    """What one run changed on purpose against another."""
    if row["parent"] == before["handle"] and row["changed"] is not None:
        return row["changed"]
    given = set(before["arguments"]) | set(row["arguments"])
    return changes(settings(store, before["handle"]), settings(store, row["handle"]), given)


def caution(found: Gap) -> str | None:
    """What a verdict by the validation rows alone leaves open."""
    if found.method != BY_ROWS:
        return None
    return "Noise by the validation rows alone; train(repeats=3) would measure that of the seed, too."


def _short(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
