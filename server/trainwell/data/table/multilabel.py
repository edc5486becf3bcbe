"""Several labels a row in a table: one column of 0 and 1 for each label, or one column that lists them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data.multilabel import MOST_LABELS, check_labels
from trainwell.data.table.columns import missing_cells, read_as
from trainwell.data.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.data.multilabel import Flags
    from trainwell.data.table.columns import Column

JSON = "json"
_SEPARATORS = (";", "|", ",")
_WORDS = {";": "semicolons", "|": "vertical bars", ",": "commas", JSON: "JSON lists"}
# Unasked, a column is a list of labels when so many of its cells hold several, and few labels make them all up.
_OFTEN, _MOST_UNASKED, _LONGEST_LABEL = 0.1, 200, 40
_SAMPLE = 5_000


def listing(values: pl.Series) -> str | None:
    """How the cells of a column list labels: a separator, `json`, or None when no cell holds more than one."""
    if values.dtype == pl.List:
        return JSON
    if not isinstance(values.dtype, pl.String | pl.Categorical):
        return None
    sample = values.drop_nulls().cast(pl.String).unique(maintain_order=True).head(_SAMPLE)
    if len(sample) and sample.str.contains(r"^\s*\[.*\]\s*$").all():
        return JSON
    return next((mark for mark in _SEPARATORS if sample.str.contains(mark, literal=True).any()), None)


def looks_multilabel(column: Column, values: pl.Series) -> bool:
    """Whether a column lists labels beyond doubt, so that nobody needs to say so."""
    if values.dtype == pl.List:
        return values.dtype in (pl.List(pl.String), pl.List(pl.Categorical))
    how = listing(values) if column.kind in {"category", "text"} else None
    if how is None or how == ",":
        return False
    cells = values.drop_nulls().cast(pl.String).head(_SAMPLE)
    if how == JSON:
        return all(isinstance(cell, list) for cell in map(_json, cells))
    parts = cells.str.split(how)
    labels = parts.explode(empty_as_null=False).str.strip_chars().value_counts()
    often = float((parts.list.len() > 1).mean() or 0) >= _OFTEN  # pyright: ignore[reportArgumentType, reportOperatorIssue]
    again = labels["count"].median()
    longest = labels[labels.columns[0]].str.len_chars().max()
    return (
        often
        and labels.height <= min(_MOST_UNASKED, cells.n_unique())
        and isinstance(again, int | float)
        and again >= 3
        and isinstance(longest, int)
        and longest <= _LONGEST_LABEL
    )


def fit_listed(column: Column, values: pl.Series, note: str) -> tuple[Target, dict[str, Any]]:
    """A column that lists labels, and how it is read.

    Args:
        column: What was recognised.
        values: Its cells in the usable rows, without nulls.
        note: Who decided that it lists labels.

    Raises:
        TrainwellError: `not_multilabel`, `bad_value`, or what `check_labels` raises.
    """
    how = listing(values)
    if how is None:
        raise TrainwellError(
            "not_multilabel", f"No cell of {quoted(column.name)} holds more than one label.", argument="target",
            got=column.name, allowed='labels separated by ; or | or ",", or JSON lists of labels',
            hint="For one column of 0 and 1 for each label, name them in targets; for one class a row leave task out.",
        )  # fmt: skip
    lists = _lists(values, how)
    labels = lists.explode(empty_as_null=False).drop_nulls().unique().sort().to_list()
    labels = [label for label in labels if label]
    if len(labels) > MOST_LABELS:
        check_labels(column.name, labels, np.zeros((0, 0), np.uint8))
    flags = _flags(lists, labels)
    check_labels(column.name, labels, flags)
    said = f"Column {quoted(column.name)} lists labels as {_WORDS[how]}{note}: {len(labels)} different labels."
    return Target(column.name, "multilabel", flags, tuple(labels), said), {"name": column.name, "listing": how}


def fit_columns(columns: Sequence[Column], values: Sequence[pl.Series]) -> tuple[Target, dict[str, Any]]:
    """One column of 0 and 1 (or yes and no) for each label, and how they are read.

    Args:
        columns: What was recognised, in the order of the labels.
        values: Their cells in the usable rows, without nulls.

    Raises:
        TrainwellError: `not_a_label`, or what `check_labels` raises.
    """
    flags = np.zeros((len(values[0]), len(columns)), np.uint8)
    for place, (column, cells) in enumerate(zip(columns, values, strict=True)):
        odd = _not_flag(column, cells)
        if odd is not None:
            raise TrainwellError(
                "not_a_label", f"Column {quoted(column.name)} is not only 0 and 1, or yes and no.", argument="targets",
                got=odd, allowed="0 and 1, true and false, or yes and no",
                hint="To forecast several columns pass task: forecasting; else prepare once for each column.",
            )  # fmt: skip
        flags[:, place] = cells.cast(pl.UInt8).to_numpy()
    name = ", ".join(column.name for column in columns)
    check_labels(name, [column.name for column in columns], flags)
    target = Target(name, "multilabel", flags, tuple(column.name for column in columns))
    return target, {"name": name, "labels": [{"name": one.name, "reading": one.reading} for one in columns]}


def read_labels(frame: pl.DataFrame, reading: dict[str, Any], labels: Sequence[str]) -> np.ndarray[Any, Any] | None:
    """(rows, labels) float32 flags of raw rows; NaN where they are missing. None where the columns are not there."""
    if "listing" in reading:
        if reading["name"] not in frame.columns:
            return None
        cells = frame[reading["name"]]
        gone = missing_cells(cells, among_numbers=False).to_numpy()
        flags = _flags(_lists(cells, reading["listing"]), labels).astype(np.float32)
        flags[gone] = np.nan
        return flags
    if any(one["name"] not in frame.columns for one in reading["labels"]):
        return None
    columns = [read_as(frame[one["name"]], one["reading"]).cast(pl.Float32) for one in reading["labels"]]
    return np.stack([column.fill_null(float("nan")).to_numpy() for column in columns], axis=1)


def as_text(values: pl.Series) -> pl.Series:
    """Lists as JSON text, so that rows can be kept in any format; other columns as they are."""
    if values.dtype != pl.List:
        return values
    texts = [None if cell is None else json.dumps([str(one) for one in cell]) for cell in values.to_list()]
    return pl.Series(values.name, texts, pl.String)


def _lists(values: pl.Series, how: str) -> pl.Series:
    if values.dtype == pl.List:
        return values.cast(pl.List(pl.String))
    cells = values.cast(pl.String)
    if how != JSON:
        return cells.str.split(how).list.eval(pl.element().str.strip_chars())
    different = cells.unique()
    parsed = {cell: _json(cell) for cell in different.drop_nulls()}
    return pl.Series(values.name, [parsed.get(cell) for cell in cells], pl.List(pl.String))


def _json(cell: str) -> list[str] | None:
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return [str(one).strip() for one in found] if isinstance(found, list) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _flags(lists: pl.Series, labels: Sequence[str]) -> Flags:
    """(rows, labels) 1 where a row's list names the label."""
    flags = np.zeros((len(lists), len(labels)), np.uint8)
    frame = pl.DataFrame({"row": pl.int_range(len(lists), eager=True), "label": lists})
    frame = frame.explode("label", empty_as_null=False).drop_nulls()
    places = frame["label"].replace_strict(labels, range(len(labels)), default=-1, return_dtype=pl.Int64).to_numpy()
    known = places >= 0
    flags[frame["row"].to_numpy()[known], places[known]] = 1
    return flags


def _not_flag(column: Column, cells: pl.Series) -> str | None:
    """A cell that is neither 0 nor 1, if there is one."""
    if column.kind == "boolean":
        return None
    if column.kind != "number":
        return str(cells[0]) if len(cells) else ""
    odd = cells.filter((cells != 0) & (cells != 1))
    return str(odd[0]) if len(odd) else None
