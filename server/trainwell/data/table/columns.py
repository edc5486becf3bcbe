"""What a column is: a number, a yes or no, a date, a category, text, or nothing; and its values read as that.

Files give text, Parquet gives types; both end here as Int64/Float64, Boolean, Datetime or String with nulls.
How text became values is kept as JSON (`reading`), so that rows to predict are read the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

ColumnKind = Literal["number", "boolean", "date", "category", "text", "empty", "nested"]

# Cells that mean "nothing here" in any column (compared in lower case) ...
MISSING = ["", "na", "n/a", "nan", "null", "#n/a", "<na>", "?"]
# ... and those that mean it only among numbers and dates; elsewhere "none" is a category.
MISSING_AMONG_NUMBERS = [*MISSING, "none", "nil", "-", "--", ".", "missing", "unknown", "#value!", "#div/0!"]
# A column is of a kind when at most this share of its cells reads otherwise; those become missing, with a warning.
MOST_UNREAD = 0.05
_PAIRS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"))
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y")
_TIMES = ("", " %H:%M:%S", " %H:%M", " %H:%M:%S%.f", "T%H:%M:%S", "T%H:%M:%S%.f", "T%H:%M")
_AMBIGUOUS = {"%m/%d/%Y": "%d/%m/%Y"}
_DECORATION = r"^[$€£]\s*|\s*[$€£%]$"
_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_THOUSANDS_DOT = r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$"
_DECIMAL_COMMA = r"^[+-]?\d*,\d+$"
_CODE = r"^0\d+$"  # 01234: a postcode or an article, not a quantity
_SAMPLE = 1000
_PIECE_ROWS = 250_000
# So many columns of text are looked at together.
_WIDE = 100
# Text: mostly different, and long or of several words.
_TEXT_SHARE, _TEXT_LENGTH = 0.5, 40


@dataclass(frozen=True)
class Column:
    """What was found out about one column over all rows read.

    Attributes:
        reading: How its cells become values: `{"kind": ..., "decimal"/"thousands"/"strip"/"format"/"true": ...}`.
        missing: Cells without a value, unread and infinite ones included.
        infinite: Numbers beyond float64, or written as inf.
        unread: Cells that do not read as the kind that the others are.
        first_unread: Row of the first of them, from 0, and its text.
        distinct: Different values; of fractions at least so many.
    """

    name: str
    kind: ColumnKind
    reading: dict[str, Any]
    missing: int = 0
    infinite: int = 0
    unread: int = 0
    first_unread: tuple[int, str] | None = None
    distinct: int = 0
    notes: tuple[str, ...] = field(default=())


def recognise(series: pl.Series, *, decimal_comma: bool = False) -> tuple[Column, pl.Series]:
    """Tell what a column is and read it so; the series returned replaces the one given."""
    kind = series.dtype
    if kind.is_nested() or isinstance(kind, pl.Binary | pl.Object):
        return Column(series.name, "nested", {"kind": "nested"}), series
    if isinstance(kind, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.String:
        return _recognise_text(series, decimal_comma)
    if kind == pl.Null:
        return Column(series.name, "empty", {"kind": "empty"}, missing=len(series)), series
    name = "boolean" if kind == pl.Boolean else "date" if isinstance(kind, pl.Date | pl.Datetime) else "number"
    return _described(series, {"kind": name})


def recognise_plain(frame: pl.DataFrame) -> dict[str, tuple[Column, pl.Series]]:
    """Of a wide frame of text those columns that hold finite numbers and nothing else, all at a time.

    As `recognise` has them; a call of its own for each of thousands of columns takes minutes.
    """
    texts = [series for series in frame.get_columns() if series.dtype == pl.String]
    found: dict[str, tuple[Column, pl.Series]] = {}
    if len(texts) < _WIDE or not frame.height:
        return found
    # Polars copies the whole schema for each expression: blocks keep that small.
    for start in range(0, len(texts), _WIDE):
        bare = pl.DataFrame(texts[start : start + _WIDE]).select(pl.all().str.strip_chars())
        values = bare.select(pl.all().cast(pl.Float64, strict=False))
        finite = values.select(pl.all().is_finite().fill_null(value=False).all()).row(0)
        coded = bare.select(pl.all().str.contains(_CODE).any()).row(0)
        whole, distinct = _whole_and_distinct(values.to_numpy())
        for place, series in enumerate(values.get_columns()):
            if finite[place] and not coded[place]:
                read = series.cast(pl.Int64) if whole[place] else series
                few = whole[place] or distinct[place] <= _SAMPLE // 2
                count = _distinct(read) if few else int(distinct[place])
                found[series.name] = Column(series.name, "number", {"kind": "number"}, distinct=count), read
    return found


def _whole_and_distinct(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each column of numbers, as `_whole` and `_distinct` have it: no fractions; how many differ among the first."""
    with np.errstate(invalid="ignore"):  # columns of words are NaN here, and are left to `recognise`
        whole = np.all((np.floor(block) == block) & (np.abs(block) < 2**53), axis=0)
    first = np.sort(block[:_SAMPLE], axis=0)
    return whole, 1 + np.count_nonzero(first[1:] != first[:-1], axis=0)


def read_as(series: pl.Series, reading: dict[str, Any]) -> pl.Series:
    """The cells as the values that `reading` says; what cannot be read is null. Infinities stay."""
    readers = {"number": _numbers, "boolean": _booleans, "date": _dates}
    return readers[reading["kind"]](series, reading) if reading["kind"] in readers else _categories(series)


def missing_cells(series: pl.Series, *, among_numbers: bool) -> pl.Series:
    """A mask of the cells that say that there is no value."""
    if series.dtype != pl.String:
        return series.is_null() | series.is_nan() if series.dtype.is_float() else series.is_null()
    words = MISSING_AMONG_NUMBERS if among_numbers else MISSING
    return series.is_null() | series.str.to_lowercase().str.strip_chars().is_in(words)


def _recognise_text(series: pl.Series, decimal_comma: bool) -> tuple[Column, pl.Series]:
    if (plain := _plain_numbers(series)) is not None:
        return plain
    sample, given, length = _survey(series)
    if not given:
        return Column(series.name, "empty", {"kind": "empty"}, missing=len(series)), series
    for reading in _readings(sample, decimal_comma):
        column, values = _described(series, reading)
        if column.unread <= MOST_UNREAD * (len(series) - column.missing + column.unread):
            return column, values
    column, values = _described(series, {"kind": "category"})
    if column.distinct > _TEXT_SHARE * given and length / given > _TEXT_LENGTH:
        column = Column(series.name, "text", {"kind": "text"}, missing=column.missing, distinct=column.distinct)
    return column, values


def _pieces(series: pl.Series) -> Iterator[pl.Series]:
    """A long text column bit by bit: every step of reading text makes a copy of it."""
    for start in range(0, max(1, len(series)), _PIECE_ROWS):
        piece = series.slice(start, _PIECE_ROWS)
        yield piece.str.strip_chars() if piece.dtype == pl.String else piece


def _survey(series: pl.Series) -> tuple[pl.Series, int, int]:
    """The first different cells that say something, how many cells do, and their length in all."""
    sample, given, length = series.head(0), 0, 0
    for piece in _pieces(series):
        cells = piece.filter(~missing_cells(piece, among_numbers=False))
        given += len(cells)
        length += int(cells.str.len_chars().sum())
        if len(sample) < _SAMPLE:
            sample = pl.concat([sample, cells.unique(maintain_order=True).head(_SAMPLE)]).unique(maintain_order=True)
    return sample.head(_SAMPLE), given, length


def _plain_numbers(series: pl.Series) -> tuple[Column, pl.Series] | None:
    """The common case without the search: a column of finite numbers and nothing else."""
    read: list[pl.Series] = []
    for piece in _pieces(series):
        values = piece.cast(pl.Float64, strict=False)
        if values.null_count() or not len(values) or not values.is_finite().all() or piece.str.contains(_CODE).any():
            return None
        read.append(values)
    values = _whole(pl.concat(read))
    return Column(series.name, "number", {"kind": "number"}, distinct=_distinct(values)), values


def _described(series: pl.Series, reading: dict[str, Any]) -> tuple[Column, pl.Series]:
    """The column read in one way, with all that can be counted about it."""
    read: list[pl.Series] = []
    infinite, unread, first, start = 0, 0, None, 0
    for piece in _pieces(series):
        values = read_as(piece, reading)
        if piece.dtype == pl.String and reading["kind"] != "category":
            lost = values.is_null() & ~missing_cells(piece, among_numbers=reading["kind"] != "boolean")
            count = int(lost.sum())
            if count and first is None:
                row = lost.arg_true()[0]
                first = (start + row, str(piece[row]))
            unread += count
        if values.dtype.is_float():
            infinite += int(values.is_infinite().sum())
            values = values.set(values.is_infinite() | values.is_nan(), None)
        read.append(values)
        start += len(piece)
    values = _whole(pl.concat(read))
    column = Column(
        series.name, reading["kind"], reading, missing=values.null_count(), infinite=infinite, unread=unread,
        first_unread=first, distinct=_distinct(values), notes=_notes(series.name, reading),
    )  # fmt: skip
    return column, values


def _distinct(values: pl.Series) -> int:
    """How many values differ; of fractions only whether many do: counting them takes longest and tells nothing."""
    if values.dtype.is_float():
        some = values.drop_nulls().head(_SAMPLE).n_unique()
        if some > _SAMPLE // 2:
            return some
    return values.n_unique() - int(values.null_count() > 0)


def _readings(sample: pl.Series, decimal_comma: bool) -> Iterator[dict[str, Any]]:
    """The ways in which a column's cells may be read, likeliest first, judged on a sample of distinct cells."""
    among = sample.filter(~missing_cells(sample, among_numbers=True))
    words = among.str.to_lowercase()
    for true, false in _PAIRS:
        if len(words) and words.is_in([true, false]).all():
            yield {"kind": "boolean", "true": true, "false": false}
    coded = among.filter(among.str.contains(_CODE))
    if len(coded) and among.str.len_chars().n_unique() == 1:
        return
    for reading in _number_readings(among, decimal_comma):
        if _share_read(among, reading) >= 1 - 2 * MOST_UNREAD:
            yield reading
    if len(among) and among.str.contains(r"^\w.*[-/. ].*\d").mean() > 0.9:  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        for day in _DAYS:
            for time in _TIMES:
                reading = {"kind": "date", "format": day + time}
                if _share_read(among, reading) >= 1 - 2 * MOST_UNREAD:
                    other = _AMBIGUOUS.get(day)
                    both = other is not None and _share_read(among, {"kind": "date", "format": other + time}) == 1
                    yield {**reading, "ambiguous": True} if both else reading


def _number_readings(cells: pl.Series, decimal_comma: bool) -> list[dict[str, Any]]:
    bare = cells.str.replace_all(_DECORATION, "")
    reading: dict[str, Any] = {"kind": "number"}
    if (bare != cells).any():
        reading["strip"] = True
    with_comma = bare.filter(bare.str.contains(",", literal=True))
    if with_comma.is_empty():
        return [reading]
    thousands, decimal = {**reading, "thousands": ","}, {**reading, "decimal": ","}
    ways: list[dict[str, Any]] = []
    if with_comma.str.contains(_THOUSANDS).all():
        ways.append(thousands)
    if with_comma.str.contains(f"{_DECIMAL_COMMA}|{_THOUSANDS_DOT}").mean() > 1 - 2 * MOST_UNREAD:  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        ways.append(decimal)
    return ways[::-1] if decimal_comma else ways or [reading]


def _share_read(cells: pl.Series, reading: dict[str, Any]) -> float:
    return 1 - read_as(cells, reading).null_count() / max(len(cells), 1)


def _numbers(series: pl.Series, reading: dict[str, Any]) -> pl.Series:
    kind = series.dtype
    if kind == pl.String:
        cells = series.str.strip_chars()
        if reading.get("strip"):
            cells = cells.str.replace_all(_DECORATION, "")
        if reading.get("thousands"):
            cells = cells.str.replace_all(",", "", literal=True)
        if reading.get("decimal"):
            cells = cells.str.replace_all(".", "", literal=True).str.replace_all(",", ".", literal=True)
        return cells.cast(pl.Float64, strict=False)
    if kind == pl.Duration:
        return series.dt.total_microseconds().cast(pl.Float64) / 1e6
    if kind == pl.Time:
        return series.cast(pl.Int64).cast(pl.Float64) / 1e9
    if isinstance(kind, pl.Date | pl.Datetime):
        return pl.Series(series.name, [None] * len(series), pl.Float64)
    return series.cast(pl.Float64, strict=False)


def _booleans(series: pl.Series, reading: dict[str, Any]) -> pl.Series:
    if series.dtype == pl.Boolean:
        return series
    if isinstance(series.dtype, pl.Categorical):  # as the rows that are kept for judging hold words
        series = series.cast(pl.String)
    if series.dtype == pl.String:
        cells = series.str.to_lowercase().str.strip_chars()
        true, false = reading.get("true", "true"), reading.get("false", "false")
        frame = pl.DataFrame({"cell": cells})
        cell = pl.col("cell")
        known = pl.when(cell.is_in([true, "true", "1"])).then(True).when(cell.is_in([false, "false", "0"])).then(False)
        return frame.select(known.otherwise(None).cast(pl.Boolean)).to_series().alias(series.name)
    numbers = series.cast(pl.Float64, strict=False)
    return pl.DataFrame({"n": numbers}).select(
        pl.when(pl.col("n") == 1).then(True).when(pl.col("n") == 0).then(False).cast(pl.Boolean)
    ).to_series().alias(series.name)  # fmt: skip


def _dates(series: pl.Series, reading: dict[str, Any]) -> pl.Series:
    if isinstance(series.dtype, pl.Date | pl.Datetime):
        if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return series.cast(pl.Datetime("us"))
    if series.dtype != pl.String or "format" not in reading:
        text = series.cast(pl.String, strict=False).str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
        return text if series.dtype == pl.String else pl.Series(series.name, [None] * len(series), pl.Datetime("us"))
    cells = series.str.strip_chars().str.replace(r"(Z|\+00:?00)$", "")
    return cells.str.to_datetime(reading["format"], strict=False, time_unit="us")


def _categories(series: pl.Series) -> pl.Series:
    if series.dtype.is_float():
        series = _whole(series)
    cells = series if series.dtype == pl.String else series.cast(pl.String, strict=False)
    cells = cells.str.strip_chars()
    return cells.set(missing_cells(cells, among_numbers=False), None)


def _whole(values: pl.Series) -> pl.Series:
    """Numbers without fractions as Int64, so that 3 is shown as 3 and not as 3.0."""
    if not values.dtype.is_float():
        return values
    numbers = values.drop_nulls().to_numpy()
    if numbers.size == 0 or np.abs(numbers).max() >= 2**53 or not np.array_equal(numbers, np.floor(numbers)):
        return values
    return values.cast(pl.Int64)


def _notes(name: str, reading: dict[str, Any]) -> tuple[str, ...]:
    column = quoted(name)
    if reading.get("ambiguous"):
        return (f"Column {column}: dates were read as month/day/year; day/month/year would fit as well.",)
    if reading.get("decimal"):
        return (f"Column {column}: the comma was read as decimal point.",)
    if reading.get("thousands"):
        return (f"Column {column}: the comma was read as thousands separator.",)
    return ()
