"""The range test: loss over learning rate, the suggested rate marked."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.text import rounded
from trainwell.reports.picture import HEADING_INCHES, MUTED, TRAIN, VALIDATION, legend, new_figure, style, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WIDTH, HEIGHT = 7.2, 4.5
# The loss axis ends this many times the fall above the start: what diverges may leave the picture.
ROOM_ABOVE = 0.5


def draw_range_test(
    rates: Sequence[float], losses: Sequence[float], path: Path, *, title: str, suggested: float | None
) -> Path:
    """Draw a range test.

    Args:
        rates: Learning rates, rising.
        losses: The smoothed loss after the step at each; what is not finite is left out.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.
        suggested: The rate to mark, or None.

    Returns:
        `path`.
    """
    shown = [(rate, loss) for rate, loss in zip(rates, losses, strict=True) if math.isfinite(loss)]
    fact = "no rate moved the loss" if suggested is None else f"suggested learning rate {suggested:.2g}"
    figure = new_figure(WIDTH, HEIGHT, title, [fact, f"{len(rates)} steps"])
    edges = {"left": 0.1, "right": 0.97, "top": 1 - HEADING_INCHES / HEIGHT, "bottom": 0.125}
    axes = figure.subplots(1, 1, gridspec_kw=edges)
    style(axes, x_label="learning rate", y_label="loss (smoothed)")
    axes.set_xscale("log")
    if shown:
        axes.plot([rate for rate, _ in shown], [loss for _, loss in shown], color=TRAIN, linewidth=1.9, label="loss")
        low, high = min(loss for _, loss in shown), max(loss for _, loss in shown)
        top = min(high, shown[0][1] + ROOM_ABOVE * (shown[0][1] - low))
        room = max(0.05 * (top - low), 1e-3 * abs(top), 1e-9)
        axes.set_ylim(low - room, top + room)
        lowest = min(shown, key=lambda point: point[1])[0]
        axes.axvline(lowest, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=f"lowest at {rounded(lowest, 2)}")
    if suggested is not None:
        axes.axvline(suggested, color=VALIDATION, linewidth=2, label=f"suggested {suggested:.2g}")
    legend(axes)
    return write(figure, path)
