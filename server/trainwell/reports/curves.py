"""Learning curves: loss on the left, score on the right, the best epoch marked, the rate as a faint line."""
# pyright: reportUnknownMemberType=false
# ruff: noqa: PLC0415

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwell.contract.text import rounded
from trainwell.reports.marks import LINE_INCHES, draw_marks, marks_of, write_marks
from trainwell.reports.picture import (
    ALARM,
    HEADING_INCHES,
    MUTED,
    RATE,
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

    from trainwell.contract.findings import Finding
    from trainwell.contract.trace import EpochRecord
    from trainwell.reports.marks import Mark

WIDTH, HEIGHT = 10.4, 4.5
# Losses that span more than this factor are drawn on a log scale.
LOG_FROM = 15.0
# With at most this many epochs each one gets a dot.
DOTS_UP_TO = 25
# The score axis never reaches further below the best score than this: one wild epoch must not flatten the rest.
DEEPEST_SCORE = 1.5
_SCORES = {
    "val_accuracy": "accuracy", "val_balanced_accuracy": "balanced accuracy", "val_f1": "F1", "val_r2": "R²",
    "val_rmse": "RMSE",
}  # fmt: skip
_LOWER_IS_BETTER = ("val_rmse",)

Points = tuple[list[int], list[float]]


def draw_curves(
    epochs: Sequence[EpochRecord], path: Path, *, title: str, score_name: str = "val_accuracy",
    findings: Sequence[Finding] = (),
) -> Path:  # fmt: skip
    """Draw the learning curves of a run.

    Args:
        epochs: The recorded epochs, in order; may be empty. NaN and infinite losses become marks at the upper edge.
        path: Where the PNG goes; written to a temporary file beside it and renamed.
        title: Heading, cut to the width of the picture.
        score_name: Epoch field that chose the best weights: a key of `_SCORES`.
        findings: Marked by number where they happened, told in words below.

    Returns:
        `path`.
    """
    marks = marks_of(findings, epochs)
    below = LINE_INCHES * len(marks)
    height = HEIGHT + below
    figure = new_figure(WIDTH, height, title, facts(epochs, score_name))
    edges = {"left": 0.072, "right": 0.975, "top": 1 - HEADING_INCHES / height, "bottom": (below + 0.56) / height}
    left, right = figure.subplots(1, 2, gridspec_kw={**edges, "wspace": 0.17})
    draw_both(left, right, epochs, score_name, marks)
    write_marks(figure, marks, below - 0.02)
    return write(figure, path)


def draw_both(left: Axes, right: Axes, epochs: Sequence[EpochRecord], score_name: str, marks: Sequence[Mark]) -> None:
    """The losses and the scores, each in its panel, with marks."""
    best = _best(epochs, score_name)
    _draw_loss(left, epochs, best)
    _draw_score(right, epochs, best, score_name)
    for axes in (left, right):
        draw_marks(axes, marks)


def facts(epochs: Sequence[EpochRecord], score_name: str) -> list[str]:
    """The heading's second line, piece by piece."""
    return _facts(epochs, _best(epochs, score_name), score_name)


def _points(epochs: Sequence[EpochRecord], name: str) -> Points:
    """Epoch numbers and finite values of a field."""
    pairs = [(record.epoch, vars(record)[name]) for record in epochs]
    kept = [(epoch, value) for epoch, value in pairs if value is not None and math.isfinite(value)]
    return [epoch for epoch, _ in kept], [value for _, value in kept]


def _broken(epochs: Sequence[EpochRecord], *names: str) -> list[int]:
    """Epochs in which one of the fields was measured and is not finite."""
    return [
        record.epoch
        for record in epochs
        if any((value := vars(record)[name]) is not None and not math.isfinite(value) for name in names)
    ]


def _best(epochs: Sequence[EpochRecord], score_name: str) -> EpochRecord | None:
    """The epoch with the best finite score, or with the lowest finite validation loss where there is no score."""
    scored = [record for record in epochs if _is_number(vars(record)[score_name])]
    if scored:
        sign = -1.0 if score_name in _LOWER_IS_BETTER else 1.0
        return max(scored, key=lambda record: (sign * vars(record)[score_name], -_loss(record)))
    judged = [record for record in epochs if record.val_loss is not None and math.isfinite(record.val_loss)]
    return min(judged, key=lambda record: record.val_loss or 0.0, default=None)


def _loss(record: EpochRecord) -> float:
    """What decides among equal scores, as it does when the best weights are kept."""
    return record.val_loss if record.val_loss is not None and math.isfinite(record.val_loss) else math.inf


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _facts(epochs: Sequence[EpochRecord], best: EpochRecord | None, score_name: str) -> list[str]:
    facts = [_counted(len(epochs), "epoch")]
    if best is None:
        facts.append("no finite score")
    else:
        score, name = vars(best)[score_name], _SCORES.get(score_name, score_name)
        named = [f"{name} {rounded(score)}"] if score is not None else []
        named += [f"loss {rounded(best.val_loss)}"] if best.val_loss is not None else []
        facts.append(f"best validation {', '.join(named)} at epoch {best.epoch}")
    broken = _broken(epochs, "train_loss", "val_loss")
    return [*facts, f"loss not finite in {_counted(len(broken), 'epoch')}"] if broken else facts


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _line(axes: Axes, points: Points, *, color: str, label: str) -> None:
    numbers, values = points
    if numbers:
        # Without colour the two are told apart by their marks and by the breaks of the line.
        shape, breaks = ("s", (0, (6, 1.2))) if color == VALIDATION else ("o", "-")
        marker = shape if len(numbers) <= DOTS_UP_TO else ""
        axes.plot(
            numbers, values, color=color, linewidth=1.9, linestyle=breaks, marker=marker, markersize=3.2, label=label,
            zorder=3,
        )  # fmt: skip


def _draw_loss(axes: Axes, epochs: Sequence[EpochRecord], best: EpochRecord | None) -> None:
    style(axes, x_label="epoch", y_label="loss")
    train, val = _points(epochs, "train_loss"), _points(epochs, "val_loss")
    _line(axes, train, color=TRAIN, label="training")
    _line(axes, val, color=VALIDATION, label="validation")
    shown = train[1] + val[1]
    if shown and min(shown) > 0 and max(shown) > LOG_FROM * min(shown):
        _log_scale(axes)
    if best is not None:
        axes.axvline(best.epoch, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    _mark_broken(axes, _broken(epochs, "train_loss", "val_loss"))
    _draw_rate(axes, epochs)
    _whole_epochs(axes, epochs)
    legend(axes)
    if not shown:
        _say_empty(axes, "no finite loss" if epochs else "no epochs yet")


def _log_scale(axes: Axes) -> None:
    """A log axis with plain numbers on 1, 2 and 5, and no crowd of minor labels."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    steps = (1.0, 2.0, 5.0) if high < 1000 * low else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=steps, numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(_short_number))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _short_number(value: float, _: object) -> str:
    return f"{value:g}"


def _draw_score(axes: Axes, epochs: Sequence[EpochRecord], best: EpochRecord | None, score_name: str) -> None:
    name = _SCORES.get(score_name, score_name)
    style(axes, x_label="epoch", y_label=name)
    shown = epochs if score_name == "val_accuracy" else ()
    train, val = _points(shown, "train_accuracy"), _points(epochs, score_name)
    _line(axes, train, color=TRAIN, label="training")
    _line(axes, val, color=VALIDATION, label="validation")
    if best is not None and _is_number(vars(best)[score_name]):
        _mark_best(axes, best, vars(best)[score_name])
    _score_limits(axes, train[1] + val[1], score_name)
    _mark_broken(axes, _broken(epochs, score_name))
    _whole_epochs(axes, epochs)
    legend(axes)
    if not (val[0] or train[0]):
        _say_empty(axes, "no finite score" if epochs else "no epochs yet")


def _say_empty(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED)
    axes.set_yticks([])


def _mark_best(axes: Axes, best: EpochRecord, score: float) -> None:
    axes.axvline(best.epoch, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    axes.plot(
        [best.epoch], [score], marker="o", markersize=8, color=VALIDATION, markeredgecolor="white",
        markeredgewidth=1.6, linestyle="none", zorder=5, label=f"best: {rounded(score, 3)}, epoch {best.epoch}",
    )  # fmt: skip


def _score_limits(axes: Axes, shown: list[float], score_name: str) -> None:
    """Room around the scores; shares end at 1, and one wild epoch may not flatten the rest."""
    if not shown or score_name in _LOWER_IS_BETTER:
        return
    high = max(shown)
    low = max(min(shown), high - DEEPEST_SCORE)
    room = max(0.06 * (high - low), 0.01, 1e-3 * abs(high))
    axes.set_ylim(low - room, min(high + room, 1 + room) if high <= 1 else high + room)


def _mark_broken(axes: Axes, numbers: list[int]) -> None:
    """Crosses along the upper edge, where a value was NaN or infinite."""
    if numbers:
        axes.plot(
            numbers, [0.975] * len(numbers), transform=axes.get_xaxis_transform(), marker="x", markersize=6,
            markeredgewidth=1.8, color=ALARM, linestyle="none", zorder=6, clip_on=False, label="NaN or infinite",
        )  # fmt: skip


def _whole_epochs(axes: Axes, epochs: Sequence[EpochRecord]) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [record.epoch for record in epochs] or [0, 1]
    room = max(0.02 * (numbers[-1] - numbers[0]), 0.5)
    axes.set_xlim(min(numbers) - room, max(numbers) + room)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10], min_n_ticks=1))


def _draw_rate(axes: Axes, epochs: Sequence[EpochRecord]) -> None:
    """The learning rate, on its own axis behind the losses, with its peak in words."""
    numbers, rates = _points(epochs, "lr")
    if len(numbers) < 2:
        return
    behind = axes.twinx()
    behind.set_zorder(axes.get_zorder() - 1)
    axes.patch.set_visible(False)
    behind.fill_between(numbers, rates, color=RATE, alpha=0.13, linewidth=0)
    behind.plot(numbers, rates, color=RATE, linewidth=1.1, alpha=0.9)
    behind.set_ylim(0, (max(rates) or 1.0) * 1.25)
    behind.set_yticks([])
    for spine in behind.spines.values():
        spine.set_visible(False)
    axes.plot([], [], color=RATE, linewidth=1.4, label=f"learning rate, at most {max(rates):.2g}")
