"""One class a row: accuracy, balanced accuracy, F1, log loss, calibration; scores by class and confusions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.text import plain, quoted
from trainwell.evaluation import metrics
from trainwell.evaluation.numbers import Statistics, short
from trainwell.evaluation.pictures import draw_curves, draw_reliability, sampled
from trainwell.evaluation.tasks import Predicted, Slicing, Summary
from trainwell.reports.scores import draw_confusion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trainwell.contract.specs import PreparedData
    from trainwell.evaluation.metrics import Bools, Floats, Interval, Ints
    from trainwell.evaluation.scored import Scored
    from trainwell.evaluation.tasks import Array, Look

MOST_CLASSES_SHOWN = 20
MOST_PAIRS = 10
NO_CLASS = -1  # the class number of a row whose outputs are not finite


class Judge:
    """Columns: `true` and `predicted` class numbers, `probability` of the predicted one, `odds` of two classes."""

    broken = "they count as wrong, other metrics are null"
    pictures = ("confusion", "roc", "pr", "calibration")

    def __init__(self, prepared: PreparedData) -> None:
        self.prepared = prepared
        self.classes = prepared.classes

    def begin(self, target: Array) -> Bools:
        """Rows with a class that training knew."""
        return (target >= 0) & (target < len(self.classes))

    def score(self, raw: Floats, inputs: Sequence[Array], target: Array) -> dict[str, Array]:  # noqa: ARG002
        """Cross entropy in nats and what the metrics need. target: (b,) class numbers."""
        logs = log_probabilities(raw)
        return {
            "loss": -logs[np.arange(len(raw)), target],
            "true": target,
            "predicted": chosen_classes(raw),
            "probability": np.exp(logs.max(axis=1)),
            # Log odds of the second class, for two classes only.
            "odds": raw[:, 1] - raw[:, 0] if raw.shape[1] == 2 else np.zeros(len(raw)),
        }

    def summary(self, scored: Scored) -> Summary:
        """Accuracy with Wilson's interval, the others by bootstrap."""
        hit = scored["true"] == scored["predicted"]
        statistics = self._statistics(scored)
        values: Statistics = {"accuracy": float(hit.mean()), **statistics(np.arange(len(hit)))}
        finite = bool(scored.finite.all())
        values["ece"] = metrics.expected_calibration_error(scored["probability"], hit) if finite else None
        drawn = metrics.bootstrap(len(hit), statistics)
        known = {name: interval if values[name] is not None else None for name, interval in drawn.items()}
        method = f"95 %; accuracy: Wilson; others: {metrics.bootstrap_words(len(hit))}"
        return Summary(values, {"accuracy": metrics.wilson(int(hit.sum()), len(hit)), **known}, method)

    def _statistics(self, scored: Scored) -> Callable[[Ints], Statistics]:
        """The metrics that are drawn again, for some of the rows."""
        count = len(self.classes)
        finite = bool(scored.finite.all())
        ranks = metrics.dense_ranks(scored["odds"]) if count == 2 and finite else None
        true, predicted, loss = scored["true"], scored["predicted"], scored.loss

        def statistics(rows: Ints) -> Statistics:
            counts = metrics.class_counts(true[rows], predicted[rows], count)
            drawn: Statistics = {
                "balanced_accuracy": metrics.balanced_accuracy(counts),
                "f1_macro": metrics.f1_macro(counts),
                "log_loss": float(loss[rows].mean()) if finite else None,
            }
            if count == 2:
                drawn["roc_auc"] = None if ranks is None else metrics.roc_auc(true[rows] == 1, ranks[rows])
            return drawn

        return statistics

    def baseline(self, scored: Scored, summary: Summary) -> dict[str, Any]:
        """Always the class that was most frequent."""
        counts = self.prepared.class_counts
        guess = int(np.argmax(counts)) if counts else int(np.bincount(scored["true"]).argmax())
        value = float((scored["true"] == guess).mean())
        interval = summary.intervals["accuracy"]
        how = f"always the most frequent class, {quoted(self.classes[guess])}"
        beaten = interval is not None and interval.low > value
        return {"metric": "accuracy", "value": short(value), "how": how, "beaten": beaten}

    def details(self, scored: Scored) -> dict[str, Any]:
        """Scores by class, the lowest F1 first, and which classes are taken for each other."""
        counts = metrics.class_counts(scored["true"], scored["predicted"], len(self.classes))
        f1 = metrics.f1_by_class(counts)
        occurring = np.flatnonzero(counts.support)
        worst = occurring[np.argsort(f1[occurring], kind="stable")][:MOST_CLASSES_SHOWN]
        return {
            "per_class": [self._class_row(int(number), counts, float(f1[number])) for number in worst],
            "classes_left_out": len(self.classes) - len(worst),
            "confusions": self._confusions(scored, counts),
        }

    def _class_row(self, number: int, counts: metrics.ClassCounts, f1: float) -> dict[str, Any]:
        predicted, hits = int(counts.predicted[number]), int(counts.hits[number])
        return {
            "class": plain(self.classes[number]),
            "rows": int(counts.support[number]),
            "precision": short(hits / predicted) if predicted else None,
            "recall": short(hits / int(counts.support[number])),
            "f1": short(f1),
        }

    def _confusions(self, scored: Scored, counts: metrics.ClassCounts) -> list[dict[str, Any]]:
        """Pairs of true and predicted class that were mixed up, the most frequent first."""
        true, predicted = scored["true"], scored["predicted"]
        wrong = (true != predicted) & (predicted >= 0)
        pairs, times = np.unique(true[wrong] * len(self.classes) + predicted[wrong], return_counts=True)
        order = np.argsort(-times, kind="stable")[:MOST_PAIRS]
        return [
            {
                "true": plain(self.classes[first]),
                "predicted": plain(self.classes[second]),
                "rows": rows,
                "share_of_class": short(rows / int(counts.support[first])),
            }
            for first, second, rows in (
                (*divmod(int(pairs[index]), len(self.classes)), int(times[index])) for index in order
            )
        ]

    def row(self, scored: Scored, index: int) -> dict[str, Any]:
        """True and predicted class."""
        predicted = int(scored["predicted"][index])
        return {
            "true": plain(self.classes[int(scored["true"][index])]),
            "predicted": plain(self.classes[predicted]) if predicted != NO_CLASS else None,
            "probability": short(float(scored["probability"][index])),
            "loss": short(float(scored.loss[index])),
        }

    def notes(self, scored: Scored, told: dict[str, Any]) -> list[str]:
        """Why metrics or intervals are null although every output is finite."""
        if not scored.finite.all():
            return []
        same = [name for name, value in told.items() if name.endswith("_interval") and value is None]
        absent = len(self.classes) - len(np.unique(scored["true"]))
        notes = {
            "roc_auc is null: the split holds one class only.": told.get("roc_auc", 0) is None,
            f"{absent} of {len(self.classes)} classes have no row in this split.": absent > 0,
            f"{', '.join(same)} null: drawing these rows again never changes the value.": len(same) > 0,
        }
        return [note for note, holds in notes.items() if holds]

    def slicing(self, scored: Scored) -> Slicing:
        """By accuracy."""
        hit = scored["true"] == scored["predicted"]

        def measure(inside: Bools) -> tuple[float | None, Interval | None]:
            hits, rows = int(hit[inside].sum()), int(inside.sum())
            return hits / rows, metrics.wilson(hits, rows)

        return Slicing("accuracy", higher_is_better=True, measure=measure)

    def predicted(self, raw: Floats, inputs: Sequence[Array]) -> Predicted:  # noqa: ARG002
        """Class names with their probability."""
        numbers: list[int] = chosen_classes(raw).tolist()
        shares = np.exp(log_probabilities(raw)).astype(np.float32)
        names = [self.classes[number] if number != NO_CLASS else None for number in numbers]
        columns = {"prediction": names} | {
            f"probability_{name}": shares[:, number] for number, name in enumerate(self.classes)
        }
        confidence = [short(float(share.max()), 4) for share in shares]
        return Predicted(names, columns, confidence, not_finite=numbers.count(NO_CLASS))

    def draw(self, kind: str, scored: Scored, look: Look, path: Path, title: str) -> None:
        """A confusion matrix, or curves over thresholds, or confidence against accuracy."""
        if kind == "calibration":
            hit, sure = scored["true"] == scored["predicted"], scored.finite
            draw_reliability(scored["probability"][sure], hit[sure], path, title, what="predicted class")
            return
        if kind != "confusion":
            self._draw_curves(kind, scored, look, path, title)
            return
        known = scored["predicted"] >= 0
        matrix = np.zeros((len(self.classes),) * 2, dtype=np.int64)
        np.add.at(matrix, (scored["true"][known], scored["predicted"][known]), 1)
        draw_confusion(matrix, list(self.classes), path, title=title)

    def _draw_curves(self, kind: str, scored: Scored, look: Look, path: Path, title: str) -> None:
        """Each class against the others; of two classes the second."""
        rows = sampled(len(scored))
        rows = rows[scored.finite[rows]]
        shares = np.exp(log_probabilities(look(rows)[1])) if len(rows) else np.zeros((0, len(self.classes)))
        first = 1 if len(self.classes) == 2 else 0
        due = scored["true"][rows, None] == np.arange(first, len(self.classes))
        draw_curves(kind, due, shares[:, first:], self.classes[first:], path, title)


def log_probabilities(logits: Floats) -> Floats:
    """Log softmax over classes, (b, K) to (b, K); rows of NaN stay so."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def chosen_classes(logits: Floats) -> Ints:
    """The class of the largest logit (b,), or -1 in rows of NaN."""
    return np.where(np.isnan(logits[:, 0]), NO_CLASS, logits.argmax(axis=1))
