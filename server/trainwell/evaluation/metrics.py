"""Metrics over whole arrays. Every one is a mean over rows or classes; losses are in nats.

None stands for a metric that these rows do not define, such as an area under the curve with one class only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainwell.contract import intervals
from trainwell.contract.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Z_95, wilson = intervals.Z_95, intervals.wilson
PERCENTILES = (2.5, 97.5)
MOST_RESAMPLES, FEWEST_RESAMPLES = 1000, 100
DRAWS = 10_000_000  # rows drawn in all: many resamples of few rows, fewer of many
ECE_BINS = 15


class ClassCounts(NamedTuple):
    """Counts by class, each (K,) int64: rows of the class, rows predicted as it, and rows where both agree."""

    support: Ints
    predicted: Ints
    hits: Ints


def class_counts(true: Ints, predicted: Ints, num_classes: int) -> ClassCounts:
    """Count by class.

    Args:
        true: (B,) class numbers.
        predicted: (B,) class numbers; -1 for a row without a prediction, which then is a miss.
        num_classes: K.
    """
    return ClassCounts(
        np.bincount(true, minlength=num_classes),
        np.bincount(predicted[predicted >= 0], minlength=num_classes),
        np.bincount(true[true == predicted], minlength=num_classes),
    )


def balanced_accuracy(counts: ClassCounts) -> float:
    """Mean recall over the classes that occur."""
    occurs = counts.support > 0
    return float(np.mean(counts.hits[occurs] / counts.support[occurs]))


def f1_by_class(counts: ClassCounts) -> Floats:
    """F1 of each class (K,); 0 where a class neither occurs nor is predicted."""
    return 2.0 * counts.hits / np.maximum(counts.support + counts.predicted, 1)


def f1_macro(counts: ClassCounts) -> float:
    """Mean F1 over the classes that occur or are predicted."""
    return float(np.mean(f1_by_class(counts)[counts.support + counts.predicted > 0]))


class Bin(NamedTuple):
    """Rows of similar confidence: their mean confidence, the share that came true with its 95 % interval, how many."""

    confidence: float
    share: float
    low: float
    high: float
    rows: int


def reliability(confidence: Floats, hit: Bools, bins: int = ECE_BINS) -> list[Bin]:
    """Confidence against what came true, over bins of (nearly) equally many rows; equal confidences stay together.

    Equal width (Guo et al. 2017, arXiv 1706.04599) leaves most bins of a sure network to a handful of rows; equal mass
    is the less biased estimate (Roelofs et al. 2022, arXiv 2012.08668).

    Args:
        confidence: (B,) probability of the predicted class, or of a label.
        hit: (B,) whether it came true.
        bins: At most so many.
    """
    if not len(confidence):
        return []
    bins = min(bins, len(confidence))
    edges = np.unique(np.quantile(confidence, np.arange(1, bins) / bins, method="lower"))
    place = np.searchsorted(edges, confidence, side="left")
    rows = np.bincount(place)
    sums, hits = np.bincount(place, confidence), np.bincount(place, hit.astype(np.float64))
    return [
        Bin(float(sums[one] / rows[one]), float(hits[one] / rows[one]), *wilson(int(hits[one]), int(rows[one])),
            rows=int(rows[one]))
        for one in np.flatnonzero(rows)
    ]  # fmt: skip


def expected_calibration_error(confidence: Floats, hit: Bools, bins: int = ECE_BINS) -> float:
    """Mean gap between confidence and what came true over the bins of `reliability`."""
    found = reliability(confidence, hit, bins)
    return sum(one.rows * abs(one.confidence - one.share) for one in found) / len(confidence)


def roc_auc(positive: Bools, ranks: Ints) -> float | None:
    """Area under the ROC curve: the chance that a positive row outranks a negative one, ties counting half.

    Args:
        positive: (B,) whether the row is of the positive class.
        ranks: (B,) place of its score among the distinct scores, as from `dense_ranks`.

    Returns: None when one of the two classes is missing.
    """
    positives = np.bincount(ranks[positive], minlength=int(ranks.max()) + 1)
    negatives = np.bincount(ranks[~positive], minlength=len(positives))
    pairs = int(positives.sum()) * int(negatives.sum())
    if not pairs:
        return None
    below = np.cumsum(negatives) - negatives
    return float(np.sum(positives * (below + negatives / 2.0)) / pairs)


def roc_points(positive: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """Rates of false and of true alarms at every threshold, from none to all rows, each (distinct scores + 1,).

    Args:
        positive: (B,) whether a row is of the positive class; both occur.
        scores: (B,) what the network says.
    """
    true, false = _counts_above(positive, scores)
    return (np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1]))


def precision_recall_points(due: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """Recall and precision at every threshold, from the strictest, each (distinct scores + 1,); some row is due."""
    true, false = _counts_above(due, scores)
    precision = true / (true + false)
    return np.append(0.0, true / true[-1]), np.append(precision[:1], precision)


def _counts_above(positive: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """How many positive and how many other rows score at least as much, for every distinct score from the highest."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(positive[order], dtype=np.float64)[ends]
    return true, ends + 1 - true


def dense_ranks(scores: Floats) -> Ints:
    """Place of each score among the distinct scores, from 0."""
    return np.unique(scores, return_inverse=True)[1].astype(np.int64)


def regression_scores(true: Floats, predicted: Floats) -> dict[str, float | None]:
    """Root mean square error, mean absolute error and r2; r2 is None where all true values are the same.

    Args:
        true: (B,) or (B, values); with several values the spread is that of each around its own mean.
        predicted: The same.
    """
    squared = np.square(true - predicted)
    spread = float(np.square(true - true.mean(axis=0)).mean())
    varies = bool((true.min(axis=0) < true.max(axis=0)).any())
    return {
        "rmse": float(np.sqrt(squared.mean())),
        "mae": float(np.abs(true - predicted).mean()),
        "r2": 1.0 - float(squared.mean()) / spread if varies else None,
    }


def num_resamples(rows: int) -> int:
    """How often `bootstrap` draws: 1000 times up to 10,000 rows, then fewer, at least 100 times."""
    return min(MOST_RESAMPLES, max(FEWEST_RESAMPLES, DRAWS // rows))


def bootstrap_words(rows: int, what: str = "rows") -> str:
    """How `bootstrap` makes the intervals of so many rows, for a report."""
    return f"bootstrap over {what} ({num_resamples(rows)} resamples, seed 0)"


def bootstrap(
    rows: int, statistics: Callable[[Ints], dict[str, float | None]], *, seed: int = 0
) -> dict[str, Interval | None]:
    """95 % percentile intervals from rows drawn again with replacement (Efron 1979); the same seed, the same answer.

    Args:
        rows: How many rows there are.
        statistics: From row numbers (B,) to values by name.
        seed: Decides the draws.

    Returns: An interval by name; None where fewer than half of the draws define the value, and where all draws agree:
        such rows (none of them wrong, or only one) say nothing about the spread.
    """
    generator = np.random.default_rng(seed)
    draws = [statistics(generator.integers(0, rows, rows)) for _ in range(num_resamples(rows))]
    intervals: dict[str, Interval | None] = {}
    for name in draws[0]:
        values = np.array([draw[name] for draw in draws if draw[name] is not None], dtype=np.float64)
        values = values[np.isfinite(values)]
        telling = 2 * len(values) >= len(draws) and values.min() < values.max()
        intervals[name] = Interval(*np.percentile(values, PERCENTILES).tolist()) if telling else None
    return intervals


class LabelCounts(NamedTuple):
    """Counts by label, each (K,) float64: rows due, rows given, and rows where both hold."""

    due: Floats
    given: Floats
    hits: Floats

    def f1(self) -> Floats:
        """F1 of each label (K,); 0 where it is neither due nor given."""
        return 2.0 * self.hits / np.maximum(self.due + self.given, 1)

    def f1_micro(self) -> float:
        """F1 over all labels of all rows; 0 without any label due or given."""
        return float(2.0 * self.hits.sum() / max(self.due.sum() + self.given.sum(), 1))

    def f1_macro(self) -> float | None:
        """Mean F1 over the labels that are due or given."""
        known = self.due + self.given > 0
        return float(self.f1()[known].mean()) if known.any() else None


def label_counts(due: Bools, given: Bools) -> LabelCounts:
    """Count by label. due, given: (B, K)."""
    sums = (array.sum(axis=0, dtype=np.float64) for array in (due, given, due & given))
    return LabelCounts(*sums)


def average_precision(due: Bools, score: Floats) -> float | None:
    """Area under the steps of precision over recall, equal scores taken together; None where no row is due.

    Args:
        due: (B,) whether the label applies.
        score: (B,) what the network says.
    """
    if not due.any():
        return None
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(due[order])
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    precision, recall = hits[ends] / (ends + 1), hits[ends] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def finite_rows(values: NDArray[Any]) -> Bools:
    """Which rows hold nothing but finite numbers. values: (B, ...). Returns: (B,)."""
    finite: Bools = np.logical_and.reduce(np.isfinite(values.reshape(len(values), -1)), axis=1)
    return finite
