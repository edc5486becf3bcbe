"""Pictures named in a table: one column holds paths, the others say what is known of each."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data.content import recognise_content
from trainwell.data.image.decode import SUFFIXES
from trainwell.data.image.listing import Listing, is_picture, resolved
from trainwell.data.table.names import require
from trainwell.data.table.read import read_table

if TYPE_CHECKING:
    from trainwell.data.source import Source

# A file is looked at this far, and a column in this many cells, to see whether it names pictures.
_HEAD_BYTES, _CELLS = 65_536, 20
_BETWEEN_NAMES = re.compile(rb"[,;\t\"'\n\r|]+")
_ENDS = tuple(suffix.encode() for suffix in SUFFIXES)


def names_pictures(source: Source) -> bool:
    """Whether a table or inline rows name picture files that are there; looks at the first rows only."""
    if not source.roots:
        return False
    if source.rows is not None:
        cells = [cell for row in source.rows[:_CELLS] if isinstance(row, dict) for cell in row.values()]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        return _any_there(source, [cell for cell in cells if isinstance(cell, str)])  # pyright: ignore[reportUnknownVariableType]
    if source.path is None or source.path.is_dir():
        return False
    content = recognise_content(source.path)
    if content == "text":
        with source.path.open("rb") as stream:
            parts: list[bytes] = _BETWEEN_NAMES.split(stream.read(_HEAD_BYTES))
        found = [part for part in parts if part.strip().lower().endswith(_ENDS)][: 5 * _CELLS]
        return _any_there(source, [name.decode("utf-8", "replace").strip() for name in found])
    return content == "parquet" and _parquet_names(source, source.path)


def image_column(source: Source, frame: pl.DataFrame, asked: str | None) -> str:
    """The column of paths.

    Raises:
        TrainwellError: `missing_column`; `no_images` when no column names files that are there.
    """
    if asked is not None:
        require([asked], frame.columns, "options/image_column")
        return asked
    for name, series in zip(frame.columns, frame.get_columns(), strict=True):
        if series.dtype == pl.String and _any_there(source, series.drop_nulls().head(_CELLS).to_list()):
            return name
    raise TrainwellError(
        "no_images", "No column names image files that are there.", argument="source", got=source.shown,
        allowed="a column of paths, relative to the table", hint="Name it with options.image_column if there is one.",
    )  # fmt: skip


def read_listed(source: Source, asked: str | None) -> tuple[pl.DataFrame, str, Listing, list[str]]:
    """The table, the name of its column of paths, the pictures, and notes."""
    table = read_table(source)
    name = image_column(source, table.frame, asked)
    cells = table.frame[name].cast(pl.String).to_list()
    files = [source.base / cell.strip() if cell and cell.strip() and "\0" not in cell else None for cell in cells]
    shown = [cell or "" for cell in cells]
    return table.frame, name, resolved(source, files, shown), list(table.notes)


def target_of(frame: pl.DataFrame, image: str, target: str | None) -> str:
    """The column to predict: as asked, or the only other one.

    Raises:
        TrainwellError: `missing_column`, `missing_target`.
    """
    others = [name for name in frame.columns if name != image]
    if target is not None:
        require([target], others, "target")
        return target
    if len(others) == 1:
        return others[0]
    likely = candidates(frame, image)
    raise TrainwellError(
        "missing_target", "Say which column to predict.", argument="target",
        allowed=[name[:80] for name in others[:20]],
        hint=f"Likely: {quoted(likely[0])}" if likely else "The table needs a column beside the paths.",
    )  # fmt: skip


def candidates(frame: pl.DataFrame, image: str) -> list[str]:
    """Columns that may be the target, the likeliest first: by name, then the last ones."""
    others = [name for name in frame.columns if name != image][::-1]
    words = ("label", "class", "target", "category", "y")
    named = [name for word in words for name in others if word == name.lower()]
    return list(dict.fromkeys([*named, *others]))[:5]


def _parquet_names(source: Source, path: Path) -> bool:
    try:
        head = pl.scan_parquet(path, glob=False).head(_CELLS).collect()
    except Exception:  # noqa: BLE001 - reading it as a table will tell what is wrong
        return False
    texts = [series for series in head.get_columns() if series.dtype == pl.String]
    return any(_any_there(source, series.drop_nulls().to_list()) for series in texts)


def _any_there(source: Source, cells: list[str]) -> bool:
    """Whether one of these is the path of a picture that may be read."""
    named = [cell.strip() for cell in cells if is_picture(Path(cell.strip()[-300:]))]
    listing = resolved(source, [source.base / cell for cell in named[:_CELLS] if "\0" not in cell], named)
    return any(path is not None for path in listing.paths)


def files_state(source: Source) -> str:
    """A hash of the name, size and time of every file that a table or inline rows name as a picture."""
    total = hashlib.sha256()
    for series in read_table(source).frame.get_columns():
        if series.dtype != pl.String:
            continue
        cells = [cell.strip() for cell in series.drop_nulls().to_list() if is_picture(Path(cell.strip()[-300:]))]
        listing = resolved(source, [source.base / cell for cell in cells if "\0" not in cell], cells)
        for path in filter(None, listing.paths):
            facts = path.stat()
            total.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()
