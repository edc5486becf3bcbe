"""Any number of labels a row: F1 over all labels and by label, exact matches, average precision, log loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.text import plain, quoted
from trainwell.evaluation import metrics
from trainwell.evaluation.metrics import LabelCounts
from trainwell.evaluation.numbers import Statistics, short
from trainwell.evaluation.pictures import draw_curves, draw_reliability
from trainwell.evaluation.tasks import Predicted, Slicing, Summary
from trainwell.reports.labels import draw_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainwell.contract.specs import PreparedData
    from trainwell.evaluation.metrics import Bools, Floats, Interval, Ints
    from trainwell.evaluation.scored import Scored
    from trainwell.evaluation.tasks import Array, Look

MOST_LABELS_SHOWN = 20
MOST_LABELS_OF_ROW = 8
BETWEEN_LABELS = " | "  # in the one column of a file


class Judge:
    """Columns, each (B, K): `due` whether a label applies, `given` whether the network says so, `probability`."""

    broken = "they count as rows without labels, other metrics are null"
    pictures = ("labels", "roc", "pr", "calibration")

    def __init__(self, prepared: PreparedData) -> None:
        self.prepared = prepared
        self.labels = prepared.classes

    def begin(self, target: Array) -> Bools:
        """Rows whose labels are known."""
        return metrics.finite_rows(target)

    def score(self, raw: Floats, inputs: Sequence[Array], target: Array) -> dict[str, Array]:  # noqa: ARG002
        """Binary cross entropy in nats, the mean over the labels. target: (b, K) 0 or 1."""
        due = target > 0.5
        # -log of the probability of what holds: softplus of the logit, its sign turned where the label applies.
        loss = softplus(np.where(due, -raw, raw)).mean(axis=1)
        return {"loss": loss, "due": due, "given": raw > 0, "probability": probabilities(raw)}

    def summary(self, scored: Scored) -> Summary:
        """Exact matches with Wilson's interval, F1 and log loss by bootstrap."""
        rows, finite = len(scored), bool(scored.finite.all())
        exact = (scored["due"] == scored["given"]).all(axis=1) & scored.finite
        counts = metrics.label_counts(scored["due"], scored["given"])
        values: Statistics = {
            "f1_micro": counts.f1_micro(),
            "f1_macro": counts.f1_macro(),
            "exact_match": float(exact.mean()),
            "average_precision": self._average_precision(scored) if finite else None,
            "log_loss": float(scored.loss.mean()) if finite else None,
        }
        drawn = metrics.bootstrap(rows, self._statistics(scored))
        known = {name: interval if values[name] is not None else None for name, interval in drawn.items()}
        intervals = {**known, "exact_match": metrics.wilson(int(exact.sum()), rows)}
        return Summary(values, intervals, f"95 %; exact_match: Wilson; others: {metrics.bootstrap_words(rows)}")

    def _statistics(self, scored: Scored) -> Callable[[Ints], Statistics]:
        """F1 and log loss of some of the rows: one product of how often each is drawn with the counts of all."""
        due, given, loss = scored["due"], scored["given"], scored.loss
        hits, either = (due & given).astype(np.float32), due.astype(np.float32) + given
        finite = bool(scored.finite.all())

        def statistics(rows: Ints) -> Statistics:
            times = np.bincount(rows, minlength=len(loss)).astype(np.float32)
            of, both = ((times @ counts).astype(np.float64) for counts in (either, hits))
            counts = LabelCounts(of, np.zeros(1), both)  # due and given come in as their sum
            drawn: Statistics = {"f1_micro": counts.f1_micro(), "f1_macro": counts.f1_macro()}
            return {**drawn, "log_loss": float(loss[rows].mean()) if finite else None}

        return statistics

    def _average_precision(self, scored: Scored) -> float | None:
        """Mean over the labels that some row has."""
        found = [
            metrics.average_precision(scored["due"][:, number], scored["probability"][:, number])
            for number in range(len(self.labels))
        ]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if known else None

    def baseline(self, scored: Scored, summary: Summary) -> dict[str, Any]:
        """Always the labels that more than half of the rows of the data have, or the commonest one."""
        due = scored["due"]
        counts = np.array(self.prepared.class_counts) if self.prepared.class_counts else due.sum(axis=0)
        total = sum(self.prepared.splits.values()) if self.prepared.class_counts else len(due)
        common = counts > total / 2
        common[int(counts.argmax())] = True
        value = metrics.label_counts(due, np.broadcast_to(common, due.shape)).f1_micro()
        names = [quoted(self.labels[number], 40) for number in np.flatnonzero(common)]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        interval = summary.intervals["f1_micro"]
        return {
            "metric": "f1_micro",
            "value": short(value),
            "exact_match": short(float((due == common).all(axis=1).mean())),
            "how": f"always the commonest labels, {', '.join(names[:3])}{more}",
            "beaten": interval is not None and interval.low > value,
        }

    def details(self, scored: Scored) -> dict[str, Any]:
        """Scores by label, the lowest F1 first."""
        counts = metrics.label_counts(scored["due"], scored["given"])
        f1 = counts.f1()
        known = np.flatnonzero(counts.due + counts.given > 0)
        worst = known[np.argsort(f1[known], kind="stable")][:MOST_LABELS_SHOWN]
        return {
            "per_label": [self._label_row(int(number), counts, scored) for number in worst],
            "labels_left_out": len(self.labels) - len(worst),
        }

    def _label_row(self, number: int, counts: LabelCounts, scored: Scored) -> dict[str, Any]:
        due, given, hits = (float(count[number]) for count in counts)
        finite = bool(scored.finite.all())
        area = metrics.average_precision(scored["due"][:, number], scored["probability"][:, number]) if finite else None
        return {
            "label": plain(self.labels[number]),
            "rows": int(due),
            "precision": short(hits / given) if given else None,
            "recall": short(hits / due) if due else None,
            "f1": short(2 * hits / (due + given)),
            "average_precision": short(area),
        }

    def row(self, scored: Scored, index: int) -> dict[str, Any]:
        """Labels that apply, those that the network gives, and the loss."""
        finite = bool(scored.finite[index])
        return {
            "true": self._named(scored["due"][index]),
            "predicted": self._named(scored["given"][index]) if finite else None,
            "loss": short(float(scored.loss[index])),
        }

    def _named(self, marks: Bools) -> list[str]:
        numbers: list[int] = np.flatnonzero(marks)[:MOST_LABELS_OF_ROW].tolist()
        return [plain(self.labels[number]) for number in numbers]

    def notes(self, scored: Scored, told: dict[str, Any]) -> list[str]:  # noqa: ARG002
        """Labels that these rows say nothing about."""
        absent = int((~scored["due"].any(axis=0)).sum())
        return [f"{absent} of {len(self.labels)} labels apply to no row of this split."] if absent else []

    def slicing(self, scored: Scored) -> Slicing:
        """By F1 over all labels."""
        due, given = scored["due"], scored["given"]
        hits, either = (due & given).sum(axis=1), due.sum(axis=1) + given.sum(axis=1)

        def measure(inside: Bools) -> tuple[float | None, Interval | None]:
            some, of = hits[inside], either[inside]

            def f1(rows: Ints) -> Statistics:
                return {"f1_micro": float(2 * some[rows].sum() / max(int(of[rows].sum()), 1))}

            return f1(np.arange(len(some)))["f1_micro"], metrics.bootstrap(len(some), f1)["f1_micro"]

        return Slicing("f1_micro", higher_is_better=True, measure=measure)

    def predicted(self, raw: Floats, inputs: Sequence[Array]) -> Predicted:  # noqa: ARG002
        """The labels of each row, and how probable each of them is."""
        shares = probabilities(raw)
        known: list[bool] = metrics.finite_rows(raw).tolist()
        numbers = [np.flatnonzero(row > 0).tolist() for row in raw]
        names = [[self.labels[one] for one in row] if good else None for row, good in zip(numbers, known, strict=True)]
        joined = [None if row is None else BETWEEN_LABELS.join(row) for row in names]
        columns = {"prediction": joined} | {
            f"probability_{label}": shares[:, number] for number, label in enumerate(self.labels)
        }
        confidence = [[short(float(shares[place, one]), 4) for one in row] for place, row in enumerate(numbers)]
        return Predicted(names, columns, confidence, not_finite=known.count(False))

    def draw(self, kind: str, scored: Scored, look: Look, path: Path, title: str) -> None:  # noqa: ARG002
        """F1 by label with precision and recall, or curves over thresholds, or probability against what came true."""
        sure = scored.finite
        due, share = scored["due"][sure], scored["probability"][sure].astype(np.float64)
        if kind == "calibration":
            draw_reliability(share.ravel(), due.ravel(), path, title, what="labels, all together")
            return
        if kind != "labels":
            draw_curves(kind, due, share, self.labels, path, title)
            return
        counts = metrics.label_counts(scored["due"], scored["given"])
        exact = float((scored["due"] == scored["given"]).all(axis=1).mean())
        draw_labels(counts.due, counts.given, counts.hits, list(self.labels), path, title=title, exact=exact)


def probabilities(logits: Floats) -> NDArray[np.float32]:
    """The logistic function, without overflow; NaN stays NaN. Returns: float32."""
    return np.exp(-softplus(-logits)).astype(np.float32)


def softplus(values: Floats) -> Floats:
    """ln(1 + e^x) without overflow; NaN stays NaN."""
    return np.maximum(values, 0.0) + np.log1p(np.exp(-np.abs(values)))
