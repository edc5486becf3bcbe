"""What polars does not tell about a delimited text: its separator, its encoding, ragged lines, open quotes.

One pass over the bytes in chunks; polars pads short rows with nothing, takes UTF-16 for text and reads
`a;b` as one column without a word, so all of this is looked at before it parses.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data.table.names import check_names, is_number, tidy_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEPARATORS = (",", "\t", ";", "|")
WORDS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}
_SAMPLE_BYTES = 1 << 22
# Of a file that is only looked at: so much is checked line by line, so much is counted, beyond it is guessed.
_CHECKED_BYTES, _COUNTED_BYTES = 1 << 24, 2_000_000_000
_CHUNK_BYTES = 1 << 22
# A record longer than this is an open quote or not a table.
LONGEST_RECORD_BYTES = 1 << 23
csv.field_size_limit(LONGEST_RECORD_BYTES)  # the module's own limit is 128 KB
_BOM = b"\xef\xbb\xbf"
_QUOTE, _NEWLINE, _RETURN = 34, 10, 13
_LINE_ENDS = "Save the file with \\n at the end of each line."


@dataclass(frozen=True)
class Dialect:
    """How a delimited text is written.

    Attributes:
        names: Column names; made up (`column_1`, ...) where the file has no header.
        skipped_lines: Blank lines before the first record.
        records: Records after the header, blank ones included.
        multiline: Whether fields hold line ends.
        about: Whether `records` is an estimate.
        quoted: Whether `"` quotes fields; False where quotes stand loose inside fields.
    """

    separator: str
    names: tuple[str, ...]
    has_header: bool
    skipped_lines: int
    records: int
    quoted: bool
    notes: tuple[str, ...]
    multiline: bool = False
    about: bool = False


def survey(path: Path, *, whole: bool = True) -> Dialect:
    """Read the file once and say how it is written.

    Args:
        path: The file.
        whole: Whether every line is looked at; else only the first are, and the others are counted by their ends.

    Raises:
        TrainwellError: `not_utf8`, `bad_line_ends`, `header_only`, `duplicate_columns`, `too_many_columns`,
            `column_name_too_long`, `bad_column_name`, `ragged_row`, `unclosed_quote`, `line_too_long`.
    """
    sample, complete = _sample(path)
    separator = _separator(sample, path.suffix.lower(), complete=complete)
    skipped = len(sample) - len(sample.lstrip("\r\n"))
    skipped = sample[:skipped].count("\n")
    first = _first_record(sample.lstrip("\r\n"), separator, path)
    has_header = not all(is_number(cell) or not cell.strip() for cell in first)
    names, notes = tidy_names(first if has_header else [""] * len(first))
    if not has_header:
        notes = [
            "The first line holds only numbers: the file has no header, columns are called column_1, column_2, ..."
        ]
    check_names(names)
    if separator != ",":
        notes.append(f"The columns are separated by {WORDS[separator]}s.")
    quotes = True
    try:
        records, multiline, about = _count_records(path, separator, len(names), quotes=True, whole=whole)
    except TrainwellError as error:
        if error.code not in {"unclosed_quote", "ragged_row"}:
            raise
        try:
            records, multiline, about = _count_records(path, separator, len(names), quotes=False, whole=whole)
        except TrainwellError:
            raise error from None
        quotes = False
        notes.append("Quotation marks stand loose inside fields and were read as part of the text.")
    records -= skipped + int(has_header)
    if records < 1:
        raise TrainwellError(
            "header_only", "The file has a header and no rows.", argument="source", got=path.name,
            hint="Add the rows below it, or name another file.",
        )  # fmt: skip
    return Dialect(separator, tuple(names), has_header, skipped, records, quotes, tuple(notes), multiline, about)


def sample_lines(path: Path, dialect: Dialect, rows: int, places: int) -> bytes:
    """Whole lines from several places of a file, the first ones with the header first: about `rows` records.

    Where fields hold line ends, the first lines only: elsewhere nobody knows whether a quotation is open.
    """
    size = path.stat().st_size
    each = max(1, size // max(1, dialect.records)) * -(-rows // places)
    with path.open("rb") as stream:
        if dialect.multiline:
            return _whole_records(stream.read(2 * rows * max(1, size // dialect.records) + _SAMPLE_BYTES), rows)
        parts = [_whole_lines(stream.read(each + _SAMPLE_BYTES), -(-rows // places) + 1)]
        for place in range(1, places):
            stream.seek(max(len(parts[0]), size * place // places - 1))
            stream.readline(LONGEST_RECORD_BYTES)
            parts.append(_whole_lines(stream.read(2 * each + 4096), -(-rows // places)))
    return b"".join(parts)


def _whole_records(text: bytes, most: int) -> bytes:
    """Lines from the first on, up to a place where no quotation is open."""
    stop, at, records, inside = 0, 0, 0, False
    for line in io.BytesIO(text):
        at += len(line)
        inside ^= bool(line.count(b'"') & 1)
        if not inside and line.endswith(b"\n"):
            stop, records = at, records + 1
        if records > most:
            break
    return text[:stop]


def _whole_lines(text: bytes, most: int) -> bytes:
    return b"".join(line for line in islice(io.BytesIO(text), most) if line.endswith(b"\n"))


def where(path: Path, dialect: Dialect, row: int) -> str:
    """The line, counted from 1, on which a data row begins, for a sentence."""
    try:
        return f"line {_line_of(path, dialect, row)}"
    except csv.Error:  # a stray carriage return, which polars lets pass
        return f"row {row + 1}"


def _first_record(text: str, separator: str, path: Path) -> list[str]:
    try:
        records = list(islice(csv.reader(io.StringIO(text), delimiter=separator), 1))
        return records[0] if records else []
    except csv.Error as error:
        raise TrainwellError(
            "bad_line_ends", "The first line holds a carriage return (\\r) or an endless field.", argument="source",
            got=path.name, allowed="lines that end in \\n or \\r\\n", hint=_LINE_ENDS,
        ) from error  # fmt: skip


def _line_of(path: Path, dialect: Dialect, row: int) -> int:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        quoting = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
        reader = csv.reader(stream, delimiter=dialect.separator, quoting=quoting)
        before = dialect.skipped_lines + int(dialect.has_header) + row
        for _ in islice(reader, before):
            pass
        return reader.line_num + 1


def _sample(path: Path) -> tuple[str, bool]:
    with path.open("rb") as stream:
        head = stream.read(_SAMPLE_BYTES)
    complete = len(head) < _SAMPLE_BYTES
    for bom, codec in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\x00\x00\xfe\xff", "UTF-32")):
        if head.startswith(bom):
            raise _not_utf8(f"The file is written in {codec}.")
    if b"\n" not in head and b"\r" in head:
        raise TrainwellError(
            "bad_line_ends", "The lines end in \\r alone.", argument="source", got=path.name, allowed="\\n or \\r\\n",
            hint=_LINE_ENDS,
        )  # fmt: skip
    if not complete and b"\n" in head:
        head = head[: head.rfind(b"\n") + 1]
    return head.removeprefix(_BOM).decode("utf-8", errors="replace"), complete


def _separator(sample: str, suffix: str, *, complete: bool) -> str:
    """The separator that cuts the sample into most columns of equal number; a comma when none does."""
    widths: dict[str, int] = {}
    text = sample.strip("\r\n")
    for separator in SEPARATORS:
        try:
            records = list(islice(csv.reader(io.StringIO(text), delimiter=separator), 200))
        except csv.Error:
            continue
        records = records if complete or len(records) < 2 else records[:-1]
        common, times = next(iter(Counter(map(len, filter(None, records))).most_common(1)), (0, 0))
        if common > 1 and times >= 0.8 * sum(map(bool, records)):
            widths[separator] = common
    if suffix == ".tsv" and "\t" in widths:
        return "\t"
    return max(widths, key=lambda separator: widths[separator], default=",")


def _count_records(path: Path, separator: str, width: int, *, quotes: bool, whole: bool) -> tuple[int, bool, bool]:
    """Records, whether fields hold line ends, and whether the number is a guess."""
    counter = _Counter(ord(separator), width, quotes)
    size, taken = path.stat().st_size, 0
    with path.open("rb") as stream:
        for chunk in _chunks(stream):
            counter.take(chunk)
            taken += len(chunk)
            if not whole and taken >= _CHECKED_BYTES:
                break
        if taken >= size - len(_BOM):
            return counter.finish(), counter.lines > counter.records, False
        if size > _COUNTED_BYTES:
            return counter.records * size // taken, counter.lines > counter.records, True
        rest = sum(chunk.count(b"\n") for chunk in _chunks(stream, start=taken))
    multiline = counter.lines > counter.records
    return counter.records + rest * counter.records // max(1, counter.lines), multiline, multiline


def _chunks(stream: io.BufferedReader, start: int = 0) -> Iterator[bytes]:
    if not start and stream.read(len(_BOM)) != _BOM:
        stream.seek(0)
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk


class _Counter:
    """Counts records, and fields in each, over chunks that may cut anywhere."""

    def __init__(self, separator: int, width: int, quotes: bool) -> None:
        self.separator, self.width, self.quotes = separator, width, quotes
        self.records = 0
        self.lines = 0  # newlines seen before this chunk
        self.record_line = 1  # where the open record began
        self.inside = 0  # 1 within quotes
        self.separators = 0  # of the open record, so far
        self.length = 0  # bytes of the open record, so far
        self.pending = b""  # first bytes of a character that the chunk cut

    def take(self, chunk: bytes) -> None:
        self._check_characters(chunk)
        if not self.quotes:
            self._check_no_quote_opens(chunk)
        data = np.frombuffer(chunk, np.uint8)
        newlines = np.flatnonzero(data == _NEWLINE)
        ends, cuts = newlines, np.flatnonzero(data == self.separator)
        if self.quotes and (self.inside or b'"' in chunk):
            inside = (np.cumsum(data == _QUOTE) + self.inside) & 1
            ends, cuts = ends[inside[ends] == 0], cuts[inside[cuts] == 0]
            self.inside = int(inside[-1])
        self._check_records(chunk, data, ends, cuts, newlines)
        self.records += len(ends)
        last = int(ends[-1]) + 1 if len(ends) else 0
        self.length = len(chunk) - last + (0 if len(ends) else self.length)
        self.separators = int(np.sum(cuts >= last)) + (0 if len(ends) else self.separators)
        if len(ends):
            self.record_line = self.lines + int(np.searchsorted(newlines, last)) + 1
        self.lines += len(newlines)

    def finish(self) -> int:
        if self.inside:
            raise TrainwellError(
                "unclosed_quote", f"A quotation mark opened on line {self.record_line} or before is never closed.",
                argument="source", hint="Close the quote, or double quotation marks inside a field.",
            )  # fmt: skip
        if self.pending:
            raise _not_utf8(f"Line {self.lines + 1} ends within a character.")
        if self.length:
            if self.separators != self.width - 1:
                raise self._ragged(self.record_line, self.separators + 1)
            self.records += 1
        return self.records

    def _check_records(
        self, chunk: bytes, data: np.ndarray, ends: np.ndarray, cuts: np.ndarray, newlines: np.ndarray
    ) -> None:
        lengths = np.diff(ends, prepend=-1) - 1
        fields = np.diff(np.searchsorted(cuts, ends), prepend=0) + 1
        if len(ends):
            lengths[0] += self.length
            fields[0] += self.separators
        longest = max(int(lengths.max(initial=0)), len(chunk) - 1 - int(ends[-1]) if len(ends) else self.length)
        if longest > LONGEST_RECORD_BYTES:
            raise TrainwellError(
                "line_too_long", f"A row near line {self.record_line} is longer than {LONGEST_RECORD_BYTES:,} bytes.",
                argument="source", hint="Is a quotation mark left open there?",
            )  # fmt: skip
        odd = fields != self.width
        if not odd.any():
            return
        returns = (lengths == 1) & (data[np.maximum(ends - 1, 0)] == _RETURN)
        odd &= ~((lengths == 0) | returns)
        if odd.any():
            at = int(np.argmax(odd))
            start = int(ends[at - 1]) + 1 if at else 0
            line = self.lines + int(np.searchsorted(newlines, start)) + 1 if at else self.record_line
            raise self._ragged(line, int(fields[at]))

    def _check_characters(self, chunk: bytes) -> None:
        if b"\x00" in chunk:
            line = self.lines + chunk[: chunk.index(b"\x00")].count(b"\n") + 1
            raise _not_utf8(f"Line {line} holds a NUL character: the file is binary, or UTF-16.")
        whole = self.pending + chunk
        try:
            if not whole.isascii():
                whole.decode("utf-8")
            self.pending = b""
        except UnicodeDecodeError as error:
            if error.end == len(whole) and error.reason == "unexpected end of data":
                self.pending = whole[error.start :]
                return
            line = self.lines + whole[: error.start].count(b"\n") + 1
            raise _not_utf8(f"Line {line} is not UTF-8; it may be Latin-1 or Windows-1252.") from error

    def _check_no_quote_opens(self, chunk: bytes) -> None:
        opening = bytes([self.separator, _QUOTE])
        if opening in chunk or b'\n"' in chunk:
            raise TrainwellError("unclosed_quote", "Quotation marks open fields.", argument="source")

    def _ragged(self, line: int, fields: int) -> TrainwellError:
        return TrainwellError(
            "ragged_row",
            f"Line {line} has {fields} fields, the first line has {self.width}.",
            argument="source",
            hint=f"Mend the line; fields are separated by {quoted(chr(self.separator))} here, and a field that holds "
            "it must stand in quotation marks.",
        )


def _not_utf8(message: str) -> TrainwellError:
    return TrainwellError(
        "not_utf8", message, argument="source", allowed="UTF-8 text", hint="Save the file as UTF-8 and try again."
    )
