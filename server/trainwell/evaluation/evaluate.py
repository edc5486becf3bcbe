"""How good a network is on one split: metrics with intervals, beside a baseline, and where it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.text import finite, plain, quoted, rounded
from trainwell.evaluation import metrics
from trainwell.evaluation.scored import Scored, score_rows
from trainwell.evaluation.slices import check_slices, raw_values, slice_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from trainwell.contract.specs import PreparedData, Split
    from trainwell.data.parts import SplitArrays

Statistics = dict[str, float | None]

MOST_CLASSES_SHOWN = 20
MOST_PAIRS = 10
MOST_WORST = 5
FEW_ROWS = 50  # below this an interval is too wide to rest a decision on


def evaluate(
    module: nn.Module,
    prepared: PreparedData,
    arrays: SplitArrays,
    *,
    split: Split,
    raw: Path | None = None,
    slices: Sequence[str] = (),
) -> dict[str, Any]:
    """Judge a network on one split.

    Args:
        module: The network; its mode and device stay as they are.
        prepared: The data that it was trained on: classes, units and the baseline's guess come from there.
        arrays: The rows to judge by, encoded as `prepared` says.
        split: Their name, for the report.
        raw: Parquet file with the raw columns of the same rows in the same order.
        slices: Raw columns to break the score down by.

    Returns: The report of `judge`.

    Raises:
        TrainwellError: `wrong_input_shape`, `no_labelled_rows`, `no_raw_columns`, `unknown_column`, `data_damaged`.
    """
    check_slices(raw, slices, len(arrays.target))
    return judge(score_rows(module, prepared, arrays), prepared, split=split, raw=raw, slices=slices)


def judge(
    scored: Scored, prepared: PreparedData, *, split: Split, raw: Path | None = None, slices: Sequence[str] = ()
) -> dict[str, Any]:
    """Turn scored rows into a report in JSON, without NaN.

    Returns: `split`, `rows`, `task`, `metrics` (a number or null by name, and [low, high] or null as
        `<name>_interval`), `interval_method`, `baseline` (with `beaten`: whether the 95 % interval lies clearly beyond
        it), `worst` (at most 5 rows by loss) and `notes`. For classification also `per_class` (at most 20, the
        lowest F1 first), `classes_left_out` and `confusions` (at most 10 pairs); `slices` where columns were given.
    """
    classification = prepared.task == "classification"
    values, statistics = _classification(scored, prepared) if classification else _regression(scored)
    intervals = _intervals(scored, values, statistics, classification=classification)
    report: dict[str, Any] = {
        "split": split,
        "rows": len(scored.true),
        "task": prepared.task,
        "metrics": _told(values, intervals),
        "interval_method": _method(len(scored.true), classification=classification),
        "baseline": _baseline(scored, prepared, intervals),
        "worst": [_worst(scored, prepared, index, raw) for index in _worst_first(scored)[:MOST_WORST]],
    }
    if classification:
        report |= _by_class(scored, prepared)
    if slices and raw is not None:
        report["slices"] = slice_scores(scored, prepared, raw, slices)
    report["notes"] = _notes(scored, prepared, report)
    return finite(report)


def _classification(scored: Scored, prepared: PreparedData) -> tuple[Statistics, Callable[[metrics.Ints], Statistics]]:
    """The metrics, and how to compute those with a bootstrap interval for drawn rows."""
    num_classes = len(prepared.classes)
    hit = scored.true == scored.predicted
    finite_rows = bool(scored.finite.all())
    ranks = metrics.dense_ranks(scored.odds) if num_classes == 2 and finite_rows else None

    def statistics(rows: metrics.Ints) -> Statistics:
        counts = metrics.class_counts(scored.true[rows], scored.predicted[rows], num_classes)
        drawn: Statistics = {
            "balanced_accuracy": metrics.balanced_accuracy(counts),
            "f1_macro": metrics.f1_macro(counts),
            "log_loss": float(scored.loss[rows].mean()) if finite_rows else None,
        }
        if num_classes == 2:
            drawn["roc_auc"] = None if ranks is None else metrics.roc_auc(scored.true[rows] == 1, ranks[rows])
        return drawn

    values: Statistics = {"accuracy": float(hit.mean()), **statistics(np.arange(len(hit)))}
    values["ece"] = metrics.expected_calibration_error(scored.probability, hit) if finite_rows else None
    return values, statistics


def _regression(scored: Scored) -> tuple[Statistics, Callable[[metrics.Ints], Statistics]]:
    def statistics(rows: metrics.Ints) -> Statistics:
        return metrics.regression_scores(scored.true[rows], scored.predicted[rows])

    if not scored.finite.all():
        nothing: Statistics = dict.fromkeys(("rmse", "mae", "r2"))
        return nothing, lambda _rows: nothing
    return statistics(np.arange(len(scored.true))), statistics


def _intervals(
    scored: Scored, values: Statistics, statistics: Callable[[metrics.Ints], Statistics], *, classification: bool
) -> dict[str, metrics.Interval | None]:
    rows = len(scored.true)
    intervals: dict[str, metrics.Interval | None] = {}
    if classification:
        hits = int((scored.true == scored.predicted).sum())
        intervals["accuracy"] = metrics.wilson(hits, rows)
    drawn = metrics.bootstrap(rows, statistics)
    return intervals | {name: interval if values[name] is not None else None for name, interval in drawn.items()}


def _method(rows: int, *, classification: bool) -> str:
    drawn = f"bootstrap over rows ({metrics.num_resamples(rows)} resamples, seed 0)"
    return f"95 %; accuracy: Wilson; others: {drawn}" if classification else f"95 %; {drawn}"


def _baseline(scored: Scored, prepared: PreparedData, intervals: dict[str, metrics.Interval | None]) -> dict[str, Any]:
    """The same rows guessed without looking at the inputs."""
    if prepared.task == "classification":
        guess = (
            int(np.argmax(prepared.class_counts)) if prepared.class_counts else int(np.bincount(scored.true).argmax())
        )
        value = float((scored.true == guess).mean())
        interval = intervals["accuracy"]
        beaten = interval is not None and interval.low > value
        how = f"always the most frequent class, {quoted(prepared.classes[guess])}"
        return {"metric": "accuracy", "value": _short(value), "how": how, "beaten": beaten}
    guessed = metrics.regression_scores(scored.true, np.full(len(scored.true), prepared.target_mean))
    interval = intervals.get("r2")
    return {
        "metric": "r2",
        "value": _short(guessed["r2"]),
        "rmse": _short(guessed["rmse"]),
        "how": f"always the training mean, {rounded(prepared.target_mean)}",
        "beaten": interval is not None and guessed["r2"] is not None and interval.low > guessed["r2"],
    }


def _by_class(scored: Scored, prepared: PreparedData) -> dict[str, Any]:
    counts = metrics.class_counts(scored.true, scored.predicted, len(prepared.classes))
    f1 = metrics.f1_by_class(counts)
    occurring = np.flatnonzero(counts.support)
    worst = occurring[np.argsort(f1[occurring], kind="stable")]
    rows = [_class_row(int(number), counts, float(f1[number]), prepared) for number in worst[:MOST_CLASSES_SHOWN]]
    return {
        "per_class": rows,
        "classes_left_out": len(prepared.classes) - len(rows),
        "confusions": _confusions(scored, prepared, counts),
    }


def _class_row(number: int, counts: metrics.ClassCounts, f1: float, prepared: PreparedData) -> dict[str, Any]:
    predicted, hits = int(counts.predicted[number]), int(counts.hits[number])
    return {
        "class": plain(prepared.classes[number]),
        "rows": int(counts.support[number]),
        "precision": _short(hits / predicted) if predicted else None,
        "recall": _short(hits / int(counts.support[number])),
        "f1": _short(f1),
    }


def _confusions(scored: Scored, prepared: PreparedData, counts: metrics.ClassCounts) -> list[dict[str, Any]]:
    """Pairs of true and predicted class that were mixed up, the most frequent first."""
    wrong = (scored.true != scored.predicted) & (scored.predicted >= 0)
    pairs, times = np.unique(scored.true[wrong] * len(prepared.classes) + scored.predicted[wrong], return_counts=True)
    order = np.argsort(-times, kind="stable")[:MOST_PAIRS]
    return [
        {
            "true": plain(prepared.classes[true]),
            "predicted": plain(prepared.classes[predicted]),
            "rows": rows,
            "share_of_class": _short(rows / int(counts.support[true])),
        }
        for true, predicted, rows in (
            (*divmod(int(pairs[index]), len(prepared.classes)), int(times[index])) for index in order
        )
    ]


def _worst_first(scored: Scored) -> list[int]:
    """Places among the scored rows by loss; rows whose outputs are not finite come first."""
    loss = np.where(scored.finite, scored.loss, np.inf)
    most = min(MOST_WORST, len(loss))
    top = np.argpartition(-loss, most - 1)[:most]
    return [int(index) for index in top[np.argsort(-loss[top], kind="stable")]]


def _worst(scored: Scored, prepared: PreparedData, index: int, raw: Path | None) -> dict[str, Any]:
    told: dict[str, Any] = {"row": int(scored.rows[index])}
    if prepared.task == "classification":
        known = int(scored.predicted[index]) >= 0
        told["true"] = plain(prepared.classes[int(scored.true[index])])
        told["predicted"] = plain(prepared.classes[int(scored.predicted[index])]) if known else None
        told["probability"] = _short(float(scored.probability[index]))
        told["loss"] = _short(float(scored.loss[index]))
    else:
        true, predicted = float(scored.true[index]), float(scored.predicted[index])
        told |= {"true": _short(true), "predicted": _short(predicted), "error": _short(predicted - true)}
    values = raw_values(raw, int(scored.places[index]), target=prepared.target)
    return told if values is None else {**told, "values": values}


def _notes(scored: Scored, prepared: PreparedData, report: dict[str, Any]) -> list[str]:
    rows, broken = len(scored.true), int((~scored.finite).sum())
    effect = (
        "they count as wrong, other metrics are null" if prepared.task == "classification" else "no metric is known"
    )
    unseen = "their target is missing or of a class not seen in training"
    notes = {
        f"The network gives NaN or infinity for {broken} of {rows} rows: {effect}.": broken > 0,
        f"{scored.left_out} rows were left out: {unseen}.": scored.left_out > 0,
        f"Only {rows} rows: read the intervals, not the values.": rows < FEW_ROWS,
        "Not clearly better than the baseline, which looks at no input.": not report["baseline"]["beaten"],
        "These rows were trained on: the score says nothing about new rows.": report["split"] == "train",
    }
    told = [note for note, holds in notes.items() if holds]
    return told if broken else told + _undefined(scored, prepared, report["metrics"])


def _undefined(scored: Scored, prepared: PreparedData, told: dict[str, Any]) -> list[str]:
    """Why metrics or intervals are null although every output is finite."""
    same = [name for name, value in told.items() if name.endswith("_interval") and value is None]
    absent = len(prepared.classes) - len(np.unique(scored.true)) if prepared.classes else 0
    notes = {
        "r2 is null: all true values of this split are the same.": told.get("r2", 0) is None,
        "roc_auc is null: the split holds one class only.": told.get("roc_auc", 0) is None,
        f"{absent} of {len(prepared.classes)} classes have no row in this split.": absent > 0,
        f"{', '.join(same)} null: drawing these rows again never changes the value.": len(same) > 0,
    }
    return [note for note, holds in notes.items() if holds]


def _short(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.5g}")


def _told(values: Statistics, intervals: dict[str, metrics.Interval | None]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in values.items():
        told[name] = _short(value)
        if name in intervals:
            interval = intervals[name]
            told[f"{name}_interval"] = [_short(interval.low), _short(interval.high)] if interval else None
    return told
