"""A value a row (or several, from Python): RMSE, mean absolute error and R2 in the target's own units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.text import rounded
from trainwell.evaluation import metrics
from trainwell.evaluation.numbers import Statistics, short, shorts
from trainwell.evaluation.tasks import Predicted, Slicing, Summary
from trainwell.reports.residuals import draw_residuals
from trainwell.reports.scores import draw_regression

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.contract.specs import PreparedData
    from trainwell.evaluation.metrics import Bools, Floats, Interval, Ints
    from trainwell.evaluation.scored import Scored
    from trainwell.evaluation.tasks import Array, Look

MOST_VALUES = 8  # of a row with several, in an answer


class Judge:
    """Columns: `true` and `predicted`, each (B, values) in the target's own units."""

    broken = "no metric is known"
    pictures = ("fit", "residuals")

    def __init__(self, prepared: PreparedData) -> None:
        self.prepared = prepared

    def begin(self, target: Array) -> Bools:
        """Rows whose target is known."""
        return metrics.finite_rows(target)

    def score(self, raw: Floats, inputs: Sequence[Array], target: Array) -> dict[str, Array]:  # noqa: ARG002
        """Mean squared error of each row, in squared units. target: (b,) or (b, ...) standardised."""
        true = self._own(target.reshape(len(target), -1).astype(np.float64))
        predicted = self._own(raw)
        return {"loss": np.square(predicted - true).mean(axis=1), "true": true, "predicted": predicted}

    def _own(self, standard: Floats) -> Floats:
        return standard * self.prepared.target_std + self.prepared.target_mean

    def summary(self, scored: Scored) -> Summary:
        """All by bootstrap."""
        rows = len(scored)
        method = f"95 %; {metrics.bootstrap_words(rows)}"
        if not scored.finite.all():
            nothing: Statistics = dict.fromkeys(("rmse", "mae", "r2"))
            return Summary(nothing, dict.fromkeys(nothing), method)
        true, predicted = scored["true"], scored["predicted"]

        def statistics(some: Ints) -> Statistics:
            return metrics.regression_scores(true[some], predicted[some])

        values = statistics(np.arange(rows))
        drawn = metrics.bootstrap(rows, statistics)
        return Summary(values, {name: drawn[name] if values[name] is not None else None for name in drawn}, method)

    def baseline(self, scored: Scored, summary: Summary) -> dict[str, Any]:
        """Always the training mean."""
        mean = self.prepared.encoding.get("guess", [self.prepared.target_mean])
        guessed = metrics.regression_scores(scored["true"], np.broadcast_to(np.array(mean), scored["true"].shape))
        interval = summary.intervals["r2"]
        return {
            "metric": "r2",
            "value": short(guessed["r2"]),
            "rmse": short(guessed["rmse"]),
            "how": f"always the training mean, {rounded(mean[0])}" if len(mean) == 1 else "always the training means",
            "beaten": interval is not None and guessed["r2"] is not None and interval.low > guessed["r2"],
        }

    def details(self, scored: Scored) -> dict[str, Any]:  # noqa: ARG002
        """Nothing more."""
        return {}

    def row(self, scored: Scored, index: int) -> dict[str, Any]:
        """True and predicted value and the difference; of several values the first, and the row's RMSE."""
        true, predicted = scored["true"][index], scored["predicted"][index]
        if len(true) == 1:
            error = float(predicted[0] - true[0])
            return {"true": short(float(true[0])), "predicted": short(float(predicted[0])), "error": short(error)}
        return {
            "true": shorts(true[:MOST_VALUES].tolist()),
            "predicted": shorts(predicted[:MOST_VALUES].tolist()),
            "rmse": short(float(np.sqrt(scored.loss[index]))),
        }

    def notes(self, scored: Scored, told: dict[str, Any]) -> list[str]:
        """Why a metric is null although every output is finite."""
        constant = scored.finite.all() and told["r2"] is None
        return ["r2 is null: all true values of this split are the same."] if constant else []

    def slicing(self, scored: Scored) -> Slicing:
        """By root mean square error."""
        return rmse_slicing(scored.loss)

    def predicted(self, raw: Floats, inputs: Sequence[Array]) -> Predicted:  # noqa: ARG002
        """Values in the target's own units."""
        values = self._own(raw)
        known: list[bool] = metrics.finite_rows(raw).tolist()
        rows: list[list[float]] = values.tolist()
        told: list[Any] = [row if good else None for row, good in zip(rows, known, strict=True)]
        if values.shape[1] == 1:
            told = [None if row is None else row[0] for row in told]
            columns: dict[str, Any] = {"prediction": told}
        else:
            columns = {f"prediction_{place + 1}": values[:, place] for place in range(values.shape[1])}
        return Predicted(told, columns, not_finite=known.count(False))

    def draw(self, kind: str, scored: Scored, look: Look, path: Path, title: str) -> None:  # noqa: ARG002
        """Predicted against true values, or errors against predictions."""
        draw = draw_residuals if kind == "residuals" else draw_regression
        draw(scored["true"], scored["predicted"], path, title=title)


def rmse_slicing(squared: Floats) -> Slicing:
    """Parts compared by root mean square error. squared: (B,) mean squared error of each row."""

    def measure(inside: Bools) -> tuple[float | None, Interval | None]:
        some = squared[inside]
        if not np.isfinite(some).all():
            return None, None
        drawn = metrics.bootstrap(len(some), lambda rows: {"rmse": float(np.sqrt(some[rows].mean()))})
        return float(np.sqrt(some.mean())), drawn["rmse"]

    return Slicing("rmse", higher_is_better=False, measure=measure)
