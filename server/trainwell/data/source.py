"""Where data comes from: a file of the workspace, a set that ships with scikit-learn, or rows given inline."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError, did_you_mean, next_call
from trainwell.contract.text import plain
from trainwell.data import hub as datasets
from trainwell.store import filestate, hub
from trainwell.store.filestate import files_below

if TYPE_CHECKING:
    from trainwell.data.table.read import Table
    from trainwell.store.workspace import Workspace

# The files inside scikit-learn's package; the package itself is never imported.
SHIPPED: dict[str, tuple[str, ...]] = {
    "digits": ("digits.csv.gz",),
    "breast_cancer": ("breast_cancer.csv",),
    "wine": ("wine_data.csv",),
    "iris": ("iris.csv",),
    "diabetes": ("diabetes_data_raw.csv.gz", "diabetes_target.csv.gz"),
}


@dataclass(frozen=True)
class Source:
    """One place that rows come from; exactly one of `path`, `rows`, `shipped` and `part` tells which.

    Attributes:
        name: Slug for handles, such as `digits`.
        shown: How answers speak of it; safe to print.
        path: A regular file or a folder, already checked against the workspace.
        rows: Rows given inline: objects by column name, or lists of values.
        shipped: A key of `SHIPPED`.
        numbers: Where `path` holds some rows of another source: a .npy of their numbers there.
        roots: The folders that files named inside the source may lie in, the workspace first.
        parts: Sources that belong to it and are its validation or test part as a whole.
        part: Some rows of a file, read already; then nothing else tells where the rows are.
    """

    name: str
    shown: str
    path: Path | None = None
    rows: list[Any] | None = None
    shipped: str | None = None
    numbers: Path | None = None
    roots: tuple[Path, ...] = ()
    parts: dict[str, Source] = field(default_factory=dict[str, "Source"])
    part: Table | None = None

    @property
    def base(self) -> Path:
        """The folder that relative paths inside the source start from."""
        inside = self.path is not None and self.numbers is None
        return self.path.parent if inside and self.path is not None else self.roots[0]


def open_source(workspace: Workspace, source: str | None, rows: list[Any] | None, argument: str = "source") -> Source:
    """Find what `source` or `rows` names; a file of the workspace wins over a shipped set of the same name.

    Raises:
        TrainwellError: `missing_argument`, `exclusive_arguments`, `shipped_set_missing`, or what `resolve_read` raises.
    """
    if source is not None and rows is not None:
        raise TrainwellError(
            "exclusive_arguments", "source and rows were both given.", argument="rows", allowed="one of: source, rows"
        )
    if rows is not None:
        if not rows:
            raise TrainwellError("too_few_rows", "rows is empty.", argument="rows", allowed="at least one row")
        return Source(name="rows", shown=f"{len(rows)} inline rows", rows=rows, roots=_roots(workspace))
    if source is None:
        raise TrainwellError(
            "missing_argument",
            "Say what to read: source or rows.",
            argument="source",
            allowed=f"a file in the workspace, or one of: {', '.join(SHIPPED)}",
            next_call=next_call("inspect_data", source="digits"),
        )
    return _open_named(workspace, source, argument)


def shipped_files(name: str) -> tuple[Path, ...]:
    """The files of a shipped set, in the order of `SHIPPED`.

    Raises:
        TrainwellError: `shipped_set_missing` when scikit-learn is not installed or lies packed.
    """
    spec = find_spec("sklearn")
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = tuple(Path(folder) / "datasets" / "data" / file for folder in folders[:1] for file in SHIPPED[name])
    if not files or not all(file.is_file() for file in files):
        raise TrainwellError(
            "shipped_set_missing",
            f"The set {name} ships with scikit-learn, which is not installed here.",
            argument="source",
            got=name,
            hint="Install it with: pip install 'trainwell[datasets]', or give a file of the workspace.",
        )
    return files


def content_hash(source: Source) -> str:
    """SHA-256 of what the source holds now, in hexadecimal."""
    if source.rows is not None:
        text = json.dumps(source.rows, ensure_ascii=False, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    if source.path is not None and source.path.is_dir():
        return _folder_hash(source.path)
    files = (source.path,) if source.path is not None else shipped_files(source.shipped or "")
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def state_of(source: Source) -> str | None:
    """What tells without reading that a file or a folder is another than before; None for other sources."""
    return None if source.path is None else filestate.state_of(source.path)


def _folder_hash(folder: Path) -> str:
    """Of the names and the contents of all files below a folder."""
    total = hashlib.sha256()
    for name, file in files_below(folder):
        with file.open("rb") as stream:
            total.update(f"{name}\0".encode("utf-8", "surrogateescape"))
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def _open_named(workspace: Workspace, text: str, argument: str) -> Source:
    if text.startswith(hub.SCHEME):
        return _open_dataset(workspace, text, argument, text)
    try:
        path = workspace.resolve_read(text, argument, folder=True)
    except TrainwellError as error:
        if text in SHIPPED and error.code in {"file_not_found", "not_a_file"}:
            shipped_files(text)
            return Source(name=text, shown=f"{text} (ships with scikit-learn)", shipped=text)
        if error.code == "file_not_found":
            error.hint = did_you_mean(text, SHIPPED) or error.hint
            error.allowed = error.allowed or f"a file in the workspace, or one of: {', '.join(SHIPPED)}"
        raise
    shown = plain(workspace.shown(path))
    if path.is_dir() and datasets.is_dataset(path):
        return _open_dataset(workspace, text, argument, shown)
    return Source(name=path.stem, shown=shown, path=path, roots=_roots(workspace))


def _open_dataset(workspace: Workspace, text: str, argument: str, shown: str) -> Source:
    """A data set of the hub or in its layout: the training part, and the others as parts of their own."""
    found = datasets.parts_of(workspace, text, argument)
    name, roots = Path(text).name, _roots(workspace)
    parts = {
        part: Source(name=name, shown=f"{shown} ({part})", path=path, roots=roots)
        for part, path in found.items()
        if part != "train"
    }
    return Source(name=name, shown=shown, path=found["train"], roots=roots, parts=parts)


def _roots(workspace: Workspace) -> tuple[Path, ...]:
    return workspace.root, *workspace.allow_read
