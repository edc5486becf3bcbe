"""The inputs themselves: how well they come back, and which rows come back worst (the anomalies)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.evaluation import metrics
from trainwell.evaluation.numbers import Statistics, short
from trainwell.evaluation.tasks import Predicted, Summary
from trainwell.evaluation.tasks.regression import rmse_slicing
from trainwell.reports.reconstructions import draw_reconstruction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.contract.specs import PreparedData
    from trainwell.evaluation.metrics import Bools, Floats, Ints
    from trainwell.evaluation.scored import Scored
    from trainwell.evaluation.tasks import Array, Look, Slicing

ROWS_AT_ONCE = 4096
IMAGES_SHOWN = 8  # half of them typical, half the worst


class Judge:
    """Errors in standard deviations of the inputs. Column: `spread`, squared distance from the mean row, (B,)."""

    broken = "no metric is known"
    pictures = ("errors",)

    def __init__(self, prepared: PreparedData) -> None:
        self.prepared = prepared
        self.spec = prepared.inputs[0]
        self.mean: Floats = np.zeros(0)

    def begin(self, target: Array) -> Bools:
        """Rows without a gap; their mean row is what the spread is measured from."""
        usable = np.zeros(len(target), dtype=bool)
        total = np.zeros(int(np.prod(target.shape[1:], dtype=np.int64)))
        for start in range(0, len(target), ROWS_AT_ONCE):
            rows = self._standard(target[start : start + ROWS_AT_ONCE])
            inside = metrics.finite_rows(rows)
            usable[start : start + len(rows)] = inside
            total += rows[inside].sum(axis=0)
        self.mean = total / max(1, int(usable.sum()))
        return usable

    def score(self, raw: Floats, inputs: Sequence[Array], target: Array) -> dict[str, Array]:  # noqa: ARG002
        """Mean squared error of each row. target: (b, ...) as the input is stored."""
        true = self._standard(target)
        return {
            "loss": np.square(raw - true).mean(axis=1),
            "spread": np.square(true - self.mean).mean(axis=1),
        }

    def _standard(self, values: Array) -> Floats:
        """On the scale that the network learns on, (b, values)."""
        values = values.astype(np.float64)
        if self.spec.role == "image":
            mean, std = (np.array(part).reshape(-1, 1, 1) for part in (self.spec.mean, self.spec.std))
            values = (values - mean) / std
        return values.reshape(len(values), -1)

    def summary(self, scored: Scored) -> Summary:
        """R2 and RMSE by bootstrap, and how the errors of single rows are spread."""
        squared, spread = scored.loss, scored["spread"]
        method = f"95 %; {metrics.bootstrap_words(len(scored))}"
        if not scored.finite.all():
            nothing: Statistics = dict.fromkeys(("r2", "rmse", "rmse_median", "rmse_p95", "rmse_p99"))
            return Summary(nothing, {"r2": None, "rmse": None}, method)

        def statistics(rows: Ints) -> Statistics:
            varies = float(spread[rows].mean())
            error = float(squared[rows].mean())
            return {"r2": 1 - error / varies if varies > 0 else None, "rmse": float(np.sqrt(error))}

        median, high, highest = np.percentile(np.sqrt(squared), (50, 95, 99)).tolist()
        values: Statistics = {
            **statistics(np.arange(len(scored))), "rmse_median": median, "rmse_p95": high, "rmse_p99": highest,
        }  # fmt: skip
        return Summary(values, metrics.bootstrap(len(scored), statistics), method)

    def baseline(self, scored: Scored, summary: Summary) -> dict[str, Any]:
        """Always the mean of every value."""
        interval = summary.intervals["r2"]
        return {
            "metric": "r2",
            "value": 0.0,
            "rmse": short(float(np.sqrt(scored["spread"].mean()))),
            "how": "always the mean of every value over these rows",
            "beaten": interval is not None and interval.low > 0,
        }

    def details(self, scored: Scored) -> dict[str, Any]:  # noqa: ARG002
        """In which unit errors are told."""
        return {"unit": "standard deviations of the inputs over the training part"}

    def row(self, scored: Scored, index: int) -> dict[str, Any]:
        """The error of a row, and the share of rows that come back better."""
        error = float(scored.loss[index])
        better = float((scored.loss < error).mean()) if np.isfinite(error) else None
        return {"rmse": short(float(np.sqrt(error))), "better_rows": short(better, 4)}

    def notes(self, scored: Scored, told: dict[str, Any]) -> list[str]:  # noqa: ARG002
        """What the worst rows may be."""
        finite = scored.finite.all()
        return ["The worst rows are those least like the training rows: look there for anomalies."] if finite else []

    def slicing(self, scored: Scored) -> Slicing:
        """By root mean square error."""
        return rmse_slicing(scored.loss)

    def predicted(self, raw: Floats, inputs: Sequence[Array]) -> Predicted:
        """The error of each row; a file also has the values that came back, in the units of the input as stored."""
        squared = np.square(raw - self._standard(np.asarray(inputs[0]))).mean(axis=1)
        errors = [short(float(np.sqrt(error))) for error in squared]
        values = raw
        if self.spec.role == "image":
            std, mean = (np.array(part).reshape(-1, 1, 1) for part in (self.spec.std, self.spec.mean))
            values = (raw.reshape(-1, *self.spec.shape) * std + mean).clip(0, 255).reshape(len(raw), -1)
        columns: dict[str, Any] = {"error": errors, "reconstruction": values.astype(np.float32)}
        note = "Each prediction is the error (RMSE) of a row that came back, in standard deviations of the inputs."
        return Predicted(errors, columns, not_finite=errors.count(None), notes=[note])

    def draw(self, kind: str, scored: Scored, look: Look, path: Path, title: str) -> None:  # noqa: ARG002
        """How the errors are spread; of images also a few as they were and as they came back."""
        strip = None
        if self.spec.role == "image" and scored.finite.any():
            order = np.flatnonzero(scored.finite)[np.argsort(scored.loss[scored.finite], kind="stable")]
            half = min(IMAGES_SHOWN // 2, len(order) // 2) or 1
            middle = len(order) // 2
            chosen = np.concatenate([order[middle - half // 2 :][:half], order[-half:]])
            inputs, raw = look(chosen)
            strip = np.asarray(inputs[0]), self.predicted(raw, inputs).columns["reconstruction"]
            strip = strip[0], strip[1].reshape(strip[0].shape)
        draw_reconstruction(np.sqrt(scored.loss), path, title=title, strip=strip)
