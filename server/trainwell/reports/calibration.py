"""Whether probabilities mean what they say, in a picture: confidence against what came true, and how it is spread."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from trainwell.contract.text import rounded
from trainwell.reports.picture import (
    HEADING_INCHES,
    INK,
    MUTED,
    PAPER,
    TRAIN,
    VALIDATION,
    legend,
    new_figure,
    style,
    write,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

WIDTH, HEIGHT = 6.4, 7.4


class ReliabilityBin(Protocol):
    """Rows of similar confidence: its mean, the share that came true with a 95 % interval, how many there are."""

    @property
    def confidence(self) -> float: ...  # noqa: D102
    @property
    def share(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102


def draw_calibration(
    bins: Sequence[ReliabilityBin], confidence: NDArray[np.float64], path: Path, *, title: str, error: float, what: str
) -> Path:
    """Draw the share that came true of rows of similar confidence, above a histogram of the confidences.

    Args:
        bins: From the lowest confidence to the highest.
        confidence: (N,) all confidences, 0 to 1.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.
        error: The expected calibration error.
        what: What the confidences are of, in words.

    Returns:
        `path`.
    """
    sure = float(confidence.mean()) if len(confidence) else float("nan")
    facts = [f"calibration error {rounded(error, 3)}", what, f"mean confidence {rounded(sure, 3)}"]
    if bins:
        mean = sum(one.share * one.rows for one in bins) / sum(one.rows for one in bins)
        facts.append(f"came true {rounded(mean, 3)}")
    figure = new_figure(WIDTH, HEIGHT, title, facts)
    edges = {"left": 0.115, "right": 0.965, "top": 1 - (HEADING_INCHES + 0.05) / HEIGHT, "bottom": 0.075}
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={**edges, "hspace": 0.08, "height_ratios": (4, 1)})
    style(upper, x_label="", y_label="share that came true")
    style(lower, x_label="confidence", y_label="rows")
    _draw_bins(upper, bins)
    if len(confidence):
        lower.hist(
            confidence, bins=np.linspace(0, 1, 41), color=TRAIN, alpha=0.8, edgecolor=PAPER, linewidth=0.5, zorder=3
        )
    upper.set_xlim(-0.02, 1.02)
    upper.set_ylim(-0.02, 1.02)
    return write(figure, path)


def _draw_bins(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2, label="as sure as right")
    x, y = [one.confidence for one in bins], [one.share for one in bins]
    reach = np.array([[one.share - one.low for one in bins], [one.high - one.share for one in bins]]).clip(min=0)
    axes.errorbar(
        x, y, yerr=reach, color=VALIDATION, linewidth=1.8, marker="o", markersize=6, elinewidth=1.3, ecolor=INK,
        capsize=3, zorder=4, label="network, with 95 % intervals",
    )  # fmt: skip
    axes.text(0.98, 0.06, "below the line: too sure", fontsize=9, color=MUTED, ha="right", transform=axes.transAxes)
    axes.text(0.02, 0.8, "above: too modest", fontsize=9, color=MUTED, transform=axes.transAxes)
    legend(axes, "upper left")
