"""A quick look at a source: does it hold series, and of which make?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.data.array.files import open_arrays
from trainwell.data.content import recognise_content
from trainwell.data.series.clock import fit_clock
from trainwell.data.table.columns import recognise as recognise_column
from trainwell.data.table.read import rows_frame

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.data.source import Source

_LOOKED_AT = 300
_LOOKED_AT_BYTES = 1 << 18
# A float array (N, T, C) with more channels than this, or fewer steps than channels, is something else.
_MOST_CHANNELS = 64
_FEWEST_STEPS = 20
# A wider table is no series of a few measurements; to look at each column would take minutes.
_MOST_COLUMNS = 500


def recognise(source: Source) -> int:
    """3 for tables whose cells are lists of numbers, 2 for arrays of steps, 1 for other tables and arrays."""
    if source.path is None:
        return 3 if source.rows and _lists_in(source.rows[0]) else 1
    content = recognise_content(source.path)
    if content in {"npz", "npy"}:
        return _of_arrays(source.path)
    if content not in {"text", "parquet"}:
        return 0
    return 3 if holds_series(source) else 1


def holds_series(source: Source) -> bool:
    """Whether each row of the source holds a whole series, as lists in its cells or as an array."""
    if source.rows is not None:
        return _lists_in(source.rows[0])
    if source.path is None:
        return False
    content = recognise_content(source.path)
    if content in {"npz", "npy"}:
        return True
    if content == "parquet":
        try:
            kinds = pl.read_parquet_schema(source.path).values()
        except (pl.exceptions.PolarsError, OSError):
            return False
        return any(isinstance(kind, pl.List | pl.Array) and _numeric_inside(kind) for kind in kinds)
    return content == "text" and _lists_in(_first_object(source.path))


def is_time_series(source: Source) -> bool:
    """Whether a table has one column of dates with a regular step, in order, and a number beside it."""
    try:
        frame = _first_rows(source)
    except TrainwellError:
        return False
    if frame is None or frame.height < _FEWEST_STEPS or frame.width > _MOST_COLUMNS:
        return False
    found = [recognise_column(series) for series in frame.get_columns()]
    dates = [values for column, values in found if column.kind == "date" and not column.missing]
    numeric = any(column.kind == "number" and column.distinct > 2 for column, _ in found)
    if len(dates) != 1 or not numeric:
        return False
    times = dates[0].cast(pl.Datetime("us")).to_physical().to_numpy()
    if np.all(np.diff(times) > 0):
        return fit_clock(times, np.zeros(len(times), np.int64), dates=True)[1]
    return False


def _of_arrays(path: Path) -> int:
    try:
        members = open_arrays(path).members.values()
    except TrainwellError:
        return 0
    numeric = [member for member in members if member.dtype.kind in "biuf" and len(member.shape) in {2, 3}]
    if not numeric:
        return 0
    return 2 if any(_is_steps(member.shape, member.dtype.kind) for member in numeric) else 1


def _is_steps(shape: tuple[int, ...], kind: str) -> bool:
    return kind == "f" and len(shape) == 3 and shape[2] <= _MOST_CHANNELS and shape[1] > shape[2]


def _lists_in(row: Any) -> bool:
    """Whether a row is an object with a list of numbers, or of lists of them, in a cell."""
    if not isinstance(row, dict):
        return False
    return any(_is_list(value) for value in cast("dict[str, Any]", row).values())


def _is_list(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    first = cast("list[Any]", value)[0]
    return isinstance(first, int | float | list) or first is None


def _numeric_inside(kind: Any) -> bool:
    inner = kind.inner
    return inner.is_numeric() or (isinstance(inner, pl.List | pl.Array) and _numeric_inside(inner))


def _first_object(path: Path) -> Any:
    """The first object of a JSON Lines file or of a JSON list of objects; None where there is none."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            start = stream.read(1).strip() or stream.readline(0)
            while start == "" and (character := stream.read(1)):
                start = character.strip()
            if start == "{":
                return json.loads(start + stream.readline(_LOOKED_AT_BYTES))
            if start == "[":
                decoder = json.JSONDecoder()
                return decoder.raw_decode(stream.read(_LOOKED_AT_BYTES).lstrip())[0]
    except (ValueError, RecursionError, OSError):
        return None
    return None


def _first_rows(source: Source) -> pl.DataFrame | None:
    """The first rows of a table as they stand there; None for what is no simple table."""
    if source.rows is not None:
        return rows_frame(source.rows[:_LOOKED_AT])
    if source.path is None:
        return None
    content = recognise_content(source.path)
    try:
        if content == "parquet":
            return pl.scan_parquet(source.path).head(_LOOKED_AT).collect()
        if content == "text":
            return _first_lines(source.path)
    except pl.exceptions.PolarsError:
        return None
    return None


def _first_lines(path: Path) -> pl.DataFrame | None:
    with path.open("rb") as stream:
        lines = [stream.readline(_LOOKED_AT_BYTES) for _ in range(_LOOKED_AT + 1)]
    if any(len(line) == _LOOKED_AT_BYTES for line in lines):
        return None
    text = b"".join(lines).removeprefix(b"\xef\xbb\xbf")
    if text.lstrip().startswith((b"{", b"[")):
        return pl.read_ndjson(text)
    separator = max((b",", b";", b"\t", b"|"), key=lines[0].count).decode()
    return pl.read_csv(text, separator=separator, infer_schema=False, truncate_ragged_lines=True)
