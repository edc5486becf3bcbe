"""Rows written as JSON: one object a line, or a list of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain, quoted
from trainwell.data.table.errors import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def is_json(path: Path) -> bool:
    """Whether a text file holds JSON: by its name, else by its first character."""
    suffix = path.suffix.lower()
    if suffix in {".jsonl", ".ndjson", ".json"}:
        return True
    with path.open("rb") as stream:
        return suffix not in {".csv", ".tsv"} and stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(
            (b"{", b"[{")
        )


def count_lines(path: Path) -> int:
    """Line ends in a file."""
    with path.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))


def json_array(path: Path) -> list[Any]:
    """The entries of a JSON list.

    Raises:
        TrainwellError: `table_unreadable`, `empty_file`.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"This is not JSON: {plain(str(error), 200)}.", "Write one object a line.") from error
    if not rows:
        raise TrainwellError("empty_file", "The file holds an empty list.", argument="source", got=path.name)
    return rows


def json_lines(path: Path) -> list[Any]:
    """The objects of a file of one a line; see `json_rows`."""
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
