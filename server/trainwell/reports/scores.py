"""How good a network is, in a picture: a confusion matrix, or predicted against true values."""
# pyright: reportUnknownMemberType=false
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.text import plain, rounded
from trainwell.reports.picture import (
    ALARM,
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

# More classes than this are summed into one row: the picture keeps those with the most errors.
MOST_CLASSES = 24
LONGEST_NAME = 14
# Names up to this length stand upright below their column.
LONGEST_FLAT_NAME = 3
# More points than this are drawn as density, not as dots.
MOST_DOTS = 2500


def draw_confusion(matrix: NDArray[np.int64], classes: Sequence[str], path: Path, *, title: str) -> Path:
    """Draw a confusion matrix: right answers in blue, wrong ones in orange, each as its share of the row.

    Args:
        matrix: (K, K) counts, rows are true classes, columns are predicted ones.
        classes: K names; cut and never read as mathematics.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.

    Returns:
        `path`.
    """
    total, right = int(matrix.sum()), int(np.trace(matrix))
    counts, names = _most_confused(np.asarray(matrix), [_cut(name) for name in classes])
    longest = max((len(name) for name in names), default=1)
    flat = longest <= LONGEST_FLAT_NAME
    size = max(0.42 * len(names), 2.6)
    left, below = 0.085 * longest + 0.75, 0.7 if flat else 0.06 * longest + 0.75
    width, height = max(left + size + 0.85, 5.2), HEADING_INCHES + 0.3 + size + below
    facts = [f"{right:,} of {total:,} rows right ({right / total:.1%})" if total else "no rows"]
    figure = new_figure(width, height, title, facts)
    axes = figure.add_axes((left / width, below / height, size / width, size / height))
    _draw_cells(axes, counts, names, rotation=0 if flat else 45)
    return write(figure, path)


def _cut(name: str) -> str:
    """A class name at its place: long ones keep their beginning and their end, where they differ."""
    shown = plain(name, 4 * LONGEST_NAME)
    half = LONGEST_NAME // 2
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:half]}\u2026{shown[-half + 1 :]}"


def _most_confused(counts: NDArray[np.int64], names: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    """At most 24 rows and columns: the classes with the most errors, in their order, and the sum of the others."""
    if len(names) <= MOST_CLASSES:
        return counts, names
    right = np.diag(counts)
    errors = counts.sum(axis=1) + counts.sum(axis=0) - 2 * right
    kept = np.sort(np.argsort(-errors, kind="stable")[: MOST_CLASSES - 1])
    group = np.full(len(names), len(kept))
    group[kept] = np.arange(len(kept))
    rows = np.zeros((len(kept) + 1, len(names)), dtype=counts.dtype)
    np.add.at(rows, group, counts)
    summed = np.zeros((len(kept) + 1, len(kept) + 1), dtype=counts.dtype)
    np.add.at(summed.T, group, rows.T)
    return summed, [*(names[index] for index in kept), f"{len(names) - len(kept)} others"]


def _draw_cells(axes: Axes, counts: NDArray[np.int64], names: list[str], *, rotation: int) -> None:
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    axes.imshow(_colours(shares), aspect="equal", interpolation="nearest")
    places = range(len(names))
    where = "right" if rotation else "center"
    axes.set_xticks(places, names, rotation=rotation, ha=where, rotation_mode="anchor", parse_math=False)
    axes.set_yticks(places, names, parse_math=False)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", color=PAPER, linewidth=1.4)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted", fontsize=10, color=MUTED)
    axes.set_ylabel("true", fontsize=10, color=MUTED)
    _write_counts(axes, counts, shares)


def _colours(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, K, 3) colours: blue on the diagonal, orange beside it, stronger with the share of the row."""
    from matplotlib.colors import to_rgb

    paper, blue, orange = (np.array(to_rgb(name)) for name in ("#f6f8fa", TRAIN, VALIDATION))
    # The square root lifts small shares: two wrong rows in a hundred must be visible.
    strength = np.sqrt(shares)[..., None]
    full = np.where(np.eye(len(shares), dtype=bool)[..., None], blue, orange)
    return paper + (full - paper) * strength


def _write_counts(axes: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    """The count in each cell that is not empty, and the recall at the end of each row."""
    last = len(counts)
    for row in range(last):
        for column in range(last):
            count, share = int(counts[row, column]), float(shares[row, column])
            if count:
                axes.text(
                    column, row, _short(count), ha="center", va="center", fontsize=9 if count < 10_000 else 7.5,
                    color=PAPER if share > 0.35 else INK, fontweight="bold" if row == column else "normal",
                )  # fmt: skip
        _beside(axes, row, _recall(float(shares[row, row])) if counts[row].sum() else "no rows")
    _beside(axes, -0.5, "recall", above=True)


def _recall(share: float) -> str:
    """In per cent; a single miss must never read as 100 %."""
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _beside(axes: Axes, row: float, text: str, *, above: bool = False) -> None:
    """A word to the right of the cells, at a row or just above the first one."""
    axes.annotate(
        text, (1, row), xycoords=axes.get_yaxis_transform(), xytext=(7, 9 if above else 0),
        textcoords="offset points", ha="left", va="center", fontsize=9, color=MUTED, annotation_clip=False,
    )  # fmt: skip


def _short(count: int) -> str:
    if count < 10_000:
        return str(count)
    return f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


def draw_regression(true: NDArray[np.float64], predicted: NDArray[np.float64], path: Path, *, title: str) -> Path:
    """Draw predicted against true values, and how the errors are spread.

    Args:
        true: (N,) values in the target's own units.
        predicted: (N,) predictions in the same units; rows that are not finite are left out and counted.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading.

    Returns:
        `path`.
    """
    true, predicted = np.asarray(true, dtype=np.float64).ravel(), np.asarray(predicted, dtype=np.float64).ravel()
    usable = np.isfinite(true) & np.isfinite(predicted)
    width, height = 10.4, 4.8
    figure = new_figure(width, height, title, _fit_in_words(true[usable], predicted[usable], int((~usable).sum())))
    edges = {"left": 0.078, "right": 0.975, "top": 1 - HEADING_INCHES / height, "bottom": 0.12}
    left, right = figure.subplots(1, 2, gridspec_kw={**edges, "wspace": 0.2})
    style(left, x_label="true", y_label="predicted")
    style(right, x_label="error (predicted minus true)", y_label="rows")
    if usable.any():
        _draw_points(left, true[usable], predicted[usable])
        _draw_errors(right, predicted[usable] - true[usable])
    return write(figure, path)


def _fit_in_words(true: NDArray[np.float64], predicted: NDArray[np.float64], left_out: int) -> list[str]:
    if not len(true):
        return ["no finite rows"]
    errors = predicted - true
    spread = float(((true - true.mean()) ** 2).sum())
    r2 = [f"R\u00b2 {rounded(1 - float((errors**2).sum()) / spread, 3)}"] if spread > 0 else []
    rmse, mae = float(np.sqrt((errors**2).mean())), float(np.abs(errors).mean())
    note = [f"{left_out:,} not finite, left out"] if left_out else []
    return [f"{len(true):,} rows", *r2, f"RMSE {rounded(rmse, 3)}", f"mean absolute error {rounded(mae, 3)}", *note]


def _draw_points(axes: Axes, true: NDArray[np.float64], predicted: NDArray[np.float64]) -> None:
    """Dots or their density around the line of perfect predictions; those far off stand at the edge as marks."""
    span = float(np.ptp(true)) or 1.0
    low = float(np.clip(predicted.min(), true.min() - span / 2, true.min()))
    high = float(np.clip(predicted.max(), true.max(), true.max() + span / 2))
    room = 0.04 * (high - low) or 1.0
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(low - room, high + room)
    axes.axline((low, low), slope=1, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=4, label="perfect")
    far = (predicted < low) | (predicted > high)
    if len(true) > MOST_DOTS:
        extent = (low - room, high + room, low - room, high + room)
        near = true[~far], predicted[~far]
        axes.hexbin(*near, gridsize=55, extent=extent, mincnt=1, bins="log", cmap="Blues", zorder=3)
    else:
        size, alpha = (26.0, 0.6) if len(true) < 400 else (12.0, 0.4)
        axes.scatter(true[~far], predicted[~far], s=size, color=TRAIN, alpha=alpha, linewidths=0, zorder=3)
    if far.any():
        edge = np.clip(predicted[far], low - room / 2, high + room / 2)
        label = f"{int(far.sum()):,} beyond the edge"
        axes.scatter(true[far], edge, marker="x", s=34, color=ALARM, linewidths=1.6, zorder=5, label=label)
    legend(axes, "upper left")


def _draw_errors(axes: Axes, errors: NDArray[np.float64]) -> None:
    """A histogram within the 1st and 99th percentile's reach, doubled; the rest is counted in words."""
    reach = 2.0 * float(np.abs(np.percentile(errors, [1, 99])).max()) or 1.0
    inside = errors[np.abs(errors) <= reach]
    bins = int(np.clip(np.sqrt(len(inside)) * 1.5, 8, 50))
    axes.hist(inside, bins=bins, color=TRAIN, alpha=0.8, edgecolor=PAPER, linewidth=0.6, zorder=3)
    axes.axvline(0, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=4)
    bias = float(errors.mean())
    axes.axvline(bias, color=VALIDATION, linewidth=1.8, zorder=5, label=f"mean error {rounded(bias, 3)}")
    outside = len(errors) - len(inside)
    if outside:
        axes.plot([], [], marker="x", color=ALARM, linestyle="none", label=f"{outside:,} further out, not shown")
    legend(axes, "upper right")
