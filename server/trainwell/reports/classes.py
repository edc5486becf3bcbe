"""The confusion that grew: of each class the share that was found, epoch by epoch, and how often it was named.

Darker cells are better; the first, best and last shares stand in numbers, so that it reads without colour.
"""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.text import plain
from trainwell.reports.picture import INK, MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from trainwell.contract.trace import EpochRecord

MOST_CLASSES, MOST_COLUMNS = 16, 60
ROW_INCHES = 0.26
LONGEST_NAME = 18
# A share that fell by this much from its best is marked.
FELL = 0.1


def has_classes(epochs: Sequence[EpochRecord]) -> bool:
    """Whether classes were counted in at least two epochs."""
    return sum(bool(record.recalls) for record in epochs) > 1


def chosen(epochs: Sequence[EpochRecord]) -> list[int]:
    """The classes to show, in order: all, or those that end worst or fell most."""
    shares = _shares(epochs)
    if len(shares) <= MOST_CLASSES:
        return list(range(len(shares)))
    known = np.nan_to_num(shares, nan=1.0)
    trouble = (1 - known[:, -1]) + (known.max(axis=1) - known[:, -1])
    return sorted(np.argsort(-trouble, kind="stable")[:MOST_CLASSES].tolist())


def draw_classes(axes: Axes, epochs: Sequence[EpochRecord], names: Sequence[str] = ()) -> None:
    """Draw the share of each class that was found.

    Args:
        axes: The panel.
        epochs: With `recalls` in two epochs or more.
        names: Of all classes; their numbers where there are none.
    """
    shown, shares = chosen(epochs), _shares(epochs)
    counted = [record for record in epochs if record.recalls]
    axes.imshow(shares[shown][:, _columns(len(counted))], aspect="auto", cmap="Blues", vmin=0, vmax=1.25,
                interpolation="nearest", extent=(0, 1, len(shown) - 0.5, -0.5))  # fmt: skip
    labels = [plain(names[one] if one < len(names) else str(one), LONGEST_NAME) for one in shown]
    axes.set_yticks(range(len(shown)), labels, parse_math=False)
    axes.set_xticks([0, 1], [f"epoch {counted[0].epoch}", f"epoch {counted[-1].epoch}"])
    axes.tick_params(colors=INK, labelsize=8.5, length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("share of each class that was found, in validation", fontsize=9.5, color=MUTED, loc="left")
    for row, one in enumerate(shown):
        _beside(axes, row, _told(shares[one], counted[-1].predicted[one] if counted[-1].predicted else None))


def _shares(epochs: Sequence[EpochRecord]) -> NDArray[np.float64]:
    """(classes, epochs) shares in 0..1, NaN where a class has no rows."""
    rows = [[np.nan if share is None else share for share in record.recalls] for record in epochs if record.recalls]
    return np.array(rows, dtype=np.float64).T


def _columns(count: int) -> list[int]:
    """Epochs to show, evenly chosen, the first and the last among them."""
    if count <= MOST_COLUMNS:
        return list(range(count))
    return [round(place * (count - 1) / (MOST_COLUMNS - 1)) for place in range(MOST_COLUMNS)]


def _told(shares: NDArray[np.float64], named: int | None) -> str:
    known = shares[np.isfinite(shares)]
    if not len(known):
        return "no rows"
    fell = known.max() - known[-1] > FELL
    course = f"{known[0]:.0%} \u2192 {known[-1]:.0%}" + (f"  \u25bc from {known.max():.0%}" if fell else "")
    often = "" if named is None else ("  never named" if named == 0 else f"  named {named:,} times")
    return course + often


def _beside(axes: Axes, row: int, text: str) -> None:
    axes.annotate(
        text, (1, row), xycoords=axes.get_yaxis_transform(), xytext=(8, 0), textcoords="offset points", ha="left",
        va="center", fontsize=8.5, color=INK, annotation_clip=False,
    )  # fmt: skip
