"""Forecasts in a picture: a few windows with what came, and the error by the steps ahead, beside the naive forecast."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.text import plain, rounded
from trainwell.reports.picture import (
    FAINT,
    HEADING_INCHES,
    INK,
    MUTED,
    TRAIN,
    VALIDATION,
    legend,
    new_figure,
    style,
    write,
)  # fmt: skip

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

WIDTH, HEIGHT = 11.6, 6.2
# Of the past, this many times the horizon is drawn.
PAST_OVER_HORIZON = 2
NAIVE = "#8a94a3"


@dataclass(frozen=True)
class Windows:
    """A few windows of one column, in its own units.

    Attributes:
        name: The column.
        rows: (N,) row numbers of their first step to come.
        past: (N, window) what was known; no rows where it cannot be drawn.
        true: (N, horizon) what came.
        predicted: (N, horizon) the forecast.
        naive: (N, horizon) the naive forecast.
    """

    name: str
    rows: NDArray[np.int64]
    past: Values
    true: Values
    predicted: Values
    naive: Values


def draw_forecasts(windows: Windows, network: Values, naive: Values, path: Path, *, title: str) -> Path:
    """Draw up to four windows, from the easiest to the hardest, and the mean errors by step.

    Args:
        windows: What is drawn of single windows.
        network: (horizon,) mean absolute error of each step, in standard deviations of the target.
        naive: (horizon,) the same of the naive forecast.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.

    Returns:
        `path`.
    """
    count = len(windows.rows)
    facts = [plain(windows.name, 40)]
    if count:
        facts.append(f"mean absolute error {rounded(float(network.mean()), 3)} standard deviations")
        facts.append(f"naive forecast {rounded(float(naive.mean()), 3)}")
    else:
        facts.append("no finite forecast")
    figure = new_figure(WIDTH, HEIGHT, title, facts)
    edges = {"left": 0.06, "right": 0.985, "top": 1 - (HEADING_INCHES + 0.12) / HEIGHT, "bottom": 0.085}
    grid = figure.add_gridspec(2, 3, **edges, wspace=0.22, hspace=0.32, width_ratios=(1, 1, 0.9))
    for place in range(count):
        axes = figure.add_subplot(grid[place // 2, place % 2])
        _draw_window(axes, windows, place)
    _draw_steps(figure.add_subplot(grid[:, 2]), network, naive)
    return write(figure, path)


def _draw_window(axes: Axes, windows: Windows, place: int) -> None:
    true, predicted, naive = (part[place] for part in (windows.true, windows.predicted, windows.naive))
    horizon = len(true)
    style(axes, x_label="", y_label="")
    ahead = np.arange(1, horizon + 1)
    start = np.zeros(0)
    if len(windows.past):
        past = windows.past[place][-PAST_OVER_HORIZON * max(horizon, 6) :]
        axes.plot(np.arange(1 - len(past), 1), past, color=MUTED, linewidth=1.4, label="known", zorder=3)
        start = past[-1:]
    lines = (("actual", true, INK, 1.9, "-"), ("naive", naive, NAIVE, 1.3, (0, (2, 2))))
    for label, values, color, width, dashes in (*lines, ("forecast", predicted, VALIDATION, 2.1, "-")):
        _draw_line(axes, ahead, values, start, color=color, width=width, dashes=dashes, label=label)
    axes.axvspan(0, horizon + 0.5, color=FAINT, alpha=0.45, linewidth=0, zorder=1)
    axes.set_xlim(right=horizon + 0.5)
    error = rounded(float(np.abs(predicted - true).mean()), 3)
    names = ("easiest", "easier", "harder", "hardest") if len(windows.rows) == 4 else ("window",) * 4
    axes.set_title(
        f"{names[place]}, row {int(windows.rows[place]):,}: mean absolute error {error}", fontsize=9, color=MUTED,
        loc="left",
    )  # fmt: skip


def _draw_line(
    axes: Axes,
    ahead: NDArray[np.int64],
    values: Values,
    start: Values,
    *,
    color: str,
    width: float,
    dashes: str | tuple[int, tuple[int, int]],
    label: str,
) -> None:
    """A line that begins at the last known value; a single step is a dot as well."""
    x = np.concatenate([np.zeros(len(start)), ahead])
    y = np.concatenate([start, values])
    marker = "o" if len(values) <= 2 else ""
    axes.plot(x, y, color=color, linewidth=width, linestyle=dashes, marker=marker, markersize=4, label=label, zorder=4)


def _draw_steps(axes: Axes, network: Values, naive: Values) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - most processes never draw

    style(axes, x_label="steps ahead", y_label="")
    axes.set_title("mean absolute error, standard deviations", fontsize=9, color=MUTED, loc="left")
    steps = np.arange(1, len(network) + 1)
    marker = "o" if len(steps) <= 24 else ""
    axes.plot(
        steps, naive, color=NAIVE, linewidth=1.5, linestyle=(0, (2, 2)), marker=marker, markersize=3, label="naive"
    )
    axes.plot(steps, network, color=VALIDATION, linewidth=2.1, marker=marker, markersize=3.5, label="forecast")
    axes.plot([], [], color=MUTED, linewidth=1.4, label="known")
    axes.plot([], [], color=INK, linewidth=1.9, label="actual")
    better = network < naive
    axes.fill_between(steps, network, naive, where=better, color=TRAIN, alpha=0.08, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    legend(axes, "upper left")
