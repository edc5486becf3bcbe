"""The columns of a forecast on their grid, and as the numbers that a network takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.data.parts import Array
from trainwell.data.series.clock import Clock, calendar
from trainwell.data.series.grid import Grid, make_grid
from trainwell.data.series.table import levels_of, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.data.series.table import Steps


@dataclass(frozen=True)
class Sheet:
    """Columns on the grid.

    Attributes:
        values: (R,) float64 by column, filled from before; numbers of `texts` for categories; NaN where nothing is
            known yet.
        texts: The categories of a column by their numbers.
        given: (R,) by column, whether its value stands in the table.
    """

    steps: Steps
    grid: Grid
    values: dict[str, Array]
    texts: dict[str, list[str]]
    given: dict[str, Array]

    def known(self, names: Sequence[str]) -> Array:
        """(R,) whether the table gives all of these columns for a step."""
        return np.logical_and.reduce([self.given[name] for name in names])


def make_sheet(steps: Steps, names: Sequence[str], clock: Clock | None = None) -> Sheet:
    """Lay columns on a grid; `clock` is the one that was fitted before."""
    grid = make_grid(steps, clock)
    values: dict[str, Array] = {}
    texts: dict[str, list[str]] = {}
    given: dict[str, Array] = {}
    for name in names:
        series = steps.frame[name]
        if steps.columns[name].kind == "category":
            text = series.cast(pl.String)
            texts[name] = text.drop_nulls().unique().sort().to_list()
            series = text.replace_strict(texts[name], range(len(texts[name])), default=None, return_dtype=pl.Float64)
        wide = grid.spread(numbers(series))
        given[name] = ~np.isnan(wide)
        values[name] = grid.filled(wide[:, None])[:, 0]
    return Sheet(steps, grid, values, texts, given)


def fit_channel(sheet: Sheet, name: str, train: Array, part: str) -> dict[str, Any] | None:
    """How a column becomes numbers, fitted on the training time; None where it does not vary there.

    Args:
        sheet: The columns.
        name: Of the column.
        train: (R,) whether a step belongs to the training time.
        part: `target`, `past` or `future`.
    """
    if name in sheet.texts:
        place = sheet.grid.place[train & sheet.given[name]]
        levels = levels_of(sheet.steps.frame[name].gather(place))
        return {"name": name, "part": part, "levels": levels} if len(levels) > 1 else None
    values = sheet.values[name][train & sheet.given[name]]
    mean, deviation = (float(values.mean()), float(values.std())) if len(values) else (0.0, 0.0)
    if not np.isfinite([mean, deviation]).all() or deviation <= 1e-9 * abs(mean):
        return None
    return {"name": name, "part": part, "mean": mean, "std": deviation}


def matrix(sheet: Sheet, channels: Sequence[dict[str, Any]], cycles: list[str]) -> Array:
    """(R, C) float32: the channels in their order, then the calendar; 0, the mean, where nothing is known."""
    columns: list[Array] = []
    for channel in channels:
        values = sheet.values[channel["name"]]
        if "levels" in channel:
            texts = [*sheet.texts[channel["name"]], None]
            codes = np.nan_to_num(values, nan=len(texts) - 1).astype(np.int64)
            columns += [np.array([text == level for text in texts])[codes] for level in channel["levels"]]
        else:
            columns.append(np.nan_to_num((values - channel["mean"]) / channel["std"]))
    dates = calendar(sheet.grid.clock, sheet.grid.ticks, cycles)
    return np.column_stack([*columns, *dates.T]).astype(np.float32)


def width(channels: Sequence[dict[str, Any]], *parts: str) -> int:
    """Numbers that the channels of these parts give."""
    return sum(len(channel.get("levels", (0,))) for channel in channels if channel["part"] in parts)
