"""Series behind each other in one array, and the pieces of them that become rows: whole series, or windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data.parts import Array
from trainwell.data.series import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import Warned
    from trainwell.data.table.columns import Column


@dataclass(frozen=True)
class Recordings:
    """N series of R steps together.

    Attributes:
        values: (R, C) float64, NaN where missing.
        lengths: (N,) int64 steps of each.
        channels: C names.
        rows: (N,) int64 row in the source where each begins.
        tags: What else is known of each series, (N,) by column: its name, its group.
        series: The tag that names them, if any.
        labels: The target, (R,) where it stands beside each step, else (N,); None where there is none.
        label: What the target's column is.
        steps: (R,) int64 row in the source of each step, where it has one.
        time: The column that orders the steps, if any.
        readings: How the columns of a long table were read, see `table.columns`.
    """

    values: Array
    lengths: Array
    channels: list[str]
    rows: Array
    tags: dict[str, pl.Series] = field(default_factory=dict[str, pl.Series])
    series: str | None = None
    labels: pl.Series | None = None
    label: Column | None = None
    steps: Array | None = None
    time: str | None = None
    readings: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    notes: list[str] = field(default_factory=list[str])
    warnings: list[Warned] = field(default_factory=list["Warned"])

    @property
    def starts(self) -> Array:
        """(N,) where each begins."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def stepwise(self) -> bool:
        """Whether the target stands beside each step."""
        return self.labels is not None and len(self.labels) == len(self.values) != len(self.lengths)


@dataclass(frozen=True)
class Pieces:
    """Stretches of recordings, one for each row to learn from.

    Attributes:
        starts: (B,) first steps.
        lengths: (B,)
        whose: (B,) number of the recording.
    """

    starts: Array
    lengths: Array
    whose: Array

    def some(self, kept: Array) -> Pieces:
        """Only those at some places, or where a mask holds."""
        return Pieces(self.starts[kept], self.lengths[kept], self.whose[kept])


def cut(recordings: Recordings, window: int | None, stride: int | None) -> Pieces:
    """Whole series, or windows every `stride` steps (half a window if left out).

    Raises:
        TrainwellError: `too_few_windows`, when no recording is as long as a window.
    """
    numbers = np.arange(len(recordings.lengths))
    if window is None:
        kept = recordings.lengths > 0
        return Pieces(recordings.starts, recordings.lengths, numbers).some(kept)
    step = stride or max(1, window // 2)
    counts = np.maximum(0, (recordings.lengths - window) // step + 1)
    total = int(counts.sum())
    if not total:
        raise TrainwellError(
            "too_few_windows", f"No recording has {window} steps; the longest has {int(recordings.lengths.max())}.",
            argument="options/window", got=window, allowed=f"at most {int(recordings.lengths.max())}",
        )  # fmt: skip
    whose = np.repeat(numbers, counts)
    place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    return Pieces(recordings.starts[whose] + place * step, np.full(total, window), whose)


def _together(labels: Sequence[pl.Series]) -> pl.Series:
    """Labels of several files, one after the other, as one type: one with few of them may have been read as another."""
    if len({one.dtype for one in labels}) > 1:
        numbers = all(one.dtype.is_numeric() for one in labels)
        labels = [one.cast(pl.Float64 if numbers else pl.String) for one in labels]
    return pl.concat(labels)


def labels_of(recordings: Recordings, pieces: Pieces, *, windows: bool) -> tuple[pl.Series, Array]:
    """The target of each piece, null where a window sees more than one class; and which pieces those are.

    A number beside each step that measures something counts at the last step of a window.

    Raises:
        TrainwellError: `target_varies`, when one whole series has several.
    """
    labels = recordings.labels
    assert labels is not None  # noqa: S101 - asked for where there is a target
    if not recordings.stepwise:
        return labels.gather(pieces.whose), np.zeros(len(pieces.starts), np.bool_)
    ends = pieces.starts + pieces.lengths - 1
    changes = np.r_[0, np.cumsum((labels != labels.shift(1)).fill_null(value=False).to_numpy())]
    gaps = np.r_[0, np.cumsum(labels.is_null().to_numpy())]
    mixed = changes[ends + 1] - changes[pieces.starts + 1] > 0
    mixed |= gaps[ends + 1] - gaps[pieces.starts] > 0
    measured = recordings.label is not None and recordings.label.kind == "number" and labels.dtype.is_float()
    if windows:
        found = labels.gather(ends)
        return (found, np.zeros(len(ends), np.bool_)) if measured else (found.set(pl.Series(mixed), None), mixed)
    some = ~gaps_only(gaps, pieces) & mixed
    if some.any():
        which = int(pieces.whose[some.argmax()])
        name = "" if recordings.series is None else f" {quoted(str(recordings.tags[recordings.series][which]))}"
        raise TrainwellError(
            "target_varies", f"The target changes within series{name}.", argument="target", got=labels.name,
            hint="To learn each part of a long recording by itself, pass options {window: steps of a window}; "
            "to forecast the next values, task: forecasting.",
        )  # fmt: skip
    return labels.gather(pieces.starts), np.zeros(len(ends), np.bool_)


def gaps_only(gaps: Array, pieces: Pieces) -> Array:
    """Which pieces have no target at all, from running counts of missing ones."""
    return gaps[pieces.starts + pieces.lengths] - gaps[pieces.starts] == pieces.lengths


def filled(recordings: Recordings) -> Array:
    """The values with gaps inside a series drawn straight between their neighbours; NaN where a channel has none."""
    values = recordings.values
    if not np.isnan(values).any():
        return values
    values = values.copy()
    for start, length in zip(recordings.starts, recordings.lengths, strict=True):
        part = values[start : start + length]
        for channel in range(part.shape[1]):
            known = ~np.isnan(part[:, channel])
            if known.any() and not known.all():
                places = span(0, length)
                part[:, channel] = np.interp(places, places[known], part[known, channel])
    return values


def padded(values: Array, pieces: Pieces, steps: int) -> Array:
    """(B, steps, C) float32: each piece from its start, cut at `steps`, zeros behind its end."""
    ahead = np.arange(steps)
    places = np.minimum(pieces.starts[:, None] + ahead, len(values) - 1)
    rows = values[places].astype(np.float32)
    rows[ahead >= pieces.lengths[:, None]] = 0.0
    return rows


def joined(parts: Sequence[Recordings]) -> Recordings:
    """Several recordings of the same make behind each other, with what the first one says of them."""
    first = parts[0]
    if len(parts) == 1:
        return first
    labels = [one.labels for one in parts if one.labels is not None]
    steps = [one.steps for one in parts if one.steps is not None]
    return Recordings(
        values=np.concatenate([one.values for one in parts]),
        lengths=np.concatenate([one.lengths for one in parts]),
        channels=first.channels,
        rows=np.concatenate([one.rows for one in parts]),
        tags={name: pl.concat([one.tags[name].cast(pl.String) for one in parts]) for name in first.tags},
        series=first.series,
        labels=_together(labels) if len(labels) == len(parts) else None,
        label=first.label,
        steps=np.concatenate(steps) if len(steps) == len(parts) else None,
        time=first.time,
        readings=first.readings,
        notes=first.notes,
        warnings=[warned for one in parts for warned in one.warnings],
    )
