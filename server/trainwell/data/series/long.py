"""Whole series, or recordings to be cut into windows, from a long table: one row a step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import Warned
from trainwell.contract.text import quoted
from trainwell.data.series.forecasting import group_candidates, guess_time
from trainwell.data.series.recordings import Recordings
from trainwell.data.series.table import Steps, numbers, order, read_again, recognise_all
from trainwell.data.table.columns import Column
from trainwell.data.table.names import require
from trainwell.data.table.suspicions import useless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.data.series.options import Config
    from trainwell.data.table.read import Table


def read_long(table: Table, target: str | None, config: Config, tags: Sequence[str]) -> Recordings:
    """Find the columns' parts, and read.

    Args:
        table: One row a step.
        target: Column of the target, if known.
        config: Says which columns tell series apart and order them.
        tags: Columns to keep for the split, one value a series.

    Raises:
        TrainwellError: `missing_argument`, `missing_column`, `no_features`, or what `order` raises.
    """
    frame, columns = recognise_all(table)
    asked = {
        "target": [target], "options/series": [config.series], "options/group": [config.group],
        "options/time": [config.time], "columns": config.columns or (), "drop_columns": config.drop_columns,
        "split_by": tags,
    }  # fmt: skip
    for argument, names in asked.items():
        require(list(filter(None, names)), frame.columns, argument)
    whose = config.series or (config.group if config.window is not None else None)
    if whose is None and config.window is None:
        raise _which_series(columns, frame.height, target)
    time = config.time or guess_time(columns)
    notes = list(table.notes)
    if time is not None and config.time is None:
        notes.append(f"Column {quoted(time)} is taken as the time.")
    kept = list(dict.fromkeys(filter(None, [config.group, *tags])))
    parts = {target, whose, time, *kept}
    chosen = config.columns if config.columns is not None else [name for name in frame.columns if name not in parts]
    names = [name for name in chosen if name not in config.drop_columns and name not in {target, time}]
    warnings: list[Warned] = []
    channels = [name for name in names if _usable(columns[name], frame, warnings)]
    if not channels:
        raise TrainwellError("no_features", "No column of numbers is left to learn from.", argument="columns")
    steps = order(frame, columns, time, whose)
    read = _recordings(steps, channels, whose, kept, target)
    used = [*channels, *kept, *filter(None, [whose, time, target])]
    readings = {name: columns[name].reading for name in used}
    return replace(read, time=time, readings=readings, notes=notes, warnings=[*warnings, *steps.warnings])


def read_long_again(table: Table, form: dict[str, Any], argument: str) -> Recordings:
    """Another table of the same make, read as the first one was.

    Raises:
        TrainwellError: `missing_column`.
    """
    readings = form["readings"]
    given = table.frame.columns
    needed = [*form["channels"], *filter(None, [form["time"]])]
    missing = [name for name in needed if name not in given]
    if missing:
        raise TrainwellError(
            "missing_column", f"Missing column {quoted(missing[0])}.", argument=argument,
            got=[name[:80] for name in given[:20]], allowed=[name[:80] for name in needed[:20]],
            hint=did_you_mean(missing[0], given),
        )  # fmt: skip
    frame, notes = read_again(table, readings)
    columns = {name: Column(name, reading["kind"], reading) for name, reading in readings.items()}
    # Rows to predict may be one series without a name.
    whose = form["series"] if form["series"] in given else None
    steps = order(frame, columns, form["time"], whose)
    target = form["target"] if form["target"] in given else None
    kept = [name for name in form["tags"] if name in given]
    return replace(_recordings(steps, form["channels"], whose, kept, target), notes=[*table.notes, *notes])


def _recordings(
    steps: Steps, channels: list[str], whose: str | None, kept: Sequence[str], target: str | None
) -> Recordings:
    begins = np.flatnonzero(np.r_[True, np.diff(steps.groups) != 0])
    lengths = np.diff(np.r_[begins, len(steps.groups)])
    tags = {name: steps.frame[name].gather(begins) for name in kept}
    if whose is not None:
        tags[whose] = pl.Series(whose, steps.names).gather(steps.groups[begins])
    return Recordings(
        values=np.column_stack([numbers(steps.frame[name]) for name in channels]),
        lengths=lengths,
        channels=channels,
        rows=steps.rows[begins],
        tags=tags,
        series=whose,
        labels=None if target is None else steps.frame[target],
        label=None if target is None else steps.columns[target],
        steps=steps.rows,
    )


def _usable(column: Column, frame: pl.DataFrame, warnings: list[Warned]) -> bool:
    shown = quoted(column.name, 80)[1:-1]
    warned = useless(column, frame[column.name], frame.height)
    if warned is None and column.kind not in {"number", "boolean"}:
        message = f"Column {quoted(column.name)} holds a {column.kind} and is left out: series are made of numbers."
        warned = Warned(code="not_numeric", message=message, column=shown)
    if warned is not None:
        warnings.append(warned)
    return warned is None


def _which_series(columns: dict[str, Column], count: int, target: str | None) -> TrainwellError:
    likely = [name for name in group_candidates(columns, count) if name != target]
    return TrainwellError(
        "missing_argument", "Say which column tells the series apart.", argument="options/series",
        allowed=[name[:80] for name in likely[:20]] or None,
        hint="options {series: column} for whole series; {window: steps} for windows of one recording; "
        "task: forecasting to forecast the next values.",
    )  # fmt: skip
