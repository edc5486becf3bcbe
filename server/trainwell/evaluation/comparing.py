"""Two models on the same rows: by how much one is ahead, and whether these rows can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.text import rounded
from trainwell.evaluation import metrics
from trainwell.evaluation.numbers import short, shorts, with_intervals
from trainwell.evaluation.scored import score_outputs
from trainwell.evaluation.trees import as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainwell.data.parts import SplitArrays
    from trainwell.evaluation.metrics import Interval, Ints
    from trainwell.evaluation.scored import Scored
    from trainwell.evaluation.tasks import Judge
    from trainwell.evaluation.trees import Trees

    Score = Callable[[Ints], float | None]


def beside_trees(judge: Judge, scored: Scored, arrays: SplitArrays, trees: Trees) -> dict[str, Any]:
    """Trees judged as the network was, and which of the two is ahead.

    Args:
        judge: Of the task.
        scored: The network's rows.
        arrays: The same rows as the network takes them.
        trees: What trees say of them.

    Returns: JSON: `library`, `rounds`, `seconds`, `metric` (the task's main one), `metrics` (as of the network),
        `difference` (network minus trees), `difference_interval` (95 %, of paired rows), `ahead` (trees, network or
        neither), `told` (a sentence).
    """
    theirs = score_outputs(judge, arrays, trees.raw)
    summary = judge.summary(theirs)
    metric = str(judge.baseline(theirs, summary)["metric"])
    difference, interval = _difference(_MAIN[metric](scored), _MAIN[metric](theirs), len(scored))
    clear = interval is not None and not interval.low <= 0 <= interval.high
    ahead = ("network" if interval.low > 0 else "trees") if clear and interval is not None else "neither"
    return {
        **as_json(trees),
        "metric": metric,
        "metrics": with_intervals(summary.values, summary.intervals),
        "difference": short(difference, 3),
        "difference_interval": shorts(interval, 3) if interval else None,
        "ahead": ahead,
        "told": _told(trees, metric, summary.values[metric], interval, ahead),
    }


def _difference(mine: Score, theirs: Score, rows: int) -> tuple[float | None, Interval | None]:
    """Mine minus theirs, with its interval by drawing the same rows for both."""

    def between(some: Ints) -> float | None:
        first, second = mine(some), theirs(some)
        return None if first is None or second is None else first - second

    return between(np.arange(rows)), metrics.bootstrap(rows, lambda some: {"difference": between(some)})["difference"]


def _accuracy(scored: Scored) -> Score:
    hit = scored["true"] == scored["predicted"]
    return lambda rows: float(hit[rows].mean())


def _r2(scored: Scored) -> Score:
    true, predicted = scored["true"], scored["predicted"]
    return lambda rows: metrics.regression_scores(true[rows], predicted[rows])["r2"]


def _f1_micro(scored: Scored) -> Score:
    due, given = scored["due"], scored["given"]
    hits, either = (due & given).sum(axis=1), due.sum(axis=1) + given.sum(axis=1)
    return lambda rows: float(2 * hits[rows].sum() / max(int(either[rows].sum()), 1))


_MAIN: dict[str, Callable[[Scored], Score]] = {"accuracy": _accuracy, "r2": _r2, "f1_micro": _f1_micro}


def _told(trees: Trees, metric: str, value: float | None, interval: Interval | None, ahead: str) -> str:
    """Which is ahead, in a sentence that spares nobody."""
    who = f"{trees.library}, {trees.seconds:.2g} s"
    reach = f" (95% {rounded(interval.low, 2)} to {rounded(interval.high, 2)})" if interval else ""
    if ahead == "trees":
        return f"Boosted trees win ({who}): {metric} {rounded(value)}; network minus trees{reach}. Prefer them here."
    if ahead == "network":
        return f"Ahead of boosted trees ({who}), which have {metric} {rounded(value)}; network minus trees{reach}."
    return f"Boosted trees ({who}) have {metric} {rounded(value)}: no clear difference{reach}."
