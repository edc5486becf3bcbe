"""What an answer rests on, in a picture: bars with intervals, the most important at the top."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from trainwell.contract.text import plain, rounded
from trainwell.reports.picture import HEADING_INCHES, INK, MUTED, TRAIN, new_figure, style, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

MOST_BARS = 20
LONGEST_NAME = 28
WIDTH, BAR_INCHES = 8.4, 0.32


class Bar(Protocol):
    """A feature: its importance and, where known, a 95 % interval."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def importance(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102


def draw_importance(bars: Sequence[Bar], path: Path, *, title: str, unit: str, rows: int) -> Path:
    """Draw the first bars.

    Args:
        bars: The most important first.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.
        unit: What an importance is.
        rows: How many rows were looked at.

    Returns:
        `path`.
    """
    shown = list(bars[:MOST_BARS])
    facts = [unit, f"{rows:,} rows", "95 % intervals"]
    facts += [f"{len(bars) - len(shown)} more not shown"] if len(bars) > len(shown) else []
    size, below = max(BAR_INCHES * len(shown), 0.9), 0.55
    height = HEADING_INCHES + 0.1 + size + below
    longest = max((min(len(one.name), LONGEST_NAME) for one in shown), default=1)
    left = 0.085 * longest + 0.5
    figure = new_figure(WIDTH, height, title, facts)
    axes = figure.add_axes((left / WIDTH, below / height, (WIDTH - left - 0.9) / WIDTH, size / height))
    style(axes, x_label="", y_label="")
    _draw_bars(axes, shown)
    axes.set_yticks(range(len(shown)), [plain(one.name, LONGEST_NAME) for one in shown], parse_math=False)
    axes.tick_params(axis="y", colors=INK)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(shown) - 0.4, -0.6)
    return write(figure, path)


def _draw_bars(axes: Axes, bars: Sequence[Bar]) -> None:
    axes.barh(range(len(bars)), [one.importance for one in bars], height=0.66, color=TRAIN, alpha=0.55, zorder=2)
    axes.axvline(0, color=MUTED, linewidth=1.0, zorder=3)
    for place, one in enumerate(bars):
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [place, place], color=INK, linewidth=1.6, zorder=4, marker="|", markersize=8)
        axes.annotate(
            rounded(one.importance, 3), (1, place), xytext=(7, 0), xycoords=axes.get_yaxis_transform(),
            textcoords="offset points", ha="left", va="center", fontsize=8.5, color=MUTED, annotation_clip=False,
        )  # fmt: skip
