"""Errors of predicted values in a picture: against the prediction, and against the normal curve."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.text import rounded
from trainwell.reports.picture import HEADING_INCHES, INK, MUTED, TRAIN, VALIDATION, legend, new_figure, style, write

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

WIDTH, HEIGHT = 10.4, 4.8
# More points than this are drawn as density.
MOST_DOTS = 2500
# Rows of a bin, at least, and bins, at most, of the running median.
LEAST_ROWS, MOST_BINS = 12, 20
QUANTILES = 200


def draw_residuals(true: Values, predicted: Values, path: Path, *, title: str) -> Path:
    """Draw errors against predictions with a running median and the middle 80 %, and their quantiles.

    Args:
        true: (N,) or (N, values) in the target's own units.
        predicted: The same; what is not finite is left out and counted.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.

    Returns:
        `path`.
    """
    true, predicted = np.asarray(true, dtype=np.float64).ravel(), np.asarray(predicted, dtype=np.float64).ravel()
    usable = np.isfinite(true) & np.isfinite(predicted)
    shown, errors = predicted[usable], (predicted - true)[usable]
    facts = [f"{len(errors):,} rows"]
    if len(errors):
        facts += [f"mean error {rounded(float(errors.mean()), 3)}", f"deviation {rounded(float(errors.std()), 3)}"]
    facts += [f"{int((~usable).sum()):,} not finite, left out"] if not usable.all() else []
    figure = new_figure(WIDTH, HEIGHT, title, facts)
    edges = {"left": 0.078, "right": 0.975, "top": 1 - HEADING_INCHES / HEIGHT, "bottom": 0.12}
    left, right = figure.subplots(1, 2, gridspec_kw={**edges, "wspace": 0.22, "width_ratios": (1.35, 1)})
    style(left, x_label="predicted", y_label="error (predicted minus true)")
    style(right, x_label="error expected of a normal curve", y_label="error")
    if len(errors):
        _draw_errors(left, shown, errors)
        _draw_quantiles(right, errors)
    return write(figure, path)


def _draw_errors(axes: Axes, predicted: Values, errors: Values) -> None:
    if len(errors) > MOST_DOTS:
        axes.hexbin(predicted, errors, gridsize=50, mincnt=1, bins="log", cmap="Blues", zorder=2)
    else:
        size, alpha = (26.0, 0.5) if len(errors) < 400 else (12.0, 0.35)
        axes.scatter(predicted, errors, s=size, color=TRAIN, alpha=alpha, linewidths=0, zorder=2)
    axes.axhline(0, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=3)
    bins = min(MOST_BINS, len(errors) // LEAST_ROWS)
    if bins >= 2:
        parts = np.array_split(np.argsort(predicted, kind="stable"), bins)
        middle = [float(np.median(predicted[part])) for part in parts]
        low, median, high = np.array([np.percentile(errors[part], (10, 50, 90)) for part in parts]).T
        axes.plot(
            middle, median, color=VALIDATION, linewidth=2.1, marker="o", markersize=4, zorder=5, label="median error"
        )
        for edge, label in ((low, "middle 80 %"), (high, None)):
            axes.plot(middle, edge, color=INK, linewidth=1.2, linestyle=(0, (2, 2)), zorder=4, label=label)
    legend(axes, "upper left")


def _draw_quantiles(axes: Axes, errors: Values) -> None:
    """Quantiles of the errors against those of a normal curve of the same mean and deviation."""
    count = min(QUANTILES, len(errors))
    places = (np.arange(count) + 0.5) / count
    normal = NormalDist()
    expected = errors.mean() + errors.std() * np.array([normal.inv_cdf(place) for place in places])
    axes.plot(
        expected, np.quantile(errors, places), color=TRAIN, linestyle="none", marker="o", markersize=4, alpha=0.7,
        zorder=3, label="errors",
    )  # fmt: skip
    axes.axline((0, 0), slope=1, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2, label="a normal curve")
    legend(axes, "upper left")
