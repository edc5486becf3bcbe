"""How far two scores must lie apart to mean something: by the spread over seeds, else by the validation rows.

A run again with another seed gives another score. Where runs were repeated over seeds, their spread says how far
(Welch's interval of the difference of two means, a prediction interval where one side was trained once). Where they
were not, the validation part is a sample of rows, and its interval is the least that the noise can be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal

from trainwell.contract.intervals import Interval, of_difference, student, wilson
from trainwell.contract.scores import ACCURACY, BALANCED_ACCURACY, balanced_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.store.database import Row
    from trainwell.store.store import Store

Verdict = Literal["better", "worse", "within_noise", "unknown"]
LOWER_IS_BETTER = frozenset({"val_loss", "val_rmse"})
BY_SEEDS = "spread over seeds"
BY_ROWS = "validation rows"


@dataclass(frozen=True)
class Measured:
    """A metric of one run, or of runs that differ in their seed only.

    Attributes:
        value: The metric; the mean over the runs.
        runs: How many.
        spread: Standard deviation over the seeds; None for one run.
        around: 95 % interval by the validation rows, where it is known.
    """

    value: float
    runs: int = 1
    spread: float | None = None
    around: Interval | None = None


@dataclass(frozen=True)
class Gap:
    """How much more one has of a metric than another.

    Attributes:
        value: The difference.
        interval: Its 95 % interval; None where nothing tells the noise.
        method: What the interval comes from.
        verdict: Whether the first is better, as far as the noise lets one say.
    """

    value: float
    interval: Interval | None
    method: str | None
    verdict: Verdict


def members(store: Store, row: Row) -> list[Row]:
    """The runs of a run's group of repeats; the run alone where it has none."""
    return store.experiments.group(row["repeats"]) if row["repeats"] else [row]


def measured(store: Store, row: Row, metric: str, around: Interval | None = None) -> Measured | None:
    """A metric of a run, or of its group of repeats; None while there is no value.

    Args:
        store: Where the run is.
        row: Of the run.
        metric: One of the validation metrics that are kept with the best weights.
        around: The interval by the validation rows, where it was measured; that of an accuracy, plain or balanced, is
            computed.
    """
    found = [value for one in members(store, row) if (value := value_of(one, metric)) is not None]
    if not found:
        return None
    mean = fmean(found)
    if rows := _rows_as_share(store, row, metric):
        around = wilson(mean * rows, rows)
    return Measured(mean, len(found), stdev(found) if len(found) > 1 else None, around)


def _rows_as_share(store: Store, row: Row, metric: str) -> float:
    """Of how many rows a metric is a share, as far as its noise goes; 0 where it is none, or nobody counted."""
    rows = store.runs.spec(row["handle"]).data.splits["validation"]
    if metric != BALANCED_ACCURACY:
        return rows if metric == ACCURACY else 0
    counts: list[int] = store.history.facts(row["handle"]).get("data.validation_classes", [])
    return balanced_rows(counts) * rows / sum(counts) if any(counts) else 0


def common_score(store: Store, rows: Sequence[Row]) -> str:
    """The metric that runs of one task are compared by: the balanced accuracy where one of them went by it.

    The others have recorded it, too; where one ended before that was so, it is the metric of their task.
    """
    specs = [store.runs.spec(row["handle"]) for row in rows]
    usual = specs[0].data.score_name
    own = next((spec.score_name for spec in specs if spec.score_name != usual), usual)
    recorded = all(value_of(row, own) is not None for row in rows if row["best_metrics"])
    return own if recorded else usual


def value_of(row: Row, metric: str) -> float | None:
    """The finite value of a metric at a run's best epoch, or None."""
    best: Row = row["best_metrics"] or {}
    value = best.get(metric)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def gap(one: Measured, other: Measured, metric: str) -> Gap:
    """The difference one - other, and whether it is more than noise."""
    value = one.value - other.value
    interval, method = _by_seeds(one, other), BY_SEEDS
    if interval is None:
        interval, method = _by_rows(one, other), BY_ROWS
    if interval is None:
        return Gap(value, None, None, "unknown")
    if interval.low <= 0 <= interval.high:
        return Gap(value, interval, method, "within_noise")
    better = (value > 0) != (metric in LOWER_IS_BETTER)
    return Gap(value, interval, method, "better" if better else "worse")


def _by_seeds(one: Measured, other: Measured) -> Interval | None:
    """None where no seeds were varied, or where they changed nothing, which says nothing about new rows."""
    spreads = [side for side in (one, other) if side.spread]
    if not spreads:
        return None
    if len(spreads) == 1 and min(one.runs, other.runs) == 1:
        known = spreads[0]
        half = student(known.runs - 1) * (known.spread or 0.0) * math.sqrt(1 + 1 / known.runs)
    else:
        parts = [(side.spread or 0.0) ** 2 / side.runs for side in (one, other)]
        degrees = sum(parts) ** 2 / sum(
            part**2 / (side.runs - 1) for part, side in zip(parts, (one, other), strict=True) if side.runs > 1
        )
        half = student(max(1.0, degrees)) * math.sqrt(sum(parts))
    value = one.value - other.value
    return Interval(value - half, value + half)


def _by_rows(one: Measured, other: Measured) -> Interval | None:
    if one.around is None or other.around is None:
        return None
    return of_difference(one.value, other.value, (one.around, other.around))
