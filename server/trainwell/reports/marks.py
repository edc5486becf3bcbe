"""Findings in a picture: a number where each of them happened, and its sentence below the panels.

Numbers, not colours, tell the findings apart.
"""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainwell.contract.text import plain
from trainwell.reports.picture import INK, PAPER, TITLE_LETTERS_PER_INCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from trainwell.contract.findings import Finding
    from trainwell.contract.trace import EpochRecord

MOST = 6
LINE_INCHES = 0.25
# Small letters are narrower than those of a title.
LETTERS_PER_INCH = 2.05 * TITLE_LETTERS_PER_INCH
# Where several stand in one epoch, each next one stands lower by this share of the panel.
LOWER = 0.085
_EPOCHS = ("first_bad_epoch", "at_epoch", "epoch", "best_epoch")
_STEPS = ("first_bad_step", "step", "at_step")
# Where a finding without a place of its own shows: the highest or lowest value of a field.
_EXTREMES = {
    "overfitting": ("val_loss", min),
    "learning_rate_too_high": ("train_loss", max),
    "divergence": ("train_loss", max),
    "loss_spikes": ("train_loss", max),
    "exploding_gradients": ("grad_norm_max", max),
}


@dataclass(frozen=True)
class Mark:
    """A finding in a picture; `epoch` is None where it has no place."""

    number: int
    epoch: int | None
    text: str


def marks_of(findings: Sequence[Finding], epochs: Sequence[EpochRecord]) -> list[Mark]:
    """The most important findings, numbered from 1."""
    return [
        Mark(number, _place(finding, epochs), f"{finding.code}: {finding.symptom}")
        for number, finding in enumerate(findings[:MOST], start=1)
    ]


def _place(finding: Finding, epochs: Sequence[EpochRecord]) -> int | None:
    """The epoch that the evidence names, else the one where the curve shows it."""
    numbers = {record.epoch for record in epochs}
    for name in _EPOCHS:
        if finding.evidence.get(name) in numbers:
            return int(finding.evidence[name])
    step = next((finding.evidence[name] for name in _STEPS if isinstance(finding.evidence.get(name), int)), None)
    if step is not None:
        return next((record.epoch for record in epochs if record.step >= step), None)
    field, extreme = _EXTREMES.get(finding.code, ("", max))
    values = [(vars(record)[field], record.epoch) for record in epochs] if field else []
    known = [(value, epoch) for value, epoch in values if value is not None and math.isfinite(value)]
    return extreme(known)[1] if known else None


def draw_marks(axes: Axes, marks: Sequence[Mark]) -> None:
    """A numbered disc at the top of the epoch of each mark, and a dotted line down from it."""
    taken: dict[int, int] = {}
    for mark in marks:
        if mark.epoch is None:
            continue
        height = 0.94 - LOWER * taken.get(mark.epoch, 0)
        taken[mark.epoch] = taken.get(mark.epoch, 0) + 1
        axes.axvline(mark.epoch, ymax=height, color=INK, linewidth=1, linestyle=(0, (1, 2)), zorder=4)
        axes.text(
            mark.epoch, height, str(mark.number), transform=axes.get_xaxis_transform(), ha="center", va="center",
            fontsize=8.5, fontweight="bold", color=PAPER, zorder=8,
            bbox={"boxstyle": "circle,pad=0.28", "facecolor": INK, "edgecolor": PAPER, "linewidth": 1},
        )  # fmt: skip


def write_marks(figure: Figure, marks: Sequence[Mark], top: float) -> None:
    """The sentences of the marks, one below the other.

    Args:
        figure: The picture.
        marks: What to write; nothing where there are none.
        top: Distance of the first line from the lower edge, in inches.
    """
    width, height = figure.get_size_inches()
    for line, mark in enumerate(marks):
        place = "" if mark.epoch is None else f" (epoch {mark.epoch})"
        text = plain(f"{mark.number}{place}  {mark.text}", int((width - 0.6) * LETTERS_PER_INCH))
        y = (top - line * LINE_INCHES) / height
        figure.text(0.3 / width, y, text, fontsize=8.8, color=INK, va="center", parse_math=False)
