"""What a file is, told by its first bytes and not by its name."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.data.source import Source

# (first bytes, word): the words below are what kinds recognise, or what a refusal names.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "parquet"),
    (b"PARE", "encrypted parquet"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"%PDF", "PDF"),
    (b"\x89HDF", "HDF5"),
    (b"SQLite format 3\x00", "SQLite database"),
    (b"\xd0\xcf\x11\xe0", "old Excel or Word file"),
    (b"ARROW1", "Arrow/Feather"),
    (b"\x7fELF", "program"),
    *((b"\x80" + bytes([protocol]), "pickle") for protocol in range(2, 6)),
)
_ONE_IMAGE = 'For training give a folder with a folder for each class; to predict one image pass rows: [{"path": ...}].'
_HINTS = {
    **dict.fromkeys(("PNG image", "JPEG image", "GIF image"), _ONE_IMAGE),
    "gzip": "Unpack it first (gunzip).",
    "bzip2": "Unpack it first.",
    "xz": "Unpack it first.",
    "zstd": "Unpack it first.",
    "archive": "Unpack it and give one file.",
    "Excel workbook": "Save the sheet as CSV.",
    "old Excel or Word file": "Save the sheet as CSV.",
    "pickle": "Pickles run code when they are opened; save the table as CSV or Parquet, arrays as .npz.",
    "Arrow/Feather": "Save it as Parquet.",
    "encrypted parquet": "Save it without encryption.",
    "web page": "This is the page around the data; download the file itself.",
}
_BY_SUFFIX = {
    ".parquet": {"parquet"}, ".npy": {"npy"}, ".npz": {"npz"}, ".csv": {"text"}, ".tsv": {"text"},
    ".jsonl": {"text"}, ".ndjson": {"text"}, ".json": {"text"},
}  # fmt: skip
READABLE = {"parquet", "npy", "npz", "text", "folder"}
ALLOWED = "CSV, TSV, Parquet, JSON Lines, .npy or .npz, or a folder of images or texts"


def recognise_content(path: Path) -> str:
    """`text`, `parquet`, `npy`, `npz`, `folder`, or a word for something that is not read.

    Raises:
        TrainwellError: `empty_file`.
    """
    if path.is_dir():
        return "folder"
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise TrainwellError(
            "empty_file", "The file is empty.", argument="source", got=path.name,
            hint="Write its rows again, or name another file.",
        )  # fmt: skip
    word = next((word for magic, word in _MAGIC if head.startswith(magic)), "text")
    if word == "zip":
        return _kind_of_zip(path)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "web page" if start.startswith((b"<!doctype", b"<html")) else word


def refuse_unreadable(source: Source) -> None:
    """Stop at files that no kind reads, and at files whose name promises something else.

    Raises:
        TrainwellError: `empty_file`, `wrong_kind_of_file`.
    """
    if source.path is None:
        return
    found = recognise_content(source.path)
    promised = _BY_SUFFIX.get(source.path.suffix.lower())
    if found in READABLE and (promised is None or found in promised):
        return
    message = f"This file is not a table or array that can be read: its content is {_article(found)}."
    if found in READABLE:
        message = f"The name ends in {source.path.suffix}, but the content is {_article(found)}."
    raise TrainwellError(
        "wrong_kind_of_file",
        message,
        argument="source",
        got=source.path.name,
        allowed=ALLOWED,
        hint=_HINTS.get(found) or ("Give it the name that fits." if found in READABLE else None),
    )


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:1000]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "npz" if path.suffix.lower() == ".npz" else "broken zip archive"
    if any(name.startswith("xl/") for name in names):
        return "Excel workbook"
    if path.suffix.lower() == ".npz" or (names and all(name.endswith(".npy") for name in names)):
        return "npz"
    return "archive"


def _article(word: str) -> str:
    if word in {"text", "parquet", "npy", "npz", "gzip", "bzip2", "xz", "zstd", "HDF5", "Arrow/Feather"}:
        return {"npy": "a NumPy array (.npy)", "npz": "NumPy arrays (.npz)", "parquet": "Parquet"}.get(word, word)
    return ("an " if word[0].lower() in "aeiou" else "a ") + word
