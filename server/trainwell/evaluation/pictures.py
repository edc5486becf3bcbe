"""Which pictures a task has; the judges draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.evaluation import metrics
from trainwell.reports.calibration import draw_calibration
from trainwell.reports.rates import Curve, draw_precision_recall, draw_roc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.contract.specs import PreparedData
    from trainwell.evaluation.metrics import Bools, Floats
    from trainwell.evaluation.tasks import Judge

AUTO = "auto"
# Rows whose outputs are asked for again to draw curves; more of them change no pixel.
MOST_ROWS = 50_000
MOST_CURVES = 6
# Points of a curve: more than a picture has columns.
MOST_POINTS = 600


@dataclass(frozen=True)
class Picture:
    """A picture that was asked for: a kind that the task has, or `auto`; where it goes; its heading."""

    kind: str
    path: Path
    title: str


def chosen_picture(judge: Judge, prepared: PreparedData, kind: str) -> str:
    """The kind, or the task's main one for `auto`.

    Raises:
        TrainwellError: `no_such_picture`.
    """
    if kind == AUTO:
        return judge.pictures[0]
    if kind not in judge.pictures:
        raise TrainwellError(
            "no_such_picture", f"There is no picture {kind} of {prepared.task}.", argument="plot", got=kind,
            allowed=[AUTO, *judge.pictures],
        )  # fmt: skip
    return kind


def sampled(rows: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Numbers of the rows that curves are drawn from: all of them, or as many as are enough."""
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))


def draw_curves(kind: str, due: Bools, share: Floats, names: Sequence[str], path: Path, title: str) -> None:
    """ROC or precision-recall curves of classes or labels, the worst ones where there are many.

    Args:
        kind: roc or pr.
        due: (B, K) whether a class or label holds.
        share: (B, K) its probability.
        names: K names; of two classes only the second is drawn.
        path: Where the PNG goes.
        title: Heading.
    """
    curve = _roc if kind == "roc" else _precision_recall
    known = [number for number in range(due.shape[1]) if 0 < due[:, number].sum() < len(due)]
    curves = [curve(due[:, number], share[:, number], names[number]) for number in known]
    worst = sorted(curves, key=lambda one: one.area)[:MOST_CURVES]
    draw = draw_roc if kind == "roc" else draw_precision_recall
    draw(worst, path, title=title, of=len(curves), mean=float(np.mean([one.area for one in curves] or [np.nan])))


def draw_reliability(share: Floats, hit: Bools, path: Path, title: str, *, what: str) -> None:
    """Probabilities against how often they came true, (B,) each; see `metrics.reliability`."""
    bins = metrics.reliability(share, hit)
    error = metrics.expected_calibration_error(share, hit) if bins else float("nan")
    draw_calibration(bins, share, path, title=title, error=error, what=what)


def _roc(due: Bools, share: Floats, name: str) -> Curve:
    false, true = metrics.roc_points(due, share)
    area = metrics.roc_auc(due, metrics.dense_ranks(share))
    return Curve(name, *_thinned(false, true), area=area or 0.0, share=float(due.mean()))


def _precision_recall(due: Bools, share: Floats, name: str) -> Curve:
    recall, precision = metrics.precision_recall_points(due, share)
    area = metrics.average_precision(due, share)
    return Curve(name, *_thinned(recall, precision), area=area or 0.0, share=float(due.mean()))


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    places = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(np.int64))
    return x[places], y[places]
