"""How good a network is on each of many labels, in a picture: F1 as bars, precision and recall as marks."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.text import plain, rounded
from trainwell.reports.picture import HEADING_INCHES, INK, MUTED, TRAIN, VALIDATION, new_figure, style, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# More labels than this are left out: those with the lowest F1 stay.
MOST_LABELS = 30
LONGEST_NAME = 24
WIDTH, BAR_INCHES = 8.4, 0.3


def draw_labels(
    due: NDArray[np.float64],
    given: NDArray[np.float64],
    hits: NDArray[np.float64],
    names: Sequence[str],
    path: Path,
    *,
    title: str,
    exact: float,
) -> Path:
    """Draw F1 by label, the lowest at the top.

    Args:
        due: (K,) rows that each label applies to.
        given: (K,) rows that the network gives it to.
        hits: (K,) rows where both hold.
        names: K names; cut and never read as mathematics.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.
        exact: Share of the rows whose labels are all right.

    Returns:
        `path`.
    """
    f1 = 2 * hits / np.maximum(due + given, 1)
    known = np.flatnonzero(due + given > 0)
    shown = known[np.argsort(f1[known], kind="stable")][:MOST_LABELS]
    micro = 2 * float(hits.sum()) / max(float(due.sum() + given.sum()), 1)
    facts = [f"F1 {rounded(micro, 3)} over all labels", f"{exact:.1%} of the rows exactly right"]
    facts += [f"{len(names) - len(shown)} labels not shown"] if len(names) > len(shown) else []
    longest = max((min(len(names[number]), LONGEST_NAME) for number in shown), default=1)
    left, below = 0.085 * longest + 0.6, 0.65
    size = max(BAR_INCHES * len(shown), 1.2)
    height = HEADING_INCHES + 0.35 + size + below
    figure = new_figure(WIDTH, height, title, facts)
    axes = figure.add_axes((left / WIDTH, below / height, (WIDTH - left - 1.3) / WIDTH, size / height))
    style(axes, x_label="", y_label="")
    axes.set_xlim(0, 1)
    _draw_bars(axes, f1[shown], due[shown])
    _draw_marks(axes, hits[shown], given[shown], VALIDATION, "o", "precision")
    _draw_marks(axes, hits[shown], due[shown], INK, "|", "recall")
    labels = [plain(names[int(number)], LONGEST_NAME) for number in shown]
    axes.set_yticks(range(len(shown)), labels, parse_math=False)
    axes.tick_params(axis="y", colors=INK)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(shown) - 0.4, -0.6)
    _name_marks(axes)
    return write(figure, path)


def _draw_bars(axes: Axes, f1: NDArray[np.float64], due: NDArray[np.float64]) -> None:
    axes.barh(range(len(f1)), f1, height=0.68, color=TRAIN, alpha=0.55, linewidth=0, zorder=2, label="F1")
    for place, (value, rows) in enumerate(zip(f1.tolist(), due.tolist(), strict=True)):
        axes.annotate(
            f"{value:.2f}   {int(rows):,} rows", (1, place), xytext=(7, 0), xycoords=axes.get_yaxis_transform(),
            textcoords="offset points", ha="left", va="center", fontsize=8.5, color=MUTED, annotation_clip=False,
        )  # fmt: skip


def _draw_marks(
    axes: Axes, hits: NDArray[np.float64], of: NDArray[np.float64], color: str, marker: str, label: str
) -> None:
    """Marks at hits / of, where there is something to divide by."""
    places = np.flatnonzero(of > 0)
    axes.plot(
        hits[places] / of[places], places, marker=marker, markersize=6 if marker == "o" else 11, color=color,
        markeredgewidth=2 if marker == "|" else 0, linestyle="none", zorder=4, label=label, clip_on=False,
    )  # fmt: skip


def _name_marks(axes: Axes) -> None:
    """A legend in one line below the axis: beside bars of any length nothing else is free."""
    handles, labels = axes.get_legend_handles_labels()
    box = axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=axes.transAxes, ncols=3, fontsize=9,
        labelcolor=INK, frameon=False, borderaxespad=2.2, handlelength=1.4,
    )  # fmt: skip
    box.set_zorder(6)
