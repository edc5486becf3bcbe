"""Any table as one polars frame: delimited text, Parquet, JSON Lines, shipped sets, inline rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import polars as pl
from polars.exceptions import PanicException, PolarsError

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain, quoted
from trainwell.data.content import recognise_content
from trainwell.data.memory import check_memory
from trainwell.data.table.delimited import Dialect, survey, where
from trainwell.data.table.names import check_names, tidy_names
from trainwell.data.table.shipped import SHIPPED_TARGET, read_shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trainwell.data.source import Source

# Polars holds a field in 16 bytes and long text once more; measured peak is 2 to 3 times the file.
_TEXT_FACTOR = 3
_JSON_FACTOR = 6
# Above this, inspecting looks at the first rows only.
LARGE_FILE_BYTES = 200_000_000
SAMPLE_ROWS = 200_000


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        frame: Columns as text where the file is text, else of the file's own types.
        rows: Rows of the source; more than the frame's when only the first were read.
        notes: What was decided in reading.
        target: The column to predict, where the source knows it.
        decimal_comma: Whether `1,5` is likelier to mean 1.5 than 1500.
        locate: Says where a row stands, such as `line 12`.
    """

    frame: pl.DataFrame
    rows: int
    notes: list[str] = field(default_factory=list)
    target: str | None = None
    decimal_comma: bool = False
    locate: Callable[[int], str] = lambda row: f"row {row + 1}"


def read_table(source: Source, *, only: Sequence[str] | None = None, sample: bool = False) -> Table:
    """Read a source whole, or its first rows when `sample` is set and the file is large.

    Args:
        source: Where the rows are.
        only: Names to keep, where the format lets columns be skipped unread (Parquet).
        sample: Whether the first `SAMPLE_ROWS` of a file over `LARGE_FILE_BYTES` are enough.

    Raises:
        TrainwellError: `table_unreadable`, `not_enough_memory`, or a code of `survey`, `check_names`, `rows_frame`.
    """
    if source.shipped is not None:
        frame = read_shipped(source.shipped)
        return Table(frame, frame.height, target=SHIPPED_TARGET)
    if source.rows is not None:
        frame = rows_frame(source.rows)
        return Table(frame, frame.height)
    if source.path is None:
        raise TrainwellError("missing_argument", "There is nothing to read.", argument="source")
    limit = SAMPLE_ROWS if sample and source.path.stat().st_size > LARGE_FILE_BYTES else None
    if recognise_content(source.path) == "parquet":
        return _read_parquet(source.path, only, limit)
    return _read_json(source.path, limit) if _is_json(source.path) else _read_delimited(source.path, limit)


def rows_frame(rows: Sequence[Any], names: Sequence[str] | None = None, argument: str = "rows") -> pl.DataFrame:
    """Inline rows as a frame: columns of numbers, booleans or text; mixed ones as text.

    Args:
        rows: Objects by column name, or lists of values.
        names: The columns that lists mean, in order; made up when missing.
        argument: JSON path of `rows`, for errors.

    Raises:
        TrainwellError: `bad_row`, `bad_value`, `duplicate_columns`, `too_many_columns`.
    """
    found: dict[str, None] = dict.fromkeys(names or ())
    first: Any = rows[0]
    as_lists = isinstance(first, list | tuple)
    if as_lists and names is None:
        found = dict.fromkeys(tidy_names([""] * len(cast("list[Any]", first)))[0])
    for number, row in enumerate(rows):
        if as_lists and isinstance(row, list | tuple) and len(cast("list[Any]", row)) == len(found):
            continue
        if as_lists or not isinstance(row, dict):
            expected = f"a list of {len(found)} values" if as_lists else "an object by column name"
            raise TrainwellError(
                "bad_row", f"Row {number} is not {expected}.", argument=f"{argument}/{number}", got=row,
                allowed=expected, hint=f"The columns are: {', '.join(map(quoted, list(found)[:20]))}.",
            )  # fmt: skip
        found.update(dict.fromkeys(cast("dict[str, Any]", row)))
    if not found:
        raise TrainwellError("bad_row", "The rows hold no columns.", argument=argument)
    columns = list(found)
    tidy, _ = tidy_names(columns)
    check_names(tidy)
    if as_lists:
        cells = {name: [row[place] for row in rows] for place, name in enumerate(columns)}
    else:
        cells = {name: [row.get(name) for row in rows] for name in columns}
    return pl.DataFrame([_series(name, values, argument) for name, values in zip(tidy, cells.values(), strict=True)])


def _series(name: str, values: list[Any], argument: str) -> pl.Series:
    kinds: set[type] = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pl.Series(name, values, pl.Boolean)
    if kinds <= {int, float, bool}:
        return pl.Series(name, [_float(value) for value in values], pl.Float64)
    for number, value in enumerate(values):
        if isinstance(value, dict | list | tuple):
            raise TrainwellError(
                "bad_value", "A cell holds a list or an object.", argument=f"{argument}/{number}/{plain(name)}",
                got=value, allowed="a number, text, true, false or null",
            )  # fmt: skip
    return pl.Series(name, [_text(value) for value in values], pl.String)


def _float(value: float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        return float("inf") if (value or 0) > 0 else float("-inf")


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if value is not None else None
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _read_delimited(path: Path, limit: int | None) -> Table:
    if limit is None:
        check_memory(path.stat().st_size * _TEXT_FACTOR, "The table")
    dialect = survey(path)
    with _polars_errors(path):
        frame = pl.read_csv(
            path,
            separator=dialect.separator,
            has_header=dialect.has_header,
            skip_lines=dialect.skipped_lines,
            new_columns=list(dialect.names),
            quote_char='"' if dialect.quoted else None,
            infer_schema=False,
            empty_string_is_null=False,
            n_rows=limit,
            glob=False,
        )
    if frame.width != len(dialect.names) or frame.height != min(dialect.records, limit or dialect.records):
        raise _unreadable(
            path, f"{dialect.records:,} rows were counted and {frame.height:,} could be read.",
            "Are quotation marks inside fields doubled?",
        )  # fmt: skip
    return Table(
        frame,
        dialect.records,
        [*dialect.notes, *_sampled(dialect.records, limit)],
        decimal_comma=dialect.separator != ",",
        locate=_line_finder(path, dialect),
    )


def _line_finder(path: Path, dialect: Dialect) -> Callable[[int], str]:
    return lambda row: where(path, dialect, row)


def _read_parquet(path: Path, only: Sequence[str] | None, limit: int | None) -> Table:
    with _polars_errors(path):
        lazy = pl.scan_parquet(path, glob=False)
        schema = lazy.collect_schema()
        rows = int(lazy.select(pl.len()).collect().item())
    check_names(schema.names())
    if only is not None and set(only) <= set(schema.names()):
        schema = pl.Schema({name: kind for name, kind in schema.items() if name in set(only)})
        lazy = lazy.select(schema.names())
    # Metadata sizes lie by compression; rows times the width of each type does not.
    check_memory(rows * sum(_bytes_per_value(kind) for kind in schema.dtypes()), "The table")
    with _polars_errors(path):
        frame = (lazy.head(limit) if limit is not None else lazy).collect()
    return Table(frame, rows, _sampled(rows, limit))


def _sampled(rows: int, limit: int | None) -> list[str]:
    return [f"Only the first {limit:,} rows were looked at."] if limit is not None and rows > limit else []


def _bytes_per_value(kind: pl.DataType) -> int:
    if kind == pl.Boolean:
        return 1
    if isinstance(kind, pl.String | pl.Binary) or kind.is_nested():
        return 32
    return 16 if isinstance(kind, pl.Decimal | pl.Int128) else 8


def _is_json(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in {".jsonl", ".ndjson", ".json"}:
        return True
    with path.open("rb") as stream:
        return suffix not in {".csv", ".tsv"} and stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(
            (b"{", b"[{")
        )


def _read_json(path: Path, limit: int | None) -> Table:
    if limit is None:
        check_memory(path.stat().st_size * _JSON_FACTOR, "The table")
    with path.open("rb") as stream:
        whole = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    if not whole:
        try:
            frame = pl.read_ndjson(path, infer_schema_length=None, n_rows=limit)
            names, notes = tidy_names(frame.columns)
            check_names(names)
            frame.columns = names
            if names:
                rows = frame.height if limit is None else _count_lines(path)
                return Table(frame, rows, notes + _sampled(rows, limit))
        except (PolarsError, PanicException):
            pass  # read again by lines, which tells where and why, and takes what polars does not (true beside 1)
    frame = rows_frame(_json_array(path) if whole else _json_lines(path), argument="source")
    return Table(frame, frame.height)


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))


def _json_array(path: Path) -> list[Any]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"This is not JSON: {plain(str(error), 200)}.", "Write one object a line.") from error
    if not rows:
        raise TrainwellError("empty_file", "The file holds an empty list.", argument="source", got=path.name)
    return rows


def _json_lines(path: Path) -> list[Any]:
    rows: list[Any] = []
    line, number = "", 0
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    rows.append(json.loads(line))
                    if not isinstance(rows[-1], dict):
                        raise _unreadable(path, f"Line {number} is not an object.", "Write one object a line.")
    except UnicodeDecodeError as error:
        raise TrainwellError("not_utf8", f"The file is not UTF-8 after line {number}.", argument="source") from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(
            path, f"Line {number} is not JSON: {quoted(line.strip())}.", "Write one object a line."
        ) from error
    return rows


class _polars_errors:  # noqa: N801 - used like a function
    """Turn what polars raises into one error; its panics do not derive from Exception."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MemoryError):
            raise TrainwellError("not_enough_memory", "Memory ran out.", argument="source") from error
        if isinstance(error, PolarsError | PanicException | OSError | UnicodeDecodeError):
            said = str(error).strip().splitlines()
            raise _unreadable(self.path, f"It could not be parsed: {plain(said[0] if said else '', 200)}.") from error


def _unreadable(path: Path, message: str, hint: str | None = None) -> TrainwellError:
    return TrainwellError(
        "table_unreadable", message, argument="source", got=path.name, hint=hint or "Is the file whole?"
    )
