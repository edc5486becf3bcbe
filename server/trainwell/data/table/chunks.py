"""A table that need not fit into memory, part by part: delimited text, Parquet and JSON Lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.data.content import recognise_content
from trainwell.data.memory import bytes_per_value
from trainwell.data.table.delimited import Dialect, survey, where
from trainwell.data.table.names import check_names, tidy_names
from trainwell.data.table.read import (
    Table,
    is_json,
    json_rows,
    parse,
    polars_errors,
    rows_frame,
    unreadable,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Bytes of a part as they lie in the file; as columns, encoded and predicted it is some ten times as much.
PART_BYTES = 8_000_000
_BOM = b"\xef\xbb\xbf"
_QUOTE, _NEWLINE = 34, 10


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file, and the share of the file that is read with them."""

    table: Table
    share: float


def chunks(path: Path) -> Iterator[Chunk] | None:
    """The rows of a file in parts, in order; None for a format that is read as a whole (a JSON array).

    Raises:
        TrainwellError: `table_unreadable`, or a code of `survey`, `check_names`, `rows_frame`.
    """
    if recognise_content(path) == "parquet":
        return _of_parquet(path)
    if is_json(path):
        with path.open("rb") as stream:
            whole = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
        return None if whole else _of_json_lines(path)
    return _of_delimited(path)


def _of_delimited(path: Path) -> Iterator[Chunk]:
    """Blank lines are no rows; the file was looked through before the first part comes."""
    dialect = survey(path)
    places = list(range(len(dialect.names)))
    first, notes = 0, [*dialect.notes]
    for block, share in _blocks(path, quoted=dialect.quoted):
        as_first = dialect if first == 0 else replace(dialect, has_header=False, skipped_lines=0)
        frame = parse(path, block, as_first, places) if block.strip() else _blank(dialect, block.count(b"\n"))
        held = frame.select(~pl.all_horizontal(pl.all().str.strip_chars().fill_null("") == "")).to_series()
        rows = np.flatnonzero(held.to_numpy()) + first
        table = Table(
            frame if held.all() else frame.filter(held), dialect.records, notes,
            decimal_comma=dialect.separator != ",", locate=partial(_line, path, dialect, rows),
        )  # fmt: skip
        first += frame.height
        if table.frame.height:
            yield Chunk(table, share)
        notes = []
    if first != dialect.records:
        message = f"{dialect.records:,} rows were counted and {first:,} could be read."
        raise unreadable(path, message, "Are quotation marks inside fields doubled?")


def _line(path: Path, dialect: Dialect, rows: np.ndarray[Any, np.dtype[np.int64]], row: int) -> str:
    return where(path, dialect, int(rows[row]))


def _blank(dialect: Dialect, rows: int) -> pl.DataFrame:
    return pl.DataFrame({name: [None] * rows for name in dialect.names}, schema=dict.fromkeys(dialect.names, pl.String))


def _blocks(path: Path, *, quoted: bool) -> Iterator[tuple[bytes, float]]:
    """Whole records, about `PART_BYTES` of them at a time, each with the share of the file that is read."""
    size, read = path.stat().st_size, 0
    rest = b""
    with path.open("rb") as stream:
        while piece := stream.read(PART_BYTES):
            rest += piece.removeprefix(_BOM) if not read else piece
            read += len(piece)
            end = _last_end(rest) if quoted and b'"' in rest else rest.rfind(b"\n") + 1
            if end:
                yield rest[:end], read / max(read, size)
                rest = rest[end:]
    if rest:
        yield rest, 1.0


def _last_end(text: bytes) -> int:
    """Behind the last line end that no quotation holds, of a text that begins with a record."""
    data = np.frombuffer(text, np.uint8)
    inside = np.cumsum(data == _QUOTE) & 1
    ends = np.flatnonzero((data == _NEWLINE) & (inside == 0))
    return int(ends[-1]) + 1 if len(ends) else 0


def _of_parquet(path: Path) -> Iterator[Chunk]:
    with polars_errors(path):
        lazy = pl.scan_parquet(path, glob=False)
        schema = lazy.collect_schema()
        rows = int(lazy.select(pl.len()).collect().item())
    check_names(schema.names())
    each = max(1000, PART_BYTES // max(1, sum(map(bytes_per_value, schema.dtypes()))))
    for first in range(0, rows, each):
        with polars_errors(path):
            frame = lazy.slice(first, each).collect()
        yield Chunk(Table(frame, rows, locate=partial(_row, first)), min(1.0, (first + each) / rows))


def _row(first: int, row: int) -> str:
    return f"row {first + row + 1}"


def _of_json_lines(path: Path) -> Iterator[Chunk]:
    """A key that a part lacks is missing there, where an earlier part has it."""
    known: dict[str, pl.DataType] = {}
    line = 1
    for block, share in _blocks(path, quoted=False):
        frame, numbers = _json_frame(path, block, line)
        line += block.count(b"\n")
        if not frame.height:
            continue
        lacking = [pl.Series(name, [None] * frame.height, kind) for name, kind in known.items() if name not in frame]
        frame = frame.with_columns(lacking)
        known |= dict(frame.schema)
        table = Table(frame, frame.height, locate=partial(_json_line, numbers))
        yield Chunk(table, share)


def _json_line(numbers: list[int], row: int) -> str:
    return f"line {numbers[row]}"


def _json_frame(path: Path, block: bytes, line: int) -> tuple[pl.DataFrame, list[int]]:
    """Lines of JSON as a frame, and the line that each row stands on."""
    try:
        lines = block.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        at = line + block[: error.start].count(b"\n")
        raise TrainwellError("not_utf8", f"Line {at} is not UTF-8.", argument="source", got=path.name) from error
    numbers = [line + place for place, text in enumerate(lines) if text.strip()]
    try:
        frame = pl.read_ndjson(block, infer_schema_length=None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        # Read again by lines, which tells where and why, and takes what polars does not (true beside 1).
        rows = json_rows(path, lines, line)
        frame = rows_frame(rows, argument="source") if rows else pl.DataFrame()
    if not frame.width:
        return frame, numbers
    names, _ = tidy_names(frame.columns)
    check_names(names)
    frame.columns = names
    if frame.height != len(numbers):
        raise TrainwellError(
            "table_unreadable", f"{len(numbers):,} lines from line {line} on gave {frame.height:,} rows.",
            argument="source", got=path.name, hint="Write one object a line.",
        )  # fmt: skip
    return frame, numbers
