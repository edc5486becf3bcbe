"""Any table as one polars frame: delimited text, Parquet, JSON Lines, shipped sets, inline rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import polars as pl
from polars.exceptions import PanicException, PolarsError

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain, quoted
from trainwell.data.content import recognise_content
from trainwell.data.memory import bytes_per_value, check_memory
from trainwell.data.table.delimited import Dialect, sample_lines, survey, where
from trainwell.data.table.names import check_names, tidy_names
from trainwell.data.table.shipped import SHIPPED_TARGET, read_shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from trainwell.data.source import Source

# Polars holds a field in 16 bytes and long text once more; read in groups of columns, of which only one is text at a
# time, the peak was measured at up to 1.3 times the file, read as one at 2 to 3 times.
_TYPED_FACTOR, _TEXT_FACTOR = 1.5, 3
_JSON_FACTOR = 6
# One group of columns: small beside the rest of a large file, and whole where the file is small.
_GROUP_BYTES, _MOST_GROUPS = 64_000_000, 10
# Above this, inspecting looks at rows from several places only.
LARGE_FILE_BYTES = 32_000_000
SAMPLE_ROWS, SAMPLE_CELLS, SAMPLE_PLACES = 50_000, 1_500_000, 10


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        frame: Columns as text where the file is text, else of the file's own types.
        rows: Rows of the source; more than the frame's when only some were read.
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


@dataclass(frozen=True)
class TableFile:
    """A table that was looked at but not read: its columns come one group after the other.

    Attributes:
        names: Its columns.
        rows: Rows of the source.
        columns: Gives some of the columns as a frame, text where the file is text.
        bytes_held: What all columns would hold as read, about.
        notes: As in `Table`, as are `target`, `decimal_comma` and `locate`.
    """

    names: list[str]
    rows: int
    columns: Callable[[Sequence[str]], pl.DataFrame]
    bytes_held: int
    notes: list[str] = field(default_factory=list)
    target: str | None = None
    decimal_comma: bool = False
    locate: Callable[[int], str] = lambda row: f"row {row + 1}"

    def groups(self) -> Iterator[pl.DataFrame]:
        """All columns in groups, each small beside the whole, so that nobody holds the table twice."""
        groups = min(_MOST_GROUPS, 1 + self.bytes_held // _GROUP_BYTES, max(1, len(self.names)))
        size = -(-len(self.names) // groups)
        for start in range(0, len(self.names), size):
            yield self.columns(self.names[start : start + size])

    def whole(self) -> Table:
        """The table read as one."""
        frame = self.columns(self.names)
        return Table(frame, self.rows, self.notes, self.target, self.decimal_comma, self.locate)


def read_table(source: Source, *, only: Sequence[str] | None = None, sample: bool = False) -> Table:
    """Read a source whole, or some of its rows; see `open_table`.

    Raises:
        TrainwellError: what `open_table` raises.
    """
    return open_table(source, only=only, sample=sample, factor=_TEXT_FACTOR).whole()


def open_table(
    source: Source, *, only: Sequence[str] | None = None, sample: bool = False, factor: float = _TYPED_FACTOR
) -> TableFile:
    """Look at a source; its columns are read when they are asked for.

    Args:
        source: Where the rows are.
        only: Names to keep, where the format lets columns be skipped unread; others are kept as well elsewhere.
        sample: Whether some `SAMPLE_ROWS` rows of a file over `LARGE_FILE_BYTES` are enough.
        factor: Memory that reading a text will take, in sizes of the file.

    Raises:
        TrainwellError: `table_unreadable`, `not_enough_memory`, or a code of `survey`, `check_names`, `rows_frame`.
    """
    if source.part is not None:
        part = source.part
        return replace(_held(part.frame, part.rows, part.notes), decimal_comma=part.decimal_comma, locate=part.locate)
    if source.shipped is not None:
        return _held(read_shipped(source.shipped), target=SHIPPED_TARGET)
    if source.rows is not None:
        return _held(rows_frame(source.rows))
    if source.path is None:
        raise TrainwellError("missing_argument", "There is nothing to read.", argument="source")
    sample = sample and source.path.stat().st_size > LARGE_FILE_BYTES
    if recognise_content(source.path) == "parquet":
        return _open_parquet(source.path, only, sample=sample)
    if is_json(source.path):
        return _read_json(source.path, SAMPLE_ROWS if sample else None)
    return _look_at_delimited(source.path) if sample else _open_delimited(source.path, only, factor)


def _held(
    frame: pl.DataFrame, rows: int | None = None, notes: list[str] | None = None, target: str | None = None
) -> TableFile:
    """A table that is in memory already."""
    rows = frame.height if rows is None else rows
    return TableFile(frame.columns, rows, frame.select, 0, notes or [], target)


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


def _open_delimited(path: Path, only: Sequence[str] | None, factor: float) -> TableFile:
    size = path.stat().st_size
    check_memory(int(size * factor), "The table")
    dialect = survey(path)
    places = {name: place for place, name in enumerate(dialect.names)}
    names = [name for name in places if name in set(only)] if only and set(only) <= set(places) else [*places]

    def columns(wanted: Sequence[str]) -> pl.DataFrame:
        frame = parse(path, path, dialect, sorted(places[name] for name in wanted))
        if frame.height != dialect.records:
            raise unreadable(
                path, f"{dialect.records:,} rows were counted and {frame.height:,} could be read.",
                "Are quotation marks inside fields doubled?",
            )  # fmt: skip
        return frame

    return TableFile(
        names,
        dialect.records,
        columns,
        size * len(names) // len(places),
        list(dialect.notes),
        decimal_comma=dialect.separator != ",",
        locate=lambda row: where(path, dialect, row),
    )


def _look_at_delimited(path: Path) -> TableFile:
    """Rows from several places of a large file; lines that cannot be read there are passed over."""
    dialect = survey(path, whole=False)
    if dialect.records <= 2 * _sample_rows(len(dialect.names)):
        return _open_delimited(path, None, _TYPED_FACTOR)
    text = sample_lines(path, dialect, _sample_rows(len(dialect.names)), SAMPLE_PLACES)
    frame = parse(path, text, dialect, list(range(len(dialect.names))), ragged=True)
    notes = [*dialect.notes, *_sampled(dialect.records, frame.height, about=dialect.about)]
    held = _held(frame, dialect.records, notes)
    return replace(held, decimal_comma=dialect.separator != ",", locate=_among_looked_at)


def parse(path: Path, text: Path | bytes, dialect: Dialect, chosen: list[int], *, ragged: bool = False) -> pl.DataFrame:
    """The columns at some places, as text."""
    with polars_errors(path):
        frame = pl.read_csv(
            text,
            separator=dialect.separator,
            has_header=dialect.has_header,
            skip_lines=dialect.skipped_lines,
            columns=None if len(chosen) == len(dialect.names) else chosen,
            new_columns=list(dialect.names),
            quote_char='"' if dialect.quoted else None,
            infer_schema=False,
            empty_string_is_null=False,
            truncate_ragged_lines=ragged,
            glob=False,
        )
    if frame.width != len(chosen):
        raise unreadable(path, f"{len(chosen):,} columns were counted and {frame.width:,} could be read.")
    return frame


def _among_looked_at(row: int) -> str:
    return f"row {row + 1} of those looked at"


def _sample_rows(columns: int) -> int:
    return max(1000, min(SAMPLE_ROWS, SAMPLE_CELLS // max(1, columns))) if SAMPLE_ROWS > 1000 else SAMPLE_ROWS


def _open_parquet(path: Path, only: Sequence[str] | None, *, sample: bool) -> TableFile:
    with polars_errors(path):
        lazy = pl.scan_parquet(path, glob=False)
        schema = lazy.collect_schema()
        rows = int(lazy.select(pl.len()).collect().item())
    check_names(schema.names())
    if only is not None and set(only) <= set(schema.names()):
        schema = pl.Schema({name: kind for name, kind in schema.items() if name in set(only)})
    each = _sample_rows(len(schema)) // SAMPLE_PLACES
    sample = sample and rows > 2 * each * SAMPLE_PLACES
    looked = each * SAMPLE_PLACES if sample else rows
    # Metadata sizes lie by compression; rows times the width of each type does not.
    held = looked * sum(bytes_per_value(kind) for kind in schema.dtypes())
    check_memory(held, "The table")

    def columns(wanted: Sequence[str]) -> pl.DataFrame:
        with polars_errors(path):
            some = lazy.select(list(wanted))
            if not sample:
                return some.collect()
            starts = [rows * place // SAMPLE_PLACES for place in range(SAMPLE_PLACES)]
            return pl.concat(pl.collect_all([some.slice(start, each) for start in starts]))

    file = TableFile(schema.names(), rows, columns, held, _sampled(rows, looked))
    return replace(file, locate=_among_looked_at) if sample else file


def _sampled(rows: int, looked: int, *, about: bool = False) -> list[str]:
    guess = [f"The number of rows, {rows:,}, is a guess from the size of the file."] if about else []
    return [f"Looked at {looked:,} of the rows.", *guess] if rows > looked else []


def is_json(path: Path) -> bool:
    """Whether a text file holds JSON: by its name, else by its first character."""
    suffix = path.suffix.lower()
    if suffix in {".jsonl", ".ndjson", ".json"}:
        return True
    with path.open("rb") as stream:
        return suffix not in {".csv", ".tsv"} and stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(
            (b"{", b"[{")
        )


def _read_json(path: Path, limit: int | None) -> TableFile:
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
                return _held(frame, rows, notes + _sampled(rows, frame.height))
        except (PolarsError, PanicException):
            pass  # read again by lines, which tells where and why, and takes what polars does not (true beside 1)
    return _held(rows_frame(_json_array(path) if whole else _json_lines(path), argument="source"))


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))


def _json_array(path: Path) -> list[Any]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"This is not JSON: {plain(str(error), 200)}.", "Write one object a line.") from error
    if not rows:
        raise TrainwellError("empty_file", "The file holds an empty list.", argument="source", got=path.name)
    return rows


def _json_lines(path: Path) -> list[Any]:
    with path.open(encoding="utf-8-sig") as stream:
        return json_rows(path, stream)


def json_rows(path: Path, lines: Iterable[str], first: int = 1) -> list[Any]:
    """Objects, one a line, without blank lines.

    Args:
        path: Where they come from.
        lines: The lines.
        first: The number of the first of them.

    Raises:
        TrainwellError: `not_utf8`, `table_unreadable`, with the number of the line.
    """
    rows: list[Any] = []
    line, number = "", first - 1
    try:
        for number, line in enumerate(lines, first):
            if line.strip():
                rows.append(json.loads(line))
                if not isinstance(rows[-1], dict):
                    raise unreadable(path, f"Line {number} is not an object.", "Write one object a line.")
    except UnicodeDecodeError as error:
        raise TrainwellError("not_utf8", f"The file is not UTF-8 after line {number}.", argument="source") from error
    except (ValueError, RecursionError) as error:
        raise unreadable(
            path, f"Line {number} is not JSON: {quoted(line.strip())}.", "Write one object a line."
        ) from error
    return rows


class polars_errors:  # noqa: N801 - used like a function
    """Within it, what polars raises becomes one error; its panics do not derive from Exception."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MemoryError):
            raise TrainwellError("not_enough_memory", "Memory ran out.", argument="source") from error
        if isinstance(error, PolarsError | PanicException | OSError | UnicodeDecodeError):
            said = str(error).strip().splitlines()
            raise unreadable(self.path, f"It could not be parsed: {plain(said[0] if said else '', 200)}.") from error


def unreadable(path: Path, message: str, hint: str | None = None) -> TrainwellError:
    """The refusal of a file that cannot be parsed."""
    return TrainwellError(
        "table_unreadable", message, argument="source", got=path.name, hint=hint or "Is the file whole?"
    )
