"""The learning curves of several runs in one picture: validation loss on the left, the metric on the right."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.text import plain
from trainwell.reports.picture import HEADING_INCHES, legend, new_figure, style, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from trainwell.contract.trace import EpochRecord

WIDTH, HEIGHT = 10.4, 4.5
#: Paul Tol's bright and muted schemes: they stay apart for every common colour blindness.
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#332288", "#117733", "#882255", "#999933",
           "#cc6677", "#44aa99")  # fmt: skip
LOG_FROM = 15.0
DEEPEST_SCORE = 1.5
_LOWER_IS_BETTER = ("val_loss", "val_rmse")

Curve = tuple[str, "Sequence[EpochRecord]"]


def draw_comparison(curves: Sequence[Curve], path: Path, *, metric: str) -> Path:
    """Draw the runs.

    Args:
        curves: Each run's name and epochs, the best run first; colours go round after twelve.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        metric: The field of an epoch on the right.

    Returns:
        `path`.
    """
    figure = new_figure(WIDTH, HEIGHT, f"{len(curves)} runs by {metric}", ["the best first", "dots mark best epochs"])
    edges = {"left": 0.072, "right": 0.975, "top": 1 - HEADING_INCHES / HEIGHT, "bottom": 0.125}
    left, right = figure.subplots(1, 2, gridspec_kw={**edges, "wspace": 0.17})
    for axes, field, label in ((left, "val_loss", "validation loss"), (right, metric, metric)):
        style(axes, x_label="epoch", y_label=label)
        shown = [value for place, curve in enumerate(curves) for value in _line(axes, curve, field, place)]
        _limits(axes, shown, field)
    legend(right)
    return write(figure, path)


def _line(axes: Axes, curve: Curve, field: str, place: int) -> list[float]:
    """One run's finite values, its best one marked. Returns: the values."""
    name, epochs = curve
    pairs = [(one.epoch, value) for one in epochs if (value := vars(one)[field]) is not None and math.isfinite(value)]
    if not pairs:
        return []
    numbers, values = [epoch for epoch, _ in pairs], [value for _, value in pairs]
    colour = COLOURS[place % len(COLOURS)]
    axes.plot(numbers, values, color=colour, linewidth=1.7, label=plain(name, 32), zorder=3)
    best = (min if field in _LOWER_IS_BETTER else max)(pairs, key=lambda pair: pair[1])
    axes.plot(*best, marker="o", markersize=6, color=colour, markeredgecolor="white", linestyle="none", zorder=4)
    return values


def _limits(axes: Axes, shown: list[float], field: str) -> None:
    """A log axis for losses that span much; one wild epoch may not flatten the scores of the rest."""
    if not shown:
        axes.text(0.5, 0.5, "no epochs yet", transform=axes.transAxes, ha="center", va="center")
    elif field in _LOWER_IS_BETTER:
        if 0 < min(shown) < max(shown) / LOG_FROM:
            axes.set_yscale("log")
    elif min(shown) < max(shown) - DEEPEST_SCORE:
        axes.set_ylim(max(shown) - DEEPEST_SCORE, max(shown) + 0.05)
