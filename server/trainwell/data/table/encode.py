"""Columns as network inputs: fitted on the training rows, kept as JSON, applied to any rows.

A number becomes one scaled value (see `scale`), and one more that says whether it was missing where the
training rows lack some; a yes or no becomes +-1, a category one value for each level, a date the time passed and
its place in the year, week and day. A category of many levels becomes its number among them, for a network to embed:
these columns make an input of their own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.data.scale import apply_scale, fit_scale
from trainwell.data.table.columns import Column, read_as

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Encoding = dict[str, Any]

MOST_LEVELS = 63
# Levels that an embedding tells apart: the commonest of those that training sees at least twice.
MOST_EMBEDDED, _LEAST_SEEN = 5_000, 2
# Quantiles need no more rows than this.
MOST_FIT_ROWS = 200_000
# So many plain columns of numbers are worth a path of their own, in blocks that stay small in memory.
_WIDE, _BLOCK_COLUMNS = 100, 200
_SECONDS_A_DAY = 86_400.0
# (name, period in days, phase from the epoch in days): 1970-01-01 was a Thursday.
_CYCLES = (("year", 365.2425, 0.0), ("week", 7.0, 3.0), ("day", 1.0, 0.0))
# A cycle is worth an input when the training rows span this many of it and more than one place in it.
_LEAST_CYCLES = 1.5


def fit_column(column: Column, train: pl.Series, *, embed: bool = True) -> Encoding | None:
    """How one column is encoded, learnt from its training rows; None when they show nothing to learn from.

    Args:
        column: What was recognised; a `number`, `boolean`, `date` or `category`.
        train: Its values in the training rows, as `recognise` returned them.
        embed: Whether categories of many levels may become numbers; else the commonest are told apart.
    """
    given = train.drop_nulls()
    missing = train.null_count() > 0
    base = {"name": column.name, "reading": column.reading, "missing": missing}
    if given.is_empty() or not (missing or _varies(given)):
        return None
    if column.kind == "category":
        counts = (
            given.value_counts().cast({column.name: pl.String}).sort(["count", column.name], descending=[True, False])
        )
        levels = counts[column.name].to_list()
        if embed and len(levels) > MOST_LEVELS:
            often = int((counts["count"] >= _LEAST_SEEN).sum())
            return {**base, "as": "number of category", "levels": levels[: min(often, MOST_EMBEDDED)]}
        return {**base, "as": "category", "levels": levels[:MOST_LEVELS], "other": len(levels) > MOST_LEVELS}
    if column.kind == "boolean":
        return {**base, "as": "boolean"}
    if len(given) > MOST_FIT_ROWS:
        given = given.sample(MOST_FIT_ROWS, seed=0)
    if column.kind == "date":
        days = _days(given)
        return {**base, "as": "date", **_fit_number(days), "cycles": _cycles(days)}
    return {**base, "as": "number", **_fit_number(given.cast(pl.Float64).to_numpy())}


def width(encoding: Encoding) -> int:
    """How many values of the numeric input a column takes."""
    if encoding["as"] == "number of category":
        return 0
    if encoding["as"] == "category":
        only_two = is_pair(encoding)
        return 1 if only_two else len(encoding["levels"]) + int(encoding["other"]) + int(encoding["missing"])
    cycles = 2 * len(encoding.get("cycles", ()))
    return 1 + cycles + int(encoding["missing"])


def input_names(encodings: Sequence[Encoding]) -> list[str]:
    """A name for each value of the numeric input, in order: `age`, `age is missing`, `city = Bern`."""
    names: list[str] = []
    for encoding in encodings:
        if not width(encoding):
            continue
        name = encoding["name"]
        if encoding["as"] == "category" and not is_pair(encoding):
            names += [f"{name} = {level}" for level in encoding["levels"]]
            names += [f"{name} = (other)"] * encoding["other"]
        elif encoding["as"] == "category":
            names.append(f"{name} = {encoding['levels'][0]}")
        else:
            names.append(name)
            names += [
                f"{name} {turn} of {cycle}" for cycle in encoding.get("cycles", ()) for turn in ("sine", "cosine")
            ]
        names += [f"{name} is missing"] * encoding["missing"]
    return names


def encode_frame(encodings: Sequence[Encoding], frame: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The rows of a frame as network inputs.

    Args:
        encodings: As `fit_column` made them, in order.
        frame: Columns as `read_columns` or `recognise` gave them.

    Returns:
        (rows, sum of widths) float32, finite.
    """
    out = np.zeros((frame.height, sum(map(width, encodings))), np.float32)
    done = _encode_plain(encodings, frame, out)
    start = 0
    for encoding in encodings:
        stop = start + width(encoding)
        if stop == start or encoding["name"] in done:
            start = stop
            continue
        _ENCODERS[encoding["as"]](encoding, frame[encoding["name"]], out[:, start:stop])
        start = stop
    return out


def embedded(encodings: Sequence[Encoding]) -> list[Encoding]:
    """The columns that become numbers of categories."""
    return [encoding for encoding in encodings if encoding["as"] == "number of category"]


def encode_numbers(encodings: Sequence[Encoding], frame: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The categories of many levels of a frame's rows.

    Returns:
        (rows, such columns) int64 from 1 in the order of `levels`; 0 where it is missing, rare or unseen.
    """
    out = np.zeros((frame.height, len(embedded(encodings))), np.int64)
    for place, encoding in enumerate(embedded(encodings)):
        out[:, place] = _places(frame[encoding["name"]], encoding["levels"]) % (len(encoding["levels"]) + 1)
    return out


def read_columns(encodings: Sequence[Encoding], frame: pl.DataFrame) -> pl.DataFrame:
    """The frame's cells read as they were read when the encodings were fitted; infinities become missing."""
    series: list[pl.Series] = []
    for encoding in encodings:
        values = read_as(frame[encoding["name"]], encoding["reading"])
        if values.dtype.is_float():
            values = values.set(values.is_infinite() | values.is_nan(), None)
        series.append(values.alias(encoding["name"]))
    return pl.DataFrame(series)


def _varies(given: pl.Series) -> bool:
    if given.dtype.is_numeric():
        return bool(given.min() != given.max())  # counting takes far longer, and a wide table has many columns
    return given.n_unique() > 1


def _encode_plain(encodings: Sequence[Encoding], frame: pl.DataFrame, out: np.ndarray) -> set[str]:
    """Scale the numbers without gaps of a wide table all at a time; returns the columns that are done."""
    places = np.cumsum([0, *map(width, encodings)])[:-1]
    plain = [
        (encoding, place)
        for encoding, place in zip(encodings, places, strict=True)
        if encoding["as"] == "number" and "center" in encoding and not encoding["missing"]
    ]
    if len(plain) < _WIDE:
        return set()
    for start in range(0, len(plain), _BLOCK_COLUMNS):
        block = plain[start : start + _BLOCK_COLUMNS]
        named = pl.DataFrame([frame.get_column(encoding["name"]) for encoding, _ in block])
        cells = named.select(
            pl.col(encoding["name"]).cast(pl.Float64).fill_null(encoding["median"]) for encoding, _ in block
        )
        scale = {key: np.array([encoding[key] for encoding, _ in block]) for key in ("center", "scale")}
        out[:, [place for _, place in block]] = apply_scale(cells.to_numpy(), scale)
    return {encoding["name"] for encoding, _ in plain}


def _fit_number(values: np.ndarray) -> Encoding:
    return {"median": float(np.median(values)), **fit_scale(values)}


def _encode_number(encoding: Encoding, values: pl.Series, out: np.ndarray) -> None:
    numbers = values.cast(pl.Float64).fill_null(encoding["median"]).to_numpy()
    out[:, 0] = apply_scale(numbers, encoding)
    _mark_missing(encoding, values, out)


def _encode_date(encoding: Encoding, values: pl.Series, out: np.ndarray) -> None:
    known = values.is_not_null().to_numpy()
    days = np.where(known, _days(values), encoding["median"])
    out[:, 0] = apply_scale(days, encoding)
    for place, cycle in enumerate(encoding["cycles"]):
        _, period, phase = next(entry for entry in _CYCLES if entry[0] == cycle)
        angle = 2 * math.pi * (((days + phase) / period) % 1.0)
        out[:, 1 + 2 * place] = np.sin(angle) * known
        out[:, 2 + 2 * place] = np.cos(angle) * known
    _mark_missing(encoding, values, out)


def _encode_boolean(encoding: Encoding, values: pl.Series, out: np.ndarray) -> None:
    out[:, 0] = (values.cast(pl.Float32) * 2 - 1).fill_null(0.0).to_numpy()
    _mark_missing(encoding, values, out)


def _encode_category(encoding: Encoding, values: pl.Series, out: np.ndarray) -> None:
    levels = encoding["levels"]
    codes = _places(values, levels, first=0)
    empty = values.is_null().to_numpy()
    rows = np.arange(len(codes))
    if is_pair(encoding):
        out[:, 0] = np.select([empty, codes == 0, codes == 1], [0.0, 1.0, -1.0], 0.0)
        return
    known = (codes < len(levels)) & ~empty
    out[rows[known], codes[known]] = 1.0
    if encoding["other"]:
        out[~known & ~empty, len(levels)] = 1.0
    _mark_missing(encoding, values, out)


def _places(values: pl.Series, levels: Sequence[str], first: int = 1) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where each value stands among the levels, counted from `first`; behind the last where it does not."""
    behind = first + len(levels)
    found = values.replace_strict(levels, range(first, behind), default=behind, return_dtype=pl.Int64)
    return found.fill_null(behind).to_numpy()


def _mark_missing(encoding: Encoding, values: pl.Series, out: np.ndarray) -> None:
    if encoding["missing"]:
        out[:, -1] = values.is_null().to_numpy()


def is_pair(encoding: Encoding) -> bool:
    """Two levels and nothing missing fit into one input of +-1."""
    return len(encoding["levels"]) == 2 and not encoding["other"] and not encoding["missing"]


def _days(values: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    seconds = values.cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64).fill_null(0.0).to_numpy() / 1e6
    return seconds / _SECONDS_A_DAY


def _cycles(days: np.ndarray[Any, np.dtype[np.float64]]) -> list[str]:
    span = float(days.max() - days.min())
    return [
        name
        for name, period, _ in _CYCLES
        if span >= _LEAST_CYCLES * period and np.unique(np.round((days % period) / period, 3)).size > 1
    ]


_ENCODERS: dict[str, Callable[[Encoding, pl.Series, np.ndarray], None]] = {
    "number": _encode_number,
    "date": _encode_date,
    "boolean": _encode_boolean,
    "category": _encode_category,
}
