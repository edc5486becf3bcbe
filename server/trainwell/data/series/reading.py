"""Whole series read from where they lie: a long table, cells that hold lists, or arrays."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import Warned
from trainwell.contract.text import plain, quoted
from trainwell.data.array.files import open_arrays
from trainwell.data.content import recognise_content
from trainwell.data.memory import check_memory
from trainwell.data.parts import Array
from trainwell.data.series import span
from trainwell.data.series.recordings import Recordings
from trainwell.data.table.columns import Column
from trainwell.data.table.columns import recognise as recognise_column
from trainwell.data.table.read import rows_frame

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.data.source import Source

# Python's lists of numbers take about so many times the text that they were read from.
_JSON_FACTOR = 8
_LENGTHS = ("lengths", "length")


def read_arrays(source: Source, target: str | None, *, needs_target: bool) -> Recordings:
    """Series from a .npz: X (N, T) or (N, T, C), y, and optionally lengths and other arrays of N values.

    Raises:
        TrainwellError: `wrong_shape`, `bad_lengths`, or what `ArrayFile.choose` raises.
    """
    assert source.path is not None  # noqa: S101 - arrays come from a file
    file = open_arrays(source.path)
    chosen = file.choose(target, needs_target=needs_target)
    inputs = np.asarray(chosen.inputs)
    if inputs.ndim not in {2, 3} or inputs.dtype.kind not in "biuf":
        raise TrainwellError(
            "wrong_shape", f"The inputs have the shape {inputs.shape}.", argument="source",
            allowed="(series, steps) or (series, steps, channels), numbers",
        )  # fmt: skip
    values = (inputs if inputs.ndim == 3 else inputs[:, :, None]).astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    count, steps, width = values.shape
    others = _others(source.path, count, {chosen.key, chosen.name or ""})
    lengths = np.full(count, steps, np.int64)
    for name in [name for name in others if name.lower() in _LENGTHS]:
        lengths = _lengths(others.pop(name), steps)
    inside: Array = span(0, steps) < lengths[:, None]
    label, labels = None, None
    if chosen.labels is not None and chosen.name is not None:
        label, labels = recognise_column(_series(chosen.name, chosen.labels))
    return Recordings(
        values=values[inside],
        lengths=lengths,
        channels=[f"{number}" for number in range(width)],
        rows=np.arange(count, dtype=np.int64),
        tags={name: _series(name, array) for name, array in others.items()},
        labels=labels,
        label=label,
    )


def read_lists(source: Source | None, rows: list[Any] | None, target: str | None) -> Recordings:
    """Series from cells that hold lists: each list column is a channel, or several where it holds lists of lists.

    Raises:
        TrainwellError: `unequal_channels`, `bad_value`, `no_features`, `table_unreadable`.
    """
    objects = rows if rows is not None else _objects(source)
    names = list(dict.fromkeys(name for row in objects for name in row))
    listed = [name for name in names if name != target and any(_listed(row.get(name)) for row in objects[:100])]
    if not listed:
        raise TrainwellError("no_features", "No column holds lists of numbers.", argument="source", got=names[:20])
    parts = {name: [_cell(row.get(name), name, number) for number, row in enumerate(objects)] for name in listed}
    lengths = np.array([len(cell) for cell in parts[listed[0]]], np.int64)
    for name in listed[1:]:
        wrong = next((n for n, cell in enumerate(parts[name]) if len(cell) != lengths[n]), None)
        if wrong is not None:
            raise TrainwellError(
                "unequal_channels", f"Row {wrong}: column {quoted(name)} has {len(parts[name][wrong])} steps, "
                f"{quoted(listed[0])} has {lengths[wrong]}.", argument=f"rows/{wrong}/{plain(name)}",
                hint="All channels of a series have the same steps; a step without a value is null.",
            )  # fmt: skip
    channels: list[str] = []
    columns: list[Array] = []
    for name in listed:
        width = max(cell.shape[1] for cell in parts[name])
        wrong = next((n for n, cell in enumerate(parts[name]) if len(cell) and cell.shape[1] != width), None)
        if wrong is not None:
            raise TrainwellError(
                "unequal_channels", f"Row {wrong}: the steps of column {quoted(name)} are not {width} numbers.",
                argument=f"rows/{wrong}/{plain(name)}",
            )  # fmt: skip
        channels += [name] if width == 1 else [f"{name}_{place}" for place in range(width)]
        columns.append(np.concatenate([cell.reshape(-1, width) for cell in parts[name]]))
    rest = [name for name in names if name not in listed]
    tags = _tags(objects, rest)
    label, labels = (None, None) if target is None or target not in tags else recognise_column(tags.pop(target))
    return Recordings(
        values=np.concatenate(columns, axis=1),
        lengths=lengths,
        channels=channels,
        rows=np.arange(len(objects), dtype=np.int64),
        tags=tags,
        labels=labels,
        label=label,
    )


def only(recordings: Recordings, channels: list[str], argument: str) -> Recordings:
    """The recordings with these channels, in this order.

    Raises:
        TrainwellError: `missing_column`.
    """
    missing = [name for name in channels if name not in recordings.channels]
    if missing:
        raise TrainwellError(
            "missing_column", f"Missing channel {quoted(missing[0])}.", argument=argument,
            got=[name[:80] for name in recordings.channels[:20]], allowed=[name[:80] for name in channels[:20]],
            hint=did_you_mean(missing[0], recordings.channels),
        )  # fmt: skip
    if channels == recordings.channels:
        return recordings
    places = [recordings.channels.index(name) for name in channels]
    return replace(recordings, values=recordings.values[:, places], channels=channels)


def _objects(source: Source | None) -> list[dict[str, Any]]:
    assert source is not None  # noqa: S101 - without rows there is a source
    if source.rows is not None:
        return source.rows
    path = cast("Path", source.path)
    check_memory(path.stat().st_size * _JSON_FACTOR, "The series")
    if recognise_content(path) == "parquet":
        return pl.read_parquet(path).to_dicts()
    found: list[Any] = []
    number = 1
    try:
        with path.open(encoding="utf-8-sig") as stream:
            if stream.read(1) == "[":
                stream.seek(0)
                found = json.loads(stream.read().removeprefix("\ufeff"))
            else:
                stream.seek(0)
                for number, line in enumerate(stream, 1):  # noqa: B007 - told when a line cannot be read
                    if line.strip():
                        found.append(json.loads(line.removeprefix("\ufeff")))
    except (ValueError, RecursionError) as error:
        raise TrainwellError(
            "table_unreadable", f"Line {number} is not JSON.", argument="source", got=path.name,
            hint="Write one object a line.",
        ) from error  # fmt: skip
    wrong = next((place for place, row in enumerate(found) if not isinstance(row, dict)), None)
    if wrong is not None or not found:
        message = "The file holds no rows." if wrong is None else f"Row {wrong} is not an object."
        raise TrainwellError("table_unreadable", message, argument="source", got=path.name)
    return found


def _listed(cell: Any) -> bool:
    return isinstance(cell, list | tuple)


def _cell(cell: Any, name: str, number: int) -> Array:
    """One cell as (T, C) float64; missing ones have no steps."""
    if cell is None:
        return np.zeros((0, 1))
    try:
        values = np.array(cell, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise TrainwellError(
            "bad_value", f"Row {number}, column {quoted(name)}: this is not a list of numbers.",
            argument=f"rows/{number}/{plain(name)}", got=cell, allowed="a list of numbers, or of lists of equal length",
        ) from error  # fmt: skip
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise TrainwellError(
            "bad_value", f"Row {number}, column {quoted(name)} has {values.ndim} dimensions.",
            argument=f"rows/{number}/{plain(name)}", allowed="steps, or steps x channels",
        )  # fmt: skip
    values[~np.isfinite(values)] = np.nan
    return values


def _tags(objects: list[dict[str, Any]], names: list[str]) -> dict[str, pl.Series]:
    if not names:
        return {}
    frame = rows_frame([{name: row.get(name) for name in names} for row in objects], argument="source")
    return {name: frame[name] for name in frame.columns}


def _others(path: Path, count: int, taken: set[str]) -> dict[str, Array]:
    """The other arrays of (N,) values beside inputs and target."""
    if zipfile.is_zipfile(path):
        with np.load(path, allow_pickle=False) as archive:
            names = [name for name in archive.files if name not in taken]
            found = {name: np.asarray(archive[name]) for name in names}
        return {name: array for name, array in found.items() if array.shape == (count,) and array.dtype.kind in "biufU"}
    return {}


def _lengths(lengths: Array, steps: int) -> Array:
    whole = lengths.astype(np.int64)
    if lengths.dtype.kind not in "iuf" or np.any(whole != lengths) or whole.min() < 1 or whole.max() > steps:
        raise TrainwellError(
            "bad_lengths", "The array of lengths does not fit the inputs.", argument="source",
            got=[str(value) for value in lengths[:5]], allowed=f"whole numbers from 1 to {steps}, one for each series",
        )  # fmt: skip
    return whole


def _series(name: str, array: Array) -> pl.Series:
    return pl.Series(name, array.tolist() if array.dtype.kind in "US" else array)


def used_label(recordings: Recordings) -> Column:
    """What the target's column is.

    Raises:
        TrainwellError: `missing_target`.
    """
    if recordings.label is None:
        raise TrainwellError(
            "missing_target", "Say which column is the target.", argument="target",
            allowed=[name[:80] for name in recordings.tags][:20],
        )  # fmt: skip
    return recordings.label


def missing_warnings(recordings: Recordings) -> list[Warned]:
    """Gaps among the values."""
    gaps = int(np.isnan(recordings.values).sum())
    if not gaps:
        return []
    message = f"{gaps:,} of {recordings.values.size:,} values are missing: drawn straight between their neighbours."
    return [Warned(code="missing_values", message=message)]
