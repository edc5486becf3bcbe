"""Raw rows through the preprocessing that was fitted: what predicting and judging on other data need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import plain, quoted
from trainwell.data.parts import EncodedRows
from trainwell.data.table.columns import missing_cells
from trainwell.data.table.encode import embedded, encode_frame, encode_numbers, read_columns, width
from trainwell.data.table.labels import read_target
from trainwell.data.table.read import Table, rows_frame
from trainwell.data.target import unusable_note
from trainwell.data.wording import Tally, counted

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData


def rows_table(prepared: PreparedData, rows: list[Any]) -> Table:
    """Inline rows as a table; lists of values are in the order of the features, or of the whole source.

    Of a table with one feature, plain values will do.

    Raises:
        TrainwellError: `too_few_rows`, or what `rows_frame` raises.
    """
    if not rows:
        raise TrainwellError("too_few_rows", "rows is empty.", argument="rows", allowed="at least one row")
    names: list[str] | None = None
    first: Any = rows[0]
    if len(prepared.encoding["order"]) == 1 and not isinstance(first, list | tuple | dict):
        rows = [row if isinstance(row, list | tuple | dict) else [row] for row in rows]
        first = rows[0]
    if isinstance(first, list | tuple):
        whole = prepared.encoding["source_columns"]
        names = whole if len(cast("list[Any]", first)) == len(whole) else prepared.encoding["order"]
    frame = rows_frame(rows, names)
    return Table(frame, frame.height)


def encode_table(prepared: PreparedData, table: Table, *, argument: str, strict: bool) -> EncodedRows:
    """A table of raw rows as network inputs, with the target where the rows hold one.

    Args:
        prepared: What the network was trained on.
        table: Raw rows; columns that are not needed are ignored.
        argument: Where the rows come from: rows, source, or part (some rows of a source without its blank lines).
        strict: Whether a cell that cannot be read is an error, or missing with a note.

    Raises:
        TrainwellError: `missing_column`, `bad_value`, `too_few_rows`.
    """
    encodings = prepared.encoding["columns"]
    if not table.frame.height:
        raise TrainwellError("too_few_rows", "There are no rows.", argument="source", allowed="at least one row")
    _check_columns(
        [entry["name"] for entry in encodings], table.frame.columns, "rows" if argument == "rows" else "source"
    )
    table, rows = _without_blank_lines(table) if argument == "source" else (table, np.arange(table.frame.height))
    values = read_columns(encodings, table.frame)
    notes = list(table.notes)
    for encoding in encodings:
        notes += _oddities(encoding, table, values[encoding["name"]], strict=strict, inline=argument == "rows")
    inputs = encode_inputs(encodings, values)
    target = inputs[0] if prepared.task == "reconstruction" else read_target(prepared, table.frame)
    notes += [] if target is None else unusable_note(prepared, target)
    return EncodedRows(inputs, target, table.frame.height, rows, notes)


def encode_inputs(encodings: list[dict[str, Any]], frame: pl.DataFrame) -> tuple[np.ndarray[Any, Any], ...]:
    """The inputs of a network in their order: the numeric one, where there is such, then the embedded categories."""
    numeric = (encode_frame(encodings, frame),) if any(map(width, encodings)) else ()
    return (*numeric, encode_numbers(encodings, frame)) if embedded(encodings) else numeric


def _check_columns(needed: list[str], given: list[str], argument: str) -> None:
    known = set(given)
    missing = [name for name in needed if name not in known]
    if not missing:
        return
    unused = [name for name in given if name not in set(needed)]
    shown = ", ".join(quoted(name, 40) for name in missing[:5])
    near = did_you_mean(missing[0], unused)
    raise TrainwellError(
        "missing_column",
        f"Missing {counted(len(missing), 'column')}: {shown}{', ...' if len(missing) > 5 else ''}.",
        argument=argument,
        got=[name[:80] for name in given[:20]],
        allowed=[name[:80] for name in needed[:20]],
        hint=near or "Give every column; a value that is not known may be null.",
    )


def _oddities(encoding: dict[str, Any], table: Table, values: pl.Series, *, strict: bool, inline: bool) -> list[str]:
    raw, name = table.frame[encoding["name"]], encoding["name"]
    column = quoted(name, 40)
    if encoding["as"] == "category":
        strange = values.is_not_null() & ~values.is_in(encoding["levels"])
        if strange.any() and not encoding["other"]:
            example = quoted(values.filter(strange)[0], 40)
            told = {"after": " of unseen categories", "example": f", such as {example}"}
            return [Tally(int(strange.sum()), "cell", before=f"Column {column}: ", **told)]
        return []
    if encoding["as"] == "number of category":
        strange = int((values.is_not_null() & ~values.is_in(encoding["levels"])).sum())
        told = Tally(strange, "cell", before=f"Column {column}: ", after=" of rare or unseen categories")
        return [told] if strange else []
    lost = values.is_null() & ~missing_cells(raw, among_numbers=True)
    if not lost.any():
        return []
    row = int(lost.arg_true()[0])
    if strict:
        place = f"Row {row}" if inline else table.locate(row).capitalize()
        wanted = encoding["as"]
        raise TrainwellError(
            "bad_value", f"{place}, column {column}: this is not a {wanted}.",
            argument=f"rows/{row}/{plain(name)}" if inline else "source", got=raw[row],
            allowed=f"a finite {wanted} or null" if wanted == "number" else f"a {wanted} or null",
            hint=None if inline else "Mend the cell, or pass on_bad_row: missing.",
        )  # fmt: skip
    after = f" cannot be read as a {encoding['as']}, taken as missing"
    return [Tally(int(lost.sum()), "cell", before=f"Column {column}: ", after=after)]


def _without_blank_lines(table: Table) -> tuple[Table, np.ndarray[Any, np.dtype[np.int64]]]:
    """A file's rows that hold anything, and their numbers."""
    cells = [
        series.is_null() | (series.str.strip_chars() == "") if series.dtype == pl.String else series.is_null()
        for series in table.frame.get_columns()
    ]
    blank = np.logical_and.reduce([mask.to_numpy() for mask in cells])
    rows = np.flatnonzero(~blank)
    if len(rows) == 0:
        raise TrainwellError("too_few_rows", "There are no rows.", argument="source", allowed="at least one row")
    return (table, rows) if not blank.any() else (replace(table, frame=table.frame.filter(pl.Series(~blank))), rows)
