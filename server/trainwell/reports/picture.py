"""The common look of our pictures, and writing them so that nobody ever sees half a file.

matplotlib is imported inside the functions: most processes never draw.
"""
# pyright: reportUnknownMemberType=false
# ruff: noqa: PLC0415

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

from trainwell.contract.text import plain
from trainwell.store.atomic import place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 110
INK, MUTED, FAINT, PAPER = "#1f2933", "#6b7785", "#e3e8ee", "#ffffff"
# Blue and vermilion stay apart for every common colour blindness.
TRAIN, VALIDATION, RATE, ALARM = "#3b6fb6", "#e06c1f", "#b9a5d8", "#c0182b"
# Letters of the bold title that fit into an inch.
TITLE_LETTERS_PER_INCH = 7.5
Place = Literal["best", "upper left", "upper right", "lower left", "lower right"]
SEPARATOR = "  \u00b7  "
# Height of the heading above the panels, in inches.
HEADING_INCHES = 0.82


def new_figure(width: float, height: float, title: str, facts: Sequence[str]) -> Figure:
    """A white figure of `width` by `height` inches with a heading, title and facts in one line; panels go below.

    The title may come from an agent or from data: it is cut, and never read as mathematics.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=PAPER)
    FigureCanvasAgg(figure)
    figure.text(
        0.3 / width, 1 - 0.32 / height, plain(title, int((width - 0.6) * TITLE_LETTERS_PER_INCH)),
        fontsize=13, fontweight="bold", color=INK, va="center", parse_math=False,
    )  # fmt: skip
    line = SEPARATOR.join(facts)
    figure.text(0.3 / width, 1 - 0.6 / height, line, fontsize=9.5, color=MUTED, va="center", parse_math=False)
    return figure


def style(axes: Axes, *, x_label: str, y_label: str) -> None:
    """Quiet axes: two thin spines, a faint grid behind the data, small grey ticks."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#c3ccd6")
    axes.grid(visible=True, color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=MUTED, labelsize=9, length=0)
    axes.set_xlabel(x_label, fontsize=10, color=MUTED)
    axes.set_ylabel(y_label, fontsize=10, color=MUTED)


def legend(axes: Axes, corner: Place = "best") -> None:
    """A legend without a frame, on a veil of paper, never read as mathematics; none without labelled lines."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        box = axes.legend(handles, labels, fontsize=9, labelcolor=INK, loc=corner, handlelength=1.6, borderpad=0.4)
        for text in box.get_texts():
            text.set_parse_math(False)
        box.get_frame().set(facecolor=PAPER, edgecolor="none", alpha=0.85)


def write(figure: Figure, path: Path) -> Path:
    """Save the figure as PNG at `path`; a reader sees the old picture or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # A class name may hold letters that the font lacks; boxes are better than no picture.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
        metadata = {"Software": None}
        place(path, lambda part: figure.savefig(part, format="png", dpi=DOTS_PER_INCH, metadata=metadata))
    return path
