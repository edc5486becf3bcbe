"""Texts with their targets, from a table, inline rows or a folder: which column is the text, which rows have one."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import Warned
from trainwell.contract.text import plain, quoted
from trainwell.data.content import recognise_content
from trainwell.data.table.columns import Column, read_as
from trainwell.data.table.columns import recognise as recognise_column
from trainwell.data.table.read import Table, read_table
from trainwell.data.text.folder import FILE, LABEL, SUFFIX, TEXT, decode, looks_like_texts, not_utf8, read_folder
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.data.source import Source
    from trainwell.data.splits import Rows

# Columns of these names hold the text where no column is long enough to say so by itself.
_NAMES = ("text", "review", "sentence", "comment", "message", "content", "body", "tweet", "headline", "title")
# A table with more other columns than this is a table with a text in it, rather than texts with a label.
MOST_OTHERS = 3
_LOOK_ROWS, _LOOK_BYTES = 200, 1 << 18
_WORDY = 0.5  # share of rows that hold several words
_LONG_CHARACTERS = 100_000


@dataclass(frozen=True)
class Texts:
    """What was read.

    Attributes:
        table: The source, for what it says about itself; its frame is let go.
        frame: Every column read as values; the text column as it is written, but for blanks around it.
        columns: What each column is.
        text: The name of the text column.
        rows: (rows,) int64 row numbers in the source.
        parts: The part that each row is given to by the source itself; None when it does not say.
        target: The column to predict, where the source knows it.
    """

    table: Table
    frame: pl.DataFrame
    columns: dict[str, Column]
    text: str
    rows: Rows
    parts: np.ndarray[Any, Any] | None = None
    target: str | None = None
    notes: list[str] = field(default_factory=list[str])
    warnings: list[Warned] = field(default_factory=list[Warned])

    def keep(self, mask: pl.Series) -> Texts:
        """Only the rows of a boolean mask."""
        chosen = mask.to_numpy()
        parts = None if self.parts is None else self.parts[chosen]
        return replace(self, frame=self.frame.filter(mask), rows=self.rows[chosen], parts=parts)


def fits(source: Source) -> int:
    """3 for folders of texts and tables that are a text and hardly anything else, 1 for other tables with words."""
    if source.path is not None and source.path.is_dir():
        return 3 * int(looks_like_texts(source.path))
    if source.shipped is not None:
        return 0
    frame = _head(source)
    if frame is None or not frame.width:
        return 0
    columns = [recognise_column(series)[0] for series in frame.get_columns()]
    texts = [column for column in columns if column.kind == "text"]
    strings = [column for column in columns if column.kind in {"text", "category"}]
    others = len(columns) - len(texts)
    return 3 if len(texts) == 1 and others <= MOST_OTHERS else int(bool(strings))


def read_texts(source: Source, asked: str | None, target: str | None, *, sample: bool = False) -> Texts:
    """Read a source whole, or the first rows of a very large one when `sample` is set.

    Args:
        source: Where the texts are.
        asked: The text column, when the agent named it.
        target: The column to predict, which is not the text.
        sample: See `table.read.read_table`.

    Raises:
        TrainwellError: `no_text_column`, `not_text`, `missing_column`, or what reading raises.
    """
    if source.path is not None and source.path.is_dir():
        return _of_folder(source.path)
    table = read_table(source, sample=sample)
    frame = table.frame
    columns: dict[str, Column] = {}
    values: list[pl.Series] = []
    for series in frame.get_columns():
        column, read = recognise_column(series, decimal_comma=table.decimal_comma)
        columns[column.name] = column
        values.append(read.alias(column.name))
    name, notes = find_text(columns, frame, asked, target)
    place = list(columns).index(name)
    values[place] = as_text(frame[name])
    rows = np.arange(frame.height, dtype=np.int64)
    return Texts(
        replace(table, frame=pl.DataFrame()), pl.DataFrame(values), columns, name, rows, notes=[*table.notes, *notes],
    )  # fmt: skip


def with_given(texts: Texts, given: dict[str, Source], targets: Sequence[str], by: str | None) -> Texts:
    """The rows of further sources behind those of the first, each marked with the part that it is.

    Args:
        texts: What was read from the first source.
        given: Sources that are a part as a whole, by its name.
        targets: Columns to predict; like the text column they must be there.
        by: The column to split by, if any; null where a further source lacks it.

    Raises:
        TrainwellError: `missing_column`, or what reading raises.
    """
    parts = np.full(len(texts.rows), "", "U10") if texts.parts is None else texts.parts.astype("U10")
    frames, rows, notes = [texts.frame], [texts.rows], list(texts.notes)
    for part, source in given.items():
        frame, said = _read_more(source)
        for name in (texts.text, *targets):
            if name not in frame.columns:
                raise TrainwellError(
                    "missing_column", f"This source lacks the column {quoted(name, 40)}.", argument=f"{part}_source",
                    got=[one[:80] for one in frame.columns[:20]], allowed=name,
                )  # fmt: skip
        wanted = [name for name in dict.fromkeys([*targets, *([by] if by else [])]) if name in frame.columns]
        cells = [read_as(frame[name], texts.columns[name].reading).alias(name) for name in wanted]
        frames.append(pl.DataFrame([as_text(frame[texts.text]), *cells]))
        rows.append(np.arange(frame.height, dtype=np.int64))
        parts = np.concatenate([parts, np.full(frame.height, part, "U10")])
        notes += said
    together = pl.concat(frames, how="diagonal_relaxed") if given else texts.frame
    return replace(texts, frame=together, rows=np.concatenate(rows), parts=parts, notes=notes)


def read_again(source: Source, text: str) -> tuple[pl.DataFrame, list[str]]:
    """Raw rows to predict or to judge by: a table, a folder, or a .txt file that is one text.

    Raises:
        TrainwellError: `missing_column`, or what reading raises.
    """
    if source.path is not None and source.path.suffix.lower() == SUFFIX and source.path.is_file():
        content, clean = decode(source.path.read_bytes())
        odd = [] if clean else [not_utf8(1, 1, source.path.name).message]
        return pl.DataFrame({text: [content]}), ["The file was taken as one text.", *odd]
    frame, notes = _read_more(source)
    if text not in frame.columns:
        raise TrainwellError(
            "missing_column", f"The text column {quoted(text, 40)} is missing.", argument="source",
            got=[one[:80] for one in frame.columns[:20]], allowed=text, hint=did_you_mean(text, frame.columns),
        )  # fmt: skip
    return frame, notes


def find_text(
    columns: dict[str, Column], frame: pl.DataFrame, asked: str | None, target: str | None
) -> tuple[str, list[str]]:
    """The text column, and what was decided.

    Raises:
        TrainwellError: `no_text_column`, `not_text`, `missing_column`.
    """
    if asked is not None:
        if asked not in columns:
            raise TrainwellError(
                "missing_column", "There is no column of this name.", argument="options/text", got=asked,
                allowed=[name[:80] for name in list(columns)[:20]], hint=did_you_mean(asked, list(columns)),
            )  # fmt: skip
        if frame.schema[asked] != pl.String or asked == target:
            what = "the target" if asked == target else "no text"
            raise TrainwellError("not_text", f"This column is {what}.", argument="options/text", got=asked)
        return asked, []
    usable = [name for name in columns if name != target and frame.schema[name] == pl.String]
    texts = [name for name in usable if columns[name].kind == "text"]
    if not texts:
        named = [name for name in usable if name.lower() in _NAMES]
        texts = named or [name for name in usable if columns[name].kind == "category" and _wordy(frame[name])]
    if not texts:
        raise TrainwellError(
            "no_text_column", "No column holds text.", argument="options/text",
            allowed=[name[:80] for name in usable[:20]], hint="Name the text column, or use kind: tabular.",
        )  # fmt: skip
    longest = max(texts, key=lambda name: float(frame[name].str.len_chars().mean() or 0))  # pyright: ignore[reportArgumentType]
    others = [name for name in texts if name != longest]
    told = f"Several columns hold text; {quoted(longest, 40)} is the longest (options: text names another)."
    return longest, [told] if others else []


def as_text(series: pl.Series) -> pl.Series:
    """Cells as text without blanks around them; null where nothing is left."""
    cells = series.cast(pl.String, strict=False).str.strip_chars()
    return cells.set(cells == "", None)


def without_empty(texts: Texts) -> Texts:
    """Only rows that hold a text.

    Raises:
        TrainwellError: `no_text_column`, when none does.
    """
    missing = texts.frame[texts.text].is_null()
    if not missing.any():
        return texts
    if missing.all():
        raise TrainwellError("no_text_column", "Every text is empty.", argument="options/text", got=texts.text)
    message = f"{int(missing.sum()):,} of {len(missing):,} rows have an empty text and were left out."
    kept = texts.keep(~missing)
    return replace(kept, warnings=[*kept.warnings, Warned(code="empty_text", message=message)])


def left_out(texts: Texts, targets: list[str]) -> list[str]:
    """A sentence about the columns that are neither text nor target."""
    others = [name for name in texts.columns if name not in {texts.text, *targets}]
    if not others or others == [FILE]:
        return []
    named = ", ".join(quoted(name, 40) for name in others[:5])
    more = ", ..." if len(others) > 5 else ""
    what = counted(len(others), "other column")
    return [f"Left out: {what} ({named}{more}); kind text learns from the text {quoted(texts.text, 40)} alone."]


def oddities(cells: pl.Series) -> list[Warned]:
    """What about the texts deserves a second look: markup, and texts far longer than others."""
    found: list[Warned] = []
    markup = int(cells.str.contains(r"</?[a-zA-Z][^<>]*>").sum())
    if markup:
        message = f"{markup:,} of {len(cells):,} texts hold HTML tags, which are left as they are."
        found.append(Warned(code="html_in_text", message=message))
    lengths = cells.str.len_chars()
    longest = int(lengths.max() or 0)  # pyright: ignore[reportArgumentType]
    if longest > _LONG_CHARACTERS:
        count = int((lengths > _LONG_CHARACTERS).sum())
        message = f"{counted(count, 'text')} longer than {_LONG_CHARACTERS:,} characters (the longest has {longest:,})."
        found.append(Warned(code="very_long_text", message=message))
    return found


def _of_folder(folder: Path) -> Texts:
    read = read_folder(folder)
    label, values = recognise_column(read.frame[LABEL])
    columns = {
        TEXT: Column(TEXT, "text", {"kind": "text"}),
        LABEL: label,
        FILE: Column(FILE, "category", {"kind": "category"}),
    }
    frame = pl.DataFrame([as_text(read.frame[TEXT]), values, read.frame[FILE]])
    files = read.frame[FILE]
    table = Table(pl.DataFrame(), frame.height, locate=lambda row: plain(files[row], 80))
    parts = None if read.parts is None else np.array(read.parts)
    rows = np.arange(frame.height, dtype=np.int64)
    return Texts(table, frame, columns, TEXT, rows, parts, LABEL, list(read.notes), list(read.warnings))


def _read_more(source: Source) -> tuple[pl.DataFrame, list[str]]:
    """A source as it is written, and what was said in reading it."""
    if source.path is not None and source.path.is_dir():
        read = read_folder(source.path)
        return read.frame, [*read.notes, *(warned.message for warned in read.warnings)]
    table = read_table(source)
    return table.frame, list(table.notes)


def _wordy(series: pl.Series) -> bool:
    """Whether most cells hold several words."""
    given = series.drop_nulls()
    return len(given) > 0 and float(given.str.strip_chars().str.contains(r"\S\s+\S").mean() or 0) > _WORDY  # pyright: ignore[reportArgumentType]


def _head(source: Source) -> pl.DataFrame | None:
    """The first rows of a table as it is written; None when it is no table."""
    if source.rows is not None:
        return _frame([row for row in source.rows[:_LOOK_ROWS] if isinstance(row, dict)])
    if source.path is None:
        return None
    content = recognise_content(source.path)
    if content == "parquet":
        try:
            return pl.scan_parquet(source.path, glob=False).head(_LOOK_ROWS).collect()
        except pl.exceptions.PolarsError:
            return None
    if content != "text":
        return None
    with source.path.open("rb") as stream:
        head = stream.read(_LOOK_BYTES)
    lines = head.decode("utf-8-sig", errors="replace").splitlines(keepends=True)
    lines = lines if len(head) < _LOOK_BYTES else lines[:-1]
    return _json_head(lines) if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[{")) else _csv_head(lines)


def _json_head(lines: list[str]) -> pl.DataFrame | None:
    rows: list[dict[str, Any]] = []
    for line in lines[:_LOOK_ROWS]:
        try:
            row: Any = json.loads(line.strip().strip("[],") or "null")
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(cast("dict[str, Any]", row))
    return _frame(rows)


def _csv_head(lines: list[str]) -> pl.DataFrame | None:
    separator = max(",\t;|", key=(lines or [","])[0].count)
    try:
        rows = list(csv.reader(io.StringIO("".join(lines)), delimiter=separator))[: _LOOK_ROWS + 1]
    except csv.Error:
        return None
    if len(rows) < 2 or len(set(rows[0])) != len(rows[0]):
        return None
    names = rows[0]
    body = [row for row in rows[1:] if len(row) == len(names)]
    return pl.DataFrame({name: [row[place] for row in body] for place, name in enumerate(names)}) if body else None


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame | None:
    """Rows as columns of text, nested cells as null."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = {name: [_cell(row.get(name)) for row in rows] for name in names}
    return pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String)) if names else None


def _cell(value: Any) -> str | None:
    return None if value is None or isinstance(value, dict | list) else str(value)
