"""Data sets in the layouts of the Hugging Face library datasets: from the hub, or from a folder of the workspace.

Read are what `save_to_disk` wrote, and repositories whose files are called by their parts, such as
`data/train-00000-of-00001.parquet`. They are loaded by the library, always offline and without any code of theirs, and
written once as Parquet (or, for images, as files in a folder for each class), which the kinds of data read.
The parts train, validation and test stay what they are.
"""

# The library's types are open where a data set may hold anything.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportUnknownParameterType=false, reportMissingTypeArgument=false

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError, extra_missing
from trainwell.contract.text import plain, quoted
from trainwell.store import hub

if TYPE_CHECKING:
    from datasets import Dataset

    from trainwell.store.workspace import Workspace

_PARTS = {
    "train": "train", "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip
_BUILDERS = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".jsonl": "json", ".json": "json"}
_PATTERNS = ["*.parquet", "*.csv", "*.tsv", "*.jsonl", "*.json", "*.arrow"]
_NOT_DATA = {"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "config.json"}
_BATCH = 10_000
_DONE = ".complete"
_MAGIC = ((b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"), (b"GIF8", ".gif"), (b"BM", ".bmp"), (b"RIFF", ".webp"))


def is_dataset(folder: Path) -> bool:
    """Whether a folder is laid out as the library datasets does it."""
    return _saved(folder) or bool(_files(folder))


def parts_of(workspace: Workspace, source: str, argument: str) -> dict[str, Path]:
    """The parts of a data set as files or folders that the kinds of data read.

    Args:
        workspace: Where downloads and exports lie.
        source: `hub://name`, or a folder in the workspace.
        argument: Of the tool, for errors.

    Returns:
        Paths by part; `train` is always there.

    Raises:
        TrainwellError: `not_allowed`, `extra_missing`, `hub_unreachable`, `dataset_unreadable`, `no_training_part`.
    """
    if source.startswith(hub.SCHEME):
        folder = hub.snapshot(workspace, source, "dataset", _PATTERNS, argument)
    else:
        folder = workspace.resolve_read(source, argument, folder=True)
    place = workspace.state / "hub" / f"export--{_fingerprint(folder)}"
    if not (place / _DONE).is_file():
        _export(folder, place, source, argument)
    return {path.stem: path for path in sorted(place.iterdir()) if path.name != _DONE}


def _export(folder: Path, place: Path, source: str, argument: str) -> None:
    """Load all parts and write them; the place appears whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".tmp-", dir=place.parent))
    try:
        parts = _named(_loaded(folder, work / "cache", source, argument))
        if "train" not in parts:
            raise TrainwellError(
                "no_training_part", "This data set has no part for training.", argument=argument, got=source,
                allowed="a part called train, or a single part",
            )  # fmt: skip
        out = work / "out"
        out.mkdir()
        for name, dataset in parts.items():
            _write(dataset, out, name)
        (out / _DONE).touch()
        if not place.exists():
            out.rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _loaded(folder: Path, cache: Path, source: str, argument: str) -> dict[str, Dataset]:
    """Every part, by the library, offline."""
    # Nothing may be fetched while a data set is opened, whatever its files say; downloads happen in store.hub alone.
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    try:
        import datasets  # noqa: PLC0415 - an extra; it takes a second
    except ImportError as error:
        raise extra_missing("datasets", "hub", argument) from error
    datasets.disable_progress_bars()
    files = _files(folder)
    suffixes = {Path(file).suffix.lower() for named in files.values() for file in named}
    builders = sorted({_BUILDERS[suffix] for suffix in suffixes})
    if _leads_away(folder):
        raise _unreadable(source, argument, "it names files outside of its folder")
    if len(builders) != 1 and not _saved(folder):
        raise _unreadable(source, argument, f"it mixes {', '.join(sorted(suffixes)) or 'nothing'}")
    try:
        if _saved(folder):
            found = datasets.load_from_disk(str(folder))
        else:
            more: dict[str, Any] = {"sep": "\t"} if suffixes == {".tsv"} else {}
            found = datasets.load_dataset(builders[0], data_files=files, cache_dir=str(cache), **more)
    except Exception as error:  # the library raises whatever its readers raise
        raise _unreadable(source, argument, plain(str(error), 200)) from error
    return {"train": found} if isinstance(found, datasets.Dataset) else {str(name): found[name] for name in found}


def _named(found: dict[str, Dataset]) -> dict[str, Dataset]:
    """The parts by our names; a single part trains, parts of other names are left out."""
    if len(found) == 1:
        return {"train": next(iter(found.values()))}
    return {_PARTS[name.lower()]: dataset for name, dataset in found.items() if name.lower() in _PARTS}


def _write(dataset: Dataset, out: Path, name: str) -> None:
    """One part as Parquet; as a folder for each class where there is an image and a class."""
    from datasets import ClassLabel, Image  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415 - comes with datasets

    features = dict(dataset.features)
    images = [column for column, kind in features.items() if isinstance(kind, Image)]
    labels = {column: list(kind.names) for column, kind in features.items() if isinstance(kind, ClassLabel)}
    for column in images:
        dataset = dataset.cast_column(column, Image(decode=False))
    if len(images) == 1 and len(labels) == 1:
        _write_images(dataset, out / name, images[0], *next(iter(labels.items())))
        return
    dataset = dataset.remove_columns(images)
    writer = None
    for batch in dataset.with_format("arrow").iter(batch_size=_BATCH):
        table = _with_words(batch, labels)
        # The library's own notes in the schema would have readers take class names for numbers.
        table = table.replace_schema_metadata(None)
        writer = writer or parquet.ParquetWriter(out / f"{name}.parquet", table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _with_words(table: Any, labels: dict[str, list[str]]) -> Any:
    """Class numbers as class names; -1, which marks rows without a class, as nothing."""
    import pyarrow as pa  # noqa: PLC0415 - comes with datasets

    for column, names in labels.items():
        numbers = table[column].to_pylist()
        words = [names[number] if number is not None and number >= 0 else None for number in numbers]
        table = table.set_column(table.schema.get_field_index(column), column, pa.array(words, pa.string()))
    return table


def _write_images(dataset: Dataset, out: Path, image: str, label: str, names: list[str]) -> None:
    """Files as they are, `<class>/<row>.<suffix>`; an image that is only a path is left out, it may lead anywhere."""
    entries: Any = dataset
    for row, entry in enumerate(entries):
        number, data = entry[label], (entry[image] or {}).get("bytes")
        if not data or number is None or number < 0:
            continue
        folder = out / names[number].replace("/", "_").replace("\0", "_").lstrip(".")
        folder.mkdir(parents=True, exist_ok=True)
        suffix = next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), ".img")
        (folder / f"{row:07}{suffix}").write_bytes(data)


def _saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote it."""
    whole = (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    return whole or (folder / "dataset_dict.json").is_file()


def _files(folder: Path) -> dict[str, list[str]]:
    """Files by part: those in `data/`, else in the folder itself, whose names begin with the part's.

    Only these are given to the library: a card (README.md) could name files elsewhere.
    """
    for place in (folder / "data", folder):
        if not place.is_dir():
            continue
        found: dict[str, list[str]] = {}
        for file in sorted(place.iterdir()):
            if file.suffix.lower() not in _BUILDERS or file.name in _NOT_DATA or file.is_symlink():
                continue
            word = file.stem.lower().replace("_", "-").split("-")[0].split(".")[0]
            if word in _PARTS:
                found.setdefault(_PARTS[word], []).append(str(file))
        if "train" in found:
            return found
    return {}


def _leads_away(folder: Path) -> bool:
    """Whether a state file of `save_to_disk` names data outside of its own folder."""
    for state in [*folder.glob("state.json"), *folder.glob("*/state.json")]:
        try:
            named = json.loads(state.read_text(encoding="utf-8"))["_data_files"]
            if any(Path(str(one["filename"])).name != one["filename"] for one in named):
                return True
        except (OSError, ValueError, KeyError, TypeError):
            return True
    return False


def _fingerprint(folder: Path) -> str:
    """Of names, sizes and times of all files; what was exported once is found again by it."""
    total = hashlib.sha256(str(folder).encode())
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        facts = file.stat()
        total.update(f"\0{file.relative_to(folder)}\0{facts.st_size}\0{facts.st_mtime_ns}".encode("utf-8", "replace"))
    return total.hexdigest()[:24]


def _unreadable(source: str, argument: str, why: str) -> TrainwellError:
    return TrainwellError(
        "dataset_unreadable", f"The data set {quoted(source, 60)} cannot be loaded: {why.rstrip('.')}.",
        argument=argument,
        allowed="what save_to_disk wrote, or files called train-*.parquet and test-*.parquet (.csv, .jsonl)",
    )  # fmt: skip
