"""Texts with their targets, from a table, inline rows or a folder: which column is the text, which rows have one."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import Warned
from trainwell.contract.text import plain, quoted
from trainwell.data.content import recognise_content
from trainwell.data.table.columns import Column
from trainwell.data.table.columns import recognise as recognise_column
from trainwell.data.table.names import require
from trainwell.data.table.read import TableFile, read_table
from trainwell.data.table.typed import TypedTable, read_typed
from trainwell.data.text.folder import FILE, LABEL, SUFFIX, TEXT, decode, looks_like_texts, not_utf8, read_folder
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainwell.data.source import Source
    from trainwell.data.splits import Rows

# Columns of these names hold the text where no column is long enough to say so by itself.
_NAMES = ("text", "review", "sentence", "comment", "message", "content", "body", "tweet", "headline", "title")
# A table with more other columns than this is a table with a text in it, rather than texts with a label.
MOST_OTHERS = 3
# Of a wide table the first columns tell whether there are words in it.
_LOOKED_COLUMNS = 200
# Kinds of columns that hold words.
_WORDS = ("text", "category")
_LOOK_ROWS, _LOOK_BYTES = 200, 1 << 18
_WORDY = 0.5  # share of rows that hold several words
_LONG_CHARACTERS = 100_000


@dataclass(frozen=True)
class Texts:
    """What was read.

    Attributes:
        table: Every column, those of given sources behind the main one's; rows without a text are not usable.
        name: The text column.
        warnings: What was wrong with some texts.
        notes: What was decided in reading.
    """

    table: TypedTable
    name: str
    warnings: list[Warned]
    notes: list[str]

    def cells(self, rows: Rows) -> pl.Series:
        """The texts of some rows of the table's frame, given by their places in it."""
        return as_text(self.table.frame[self.name].gather(rows))


def fits(source: Source) -> int:
    """3 for folders of texts and tables that are a text and hardly anything else, 1 for other tables with words."""
    if source.path is not None and source.path.is_dir():
        return 3 * int(looks_like_texts(source.path))
    if source.shipped is not None:
        return 0
    frame = _head(source)
    if frame is None or not frame.width:
        return 0
    columns = [recognise_column(series)[0] for series in frame.get_columns()[:_LOOKED_COLUMNS]]
    texts = [column for column in columns if column.kind == "text"]
    strings = [column for column in columns if column.kind in {"text", "category"}]
    others = frame.width - len(texts)
    return 3 if len(texts) == 1 and others <= MOST_OTHERS else int(bool(strings))


def read_texts(
    source: Source, given: Mapping[str, Source], asked: str | None, targets: Sequence[str], *, sample: bool = False
) -> Texts:
    """Read sources whole, or some rows of a very large one when `sample` is set.

    Args:
        source: Where the texts are.
        given: Sources that are a part as a whole, by its name.
        asked: The text column, when the agent named it.
        targets: The columns to predict, which are not the text.
        sample: See `table.typed.read_typed`.

    Raises:
        TrainwellError: `no_text_column`, `not_text`, `missing_column`, or what reading raises.
    """
    warnings: list[Warned] = []
    if source.path is not None and source.path.is_dir():
        table, name, notes = _folders(source, given, warnings), TEXT, list[str]()
    else:
        table = read_typed(source, given, sample=sample)
        name, notes = find_text(table, asked, targets)
        table.require_given([name])
    cells = as_text(table.frame[name])
    held = cells.is_not_null().to_numpy()
    empty = len(table.rows) - int(held[table.rows].sum())
    if empty == len(table.rows):
        raise TrainwellError("no_text_column", "Every text is empty.", argument="options/text", got=name)
    if empty:
        message = f"{empty:,} of {len(table.rows):,} rows have an empty text and were left out."
        warnings.append(Warned(code="empty_text", message=message))
    return Texts(table.keep(held), name, warnings, [*table.notes, *notes])


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


def find_text(table: TypedTable, asked: str | None, targets: Sequence[str]) -> tuple[str, list[str]]:
    """The text column, and what was decided.

    Raises:
        TrainwellError: `no_text_column`, `not_text`, `missing_column`.
    """
    columns = table.columns
    if asked is not None:
        require([asked], list(columns), "options/text")
        if columns[asked].kind not in _WORDS or asked in targets:
            what = "a target" if asked in targets else "no text"
            raise TrainwellError("not_text", f"This column is {what}.", argument="options/text", got=asked)
        return asked, []
    usable = [name for name, column in columns.items() if column.kind in _WORDS and name not in targets]
    texts = [name for name in usable if columns[name].kind == "text"]
    if not texts:
        named = [name for name in usable if name.lower() in _NAMES]
        texts = named or [name for name in usable if _wordy(as_text(table.frame[name]))]
    if not texts:
        raise TrainwellError(
            "no_text_column", "No column holds text.", argument="options/text",
            allowed=[name[:80] for name in usable[:20]], hint="Name the text column, or use kind: tabular.",
        )  # fmt: skip
    longest = max(texts, key=lambda name: _mean_length(as_text(table.frame[name])))
    told = f"Several columns hold text; {quoted(longest, 40)} is the longest (options: text names another)."
    return longest, [told] if len(texts) > 1 else []


def as_text(series: pl.Series) -> pl.Series:
    """Cells as text without blanks around them; null where nothing is left."""
    cells = series.cast(pl.String, strict=False).str.strip_chars()
    return cells.set(cells == "", None)


def left_out(texts: Texts, targets: Sequence[str]) -> list[str]:
    """A sentence about the columns that are neither text nor target."""
    others = [name for name in texts.table.columns if name not in {texts.name, *targets}]
    if not others or others == [FILE]:
        return []
    named = ", ".join(quoted(name, 40) for name in others[:5])
    more = ", ..." if len(others) > 5 else ""
    what = counted(len(others), "other column")
    return [f"Left out: {what} ({named}{more}); kind text learns from the text {quoted(texts.name, 40)} alone."]


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


def _folders(source: Source, given: Mapping[str, Source], warnings: list[Warned]) -> TypedTable:
    """A folder of texts, and folders that are a part as a whole, as one table.

    Raises:
        TrainwellError: `wrong_kind_of_file`, when a given source is no folder.
    """
    frames: list[pl.DataFrame] = []
    notes: list[str] = []
    parts: dict[str, list[Rows]] = {}
    start = 0
    for part, one in [("", source), *given.items()]:
        if one.path is None or not one.path.is_dir():
            raise TrainwellError(
                "wrong_kind_of_file", "The texts come from a folder, so this must be one too.",
                argument=f"{part}_source", got=one.shown, allowed="a folder for each class",
            )  # fmt: skip
        read = read_folder(one.path)
        warnings += read.warnings
        notes += read.notes
        whole = read.frame.height * (part,) if part else read.parts or ()
        for name in ("validation", "test"):
            rows = np.flatnonzero(np.array(whole) == name).astype(np.int64) + start
            if len(rows):
                parts.setdefault(name, []).append(rows)
        frames.append(read.frame)
        start += read.frame.height
    frame = pl.concat(frames)
    label, labels = recognise_column(frame[LABEL])
    columns = {
        TEXT: Column(TEXT, "text", {"kind": "text"}),
        LABEL: label,
        FILE: Column(FILE, "category", {"kind": "category"}),
    }
    files = frame[FILE]
    file = TableFile(
        list(columns), frames[0].height, frame.select, int(frame.estimated_size()), target=LABEL,
        locate=lambda row: plain(files[row], 80),
    )  # fmt: skip
    numbers = np.concatenate([np.arange(one.height, dtype=np.int64) for one in frames])
    rows = np.arange(start, dtype=np.int64)
    found = {name: np.concatenate(some) for name, some in parts.items()}
    main = frames[0].height
    whole_frame = pl.DataFrame([frame[TEXT], labels, files])
    return TypedTable(file, whole_frame, columns, rows, numbers, notes, main, main, given=found)


def _read_more(source: Source) -> tuple[pl.DataFrame, list[str]]:
    """A source as it is written, and what was said in reading it."""
    if source.path is not None and source.path.is_dir():
        read = read_folder(source.path)
        return read.frame, [*read.notes, *(warned.message for warned in read.warnings)]
    table = read_table(source)
    return table.frame, list(table.notes)


def _mean_length(cells: pl.Series) -> float:
    return float(cells.str.len_chars().mean() or 0)  # pyright: ignore[reportArgumentType]


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
