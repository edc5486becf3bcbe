"""The raw windows of validation and test, kept so that another run can be judged by them and scores be broken down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.data.parts import Array

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.data.series.sheet import Sheet

# Names that no column of a table is likely to have.
ORIGIN, PAST_STEPS = "first forecast step", "past steps"
# Above so many numbers only group and time are kept.
MOST_NUMBERS = 20_000_000


def save_windows(folder: Path, sheet: Sheet, named: Any, cut: Any, parts: dict[str, Array]) -> None:
    """Write `raw_<split>.parquet`: group, time, and each column's values of the window and the horizon as a list."""
    for split in ("validation", "test"):
        places = parts[split]
        whole = len(places) * (cut.window + cut.horizon) * len(named.all) <= MOST_NUMBERS
        columns = _about(sheet, named, places)
        if whole:
            columns.append(pl.Series(PAST_STEPS, np.full(len(places), cut.window)))
            columns += [_lists(sheet, name, places, cut.window, cut.horizon) for name in named.all]
        pl.DataFrame(columns).write_parquet(folder / f"raw_{split}.parquet")


def _about(sheet: Sheet, named: Any, places: Array) -> list[pl.Series]:
    grid = sheet.grid
    columns: list[pl.Series] = []
    if named.group is not None:
        group = np.searchsorted(grid.starts, places, side="right") - 1
        columns.append(pl.Series(named.group, [sheet.steps.names[number] for number in grid.groups[group]]))
    times = grid.times[places]
    if named.time is not None:
        shown = pl.Series(named.time, times)
        columns.append(shown.cast(pl.Datetime("us")) if sheet.steps.dates else shown)
    return columns


def _lists(sheet: Sheet, name: str, places: Array, window: int, horizon: int) -> pl.Series:
    values = sheet.values[name][places[:, None] + np.arange(-window, horizon)]
    if name in sheet.texts:
        texts = [*sheet.texts[name], None]
        codes = np.nan_to_num(values, nan=len(texts) - 1).astype(np.int64)
        return pl.Series(name, [[texts[code] for code in row] for row in codes.tolist()], pl.List(pl.String))
    return pl.Series(name, values, pl.Array(pl.Float64, window + horizon)).cast(pl.List(pl.Float64))
