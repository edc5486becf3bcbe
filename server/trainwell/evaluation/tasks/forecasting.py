"""The next values of one or more series: errors in their own units, beside the seasonal naive forecast.

MASE is the mean absolute error over that of the naive forecast within the training part (Hyndman and Koehler 2006):
below 1 a forecast is better than repeating the last season was there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.text import plain
from trainwell.data.series.naive import naive_forecast
from trainwell.evaluation import metrics
from trainwell.evaluation.numbers import Statistics, short, shorts
from trainwell.evaluation.tasks import Predicted, Slicing, Summary
from trainwell.reports.forecasts import Windows, draw_forecasts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trainwell.contract.specs import PreparedData
    from trainwell.evaluation.metrics import Bools, Floats, Interval, Ints
    from trainwell.evaluation.scored import Scored
    from trainwell.evaluation.tasks import Array, Look

MOST_COLUMNS_SHOWN = 12
MOST_STEPS_SHOWN = 12
MOST_VALUES_OF_ROW = 12
WINDOWS_DRAWN = 4


class Judge:
    """Columns: `true`, `predicted` and `naive`, each (B, horizon, columns), standardised, float32."""

    broken = "no metric is known"
    pictures = ("forecast",)

    def __init__(self, prepared: PreparedData) -> None:
        self.prepared = prepared
        self.horizon, count = prepared.target_shape
        columns = prepared.target_columns
        self.names = [column.name for column in columns] or [f"value {number + 1}" for number in range(count)]
        self.mean = np.array([column.mean for column in columns] or np.zeros(count))
        self.std = np.array([column.std for column in columns] or np.ones(count))
        naive: dict[str, Any] = prepared.encoding.get("naive") or {}
        self.scale = np.array(naive["scale"], dtype=np.float64) if naive else None
        self.how = naive.get("how", "the training mean of every column")

    def begin(self, target: Array) -> Bools:
        """Windows without a gap in what is to come."""
        return metrics.finite_rows(target)

    def score(self, raw: Floats, inputs: Sequence[Array], target: Array) -> dict[str, Array]:
        """Mean squared error of each window over its standardised values. target: (b, horizon, columns)."""
        predicted = raw.reshape(target.shape)
        naive = naive_forecast(self.prepared, inputs) if self.scale is not None else np.zeros_like(target)
        return {
            "loss": np.square(predicted - target).mean(axis=(1, 2)),
            "true": target.astype(np.float32),
            "predicted": predicted.astype(np.float32),
            "naive": naive.astype(np.float32),
        }

    def _own(self, standard: Array) -> Floats:
        """(..., columns) in each column's own units."""
        return standard * self.std + self.mean

    def summary(self, scored: Scored) -> Summary:
        """MASE, mean absolute error, RMSE and R2, over all steps and columns."""
        method = f"95 %; {metrics.bootstrap_words(len(scored), 'windows')}; windows overlap, so they are too narrow"
        if not scored.finite.all():
            nothing: Statistics = dict.fromkeys((*(["mase"] if self.scale is not None else []), "mae", "rmse", "r2"))
            return Summary(nothing, dict.fromkeys(nothing), method)
        statistics = self._statistics(scored, "predicted")
        return Summary(statistics(np.arange(len(scored))), metrics.bootstrap(len(scored), statistics), method)

    def _statistics(self, scored: Scored, which: str) -> Callable[[Ints], Statistics]:
        """The metrics of some of the windows; errors are summed over the steps once, for all draws."""
        true = scored["true"].astype(np.float64)
        error = scored[which] - true
        absolute = np.abs(error).mean(axis=1) * self.std  # (B, columns), own units
        squared, owned = np.square(error).mean(axis=(1, 2)), np.square(error * self.std).mean(axis=(1, 2))
        spread = np.square(true - true.mean(axis=0)).mean(axis=(1, 2))

        def statistics(rows: Ints) -> Statistics:
            by_column = absolute[rows].mean(axis=0)
            varies = float(spread[rows].mean())
            told: Statistics = {} if self.scale is None else {"mase": float((by_column / self.scale).mean())}
            told |= {"mae": float(by_column.mean()), "rmse": float(np.sqrt(owned[rows].mean()))}
            return {**told, "r2": 1 - float(squared[rows].mean()) / varies if varies > 0 else None}

        return statistics

    def baseline(self, scored: Scored, summary: Summary) -> dict[str, Any]:
        """The naive forecast of the same windows."""
        guessed = self._statistics(scored, "naive")(np.arange(len(scored)))
        metric = "mae" if self.scale is None else "mase"
        interval, value = summary.intervals[metric], guessed[metric]
        return {
            "metric": metric,
            "value": short(value),
            **{name: short(other) for name, other in guessed.items() if name != metric},
            "how": plain(f"naive forecast: {self.how}", 120),
            "beaten": interval is not None and value is not None and interval.high < value,
        }

    def details(self, scored: Scored) -> dict[str, Any]:
        """Errors by column and by step ahead, beside those of the naive forecast."""
        if not scored.finite.all():
            return {}
        network, naive = (np.abs(scored[name] - scored["true"]).mean(axis=0) for name in ("predicted", "naive"))
        columns = [self._column(number, scored, network, naive) for number in range(len(self.names))]
        steps = np.unique(np.linspace(0, self.horizon - 1, min(self.horizon, MOST_STEPS_SHOWN)).round().astype(int))
        return {
            "by_column": columns[:MOST_COLUMNS_SHOWN],
            "columns_left_out": max(0, len(columns) - MOST_COLUMNS_SHOWN),
            "by_step": [self._step(int(step), network, naive) for step in steps],
        }

    def _column(self, number: int, scored: Scored, network: Floats, naive: Floats) -> dict[str, Any]:
        """Errors of one column. network, naive: (horizon, columns) mean absolute errors, standardised."""
        squared = np.square(scored["predicted"][..., number] - scored["true"][..., number]).mean()
        mae, naive_mae = (float(errors[:, number].mean() * self.std[number]) for errors in (network, naive))
        told = {"mae": mae, "rmse": float(np.sqrt(squared) * self.std[number]), "naive_mae": naive_mae}
        if self.scale is not None:
            told = {"mase": mae / self.scale[number], "naive_mase": naive_mae / self.scale[number], **told}
        return {"column": plain(self.names[number]), **{name: short(float(value)) for name, value in told.items()}}

    def _step(self, step: int, network: Floats, naive: Floats) -> dict[str, Any]:
        """Errors so many steps ahead: MASE over the columns where their scale is known, else in standard deviations."""
        unit = self.std / self.scale if self.scale is not None else np.ones_like(self.std)
        name = "mase" if self.scale is not None else "mae_standardised"
        values = (float((errors[step] * unit).mean()) for errors in (network, naive))
        return {"step": step + 1, **dict(zip((name, f"naive_{name}"), map(short, values), strict=True))}

    def row(self, scored: Scored, index: int) -> dict[str, Any]:
        """The window's values of its worst column, as they came and as they were forecast."""
        true, predicted = (self._own(scored[name][index]) for name in ("true", "predicted"))
        error = np.abs(scored["predicted"][index] - scored["true"][index]).mean(axis=0)
        worst = int(np.argmax(np.nan_to_num(error, nan=np.inf)))
        some = slice(0, MOST_VALUES_OF_ROW)
        return {
            "column": plain(self.names[worst]),
            "true": shorts(true[some, worst].tolist(), 4),
            "predicted": shorts(predicted[some, worst].tolist(), 4),
            "mae": short(float(error[worst] * self.std[worst])),
        }

    def notes(self, scored: Scored, told: dict[str, Any]) -> list[str]:  # noqa: ARG002
        """How to read the numbers."""
        many = len(self.names) > 1
        return ["mae and rmse are means over columns of different units: see by_column, or mase."] if many else []

    def slicing(self, scored: Scored) -> Slicing:
        """By MASE, or by mean absolute error where there is no scale."""
        statistics = self._statistics(scored, "predicted")
        metric = "mae" if self.scale is None else "mase"

        def measure(inside: Bools) -> tuple[float | None, Interval | None]:
            chosen = np.flatnonzero(inside)
            if not scored.finite[chosen].all():
                return None, None
            drawn = metrics.bootstrap(len(chosen), lambda rows: {metric: statistics(chosen[rows])[metric]})
            return statistics(chosen)[metric], drawn[metric]

        return Slicing(metric, higher_is_better=False, measure=measure)

    def predicted(self, raw: Floats, inputs: Sequence[Array]) -> Predicted:  # noqa: ARG002
        """The values to come of each column, in its own units."""
        values = self._own(raw.reshape(len(raw), self.horizon, len(self.names)))
        known: list[bool] = metrics.finite_rows(raw).tolist()
        told = [
            {name: shorts(row[:, number].tolist(), 6) for number, name in enumerate(self.names)} if good else None
            for row, good in zip(values, known, strict=True)
        ]
        columns: dict[str, Any] = {"step": np.tile(np.arange(1, self.horizon + 1), len(raw))}
        columns |= {name: values[..., number].reshape(-1) for number, name in enumerate(self.names)}
        return Predicted(told, columns, not_finite=known.count(False), per_row=self.horizon)

    def draw(self, kind: str, scored: Scored, look: Look, path: Path, title: str) -> None:  # noqa: ARG002
        """A few windows of the first column, from easy to hard, and the errors by step over all columns."""
        if not scored.finite.any():
            chosen: Ints = np.zeros(0, dtype=np.int64)
        else:
            order = np.flatnonzero(scored.finite)[np.argsort(scored.loss[scored.finite], kind="stable")]
            chosen = order[np.unique(np.linspace(0, len(order) - 1, WINDOWS_DRAWN).round().astype(int))]
        column = 0
        past = np.zeros((0, 1))
        if len(chosen):
            first = np.asarray(look(chosen)[0][0])
            past = first[..., column] * self.std[column] + self.mean[column] if self.scale is not None else past
        windows = Windows(
            name=self.names[column],
            rows=scored.rows[chosen],
            past=past,
            **{which: self._own(scored[which][chosen])[..., column] for which in ("true", "predicted", "naive")},
        )
        good = scored.finite
        network, naive = (
            np.abs(scored[which][good] - scored["true"][good]).mean(axis=(0, 2)) for which in ("predicted", "naive")
        )
        draw_forecasts(windows, network, naive, path, title=title)
