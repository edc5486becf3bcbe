"""What a threshold costs, in a picture: ROC and precision-recall curves, told apart by dashes and marks."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwell.contract.text import plain, rounded
from trainwell.reports.picture import HEADING_INCHES, INK, MUTED, TRAIN, VALIDATION, legend, new_figure, style, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

WIDTH, HEIGHT = 6.4, 6.8
LONGEST_NAME = 24
# Colour, dashes and mark of each curve: any one of the three is enough to tell them apart.
_LOOKS = (
    (TRAIN, "-", "o"), (VALIDATION, (0, (6, 2)), "s"), (INK, (0, (2, 2)), "^"), ("#7b5ea7", (0, (6, 2, 1, 2)), "D"),
    ("#2b8a6e", (0, (1, 1)), "v"), ("#8a94a3", (0, (9, 3)), "P"),
)  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """One class or label: points of the curve, the area under it, and how many of the rows are of it (0 to 1)."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: float
    share: float


def draw_roc(curves: Sequence[Curve], path: Path, *, title: str, of: int, mean: float) -> Path:
    """Draw true against false alarms.

    Args:
        curves: At most six, x the rate of false alarms, y of true ones.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.
        of: How many classes or labels there are; those drawn are the worst.
        mean: Of the areas of all of them.

    Returns:
        `path`.
    """
    figure, axes = _panel(
        curves, title, of, f"area under the curve {rounded(mean, 4)}", ("false alarms", "found (recall)")
    )
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2, label="by chance")
    _draw(axes, curves)
    legend(axes, "lower right")
    return write(figure, path)


def draw_precision_recall(curves: Sequence[Curve], path: Path, *, title: str, of: int, mean: float) -> Path:
    """Draw precision against recall, with the share of the rows as what chance gives; arguments as of `draw_roc`."""
    figure, axes = _panel(
        curves, title, of, f"average precision {rounded(mean, 4)}", ("found (recall)", "right among found (precision)")
    )
    for curve, (colour, *_) in zip(curves, _LOOKS, strict=False):
        axes.axhline(curve.share, color=colour, linewidth=0.9, linestyle=(0, (1, 3)), zorder=2)
    axes.plot([], [], color=MUTED, linewidth=0.9, linestyle=(0, (1, 3)), label="by chance")
    _draw(axes, curves)
    legend(axes, "lower left")
    return write(figure, path)


def _panel(curves: Sequence[Curve], title: str, of: int, score: str, labels: tuple[str, str]) -> tuple[Figure, Axes]:
    facts = [score if of <= 1 else f"mean {score}"] if of else ["no class occurs beside others"]
    facts += [f"the worst {len(curves)} of {of} are drawn"] if of > len(curves) else []
    figure = new_figure(WIDTH, HEIGHT, title, facts)
    bottom, left = 0.6 / HEIGHT, 0.7 / WIDTH
    axes = figure.add_axes((left, bottom, 0.965 - left, 1 - bottom - (HEADING_INCHES + 0.05) / HEIGHT))
    style(axes, x_label=labels[0], y_label=labels[1])
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    return figure, axes


def _draw(axes: Axes, curves: Sequence[Curve]) -> None:
    for curve, (colour, dashes, mark) in zip(curves, _LOOKS, strict=False):
        axes.plot(
            curve.x, curve.y, color=colour, linewidth=1.9, linestyle=dashes, marker=mark, markersize=5,
            markevery=max(1, len(curve.x) // 8), zorder=4, clip_on=False,
            label=f"{plain(curve.name, LONGEST_NAME)}: {curve.area:.3f}",
        )  # fmt: skip
