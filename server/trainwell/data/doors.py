"""The front doors of the data room: inspect, prepare, encode."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from trainwell.contract.errors import TrainwellError, did_you_mean, next_call
from trainwell.contract.specs import PreparedData
from trainwell.contract.text import finite, plain, quoted
from trainwell.data.cache import fingerprint_of, get_or_make
from trainwell.data.content import refuse_unreadable
from trainwell.data.hashes import remembered_hash
from trainwell.data.kinds import Kind, find_kind, kind, kind_to_inspect, names
from trainwell.data.parts import EncodedRows, Request
from trainwell.data.source import Source, open_source, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trainwell.data.table.chunks import Chunk
    from trainwell.store.workspace import Workspace

LONGEST_INSPECTION_BYTES = 2000
# (part of the answer, most entries that stay), in the order in which they are cut.
_CUTS = (
    ("notes", 3), ("warnings", 6), ("columns", 4), ("class_counts", 6), ("warnings", 4), ("missing", 3), ("columns", 2),
    ("notes", 1), ("target_candidates", 2), ("warnings", 2), ("class_counts", 3), ("columns", 0), ("notes", 0),
)  # fmt: skip
# Kinds whose rows do not depend on each other.
_READ_IN_PARTS = {"tabular", "text"}
_COMMON = {
    "source", "rows", "target", "targets", "task", "kind", "split", "split_by", "validation_source", "test_source",
    "validation_fraction", "test_fraction", "options", "seed",
}  # fmt: skip


def inspect(workspace: Workspace, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a source holds, in less than 2 KB of compact JSON.

    Args:
        workspace: Where paths are looked up.
        arguments: Those of the tool `inspect_data`: `source` or `rows`, and `target`.

    Returns:
        `kind`, `source`, `rows`, `columns` or `arrays`, `missing`, `target_candidates`, `warnings`, `notes`,
        `next_call`; with a target also `target`, `task` and its classes or range.

    Raises:
        TrainwellError: what was wrong with the source or the target.
    """
    source = open_source(workspace, arguments.get("source"), arguments.get("rows"))
    refuse_unreadable(source)
    found = kind_to_inspect(source)
    facts = finite(found.inspect(source, arguments.get("target")))
    hints: dict[str, Any] = facts.pop("prepare_with", {})
    answer = {"kind": found.KIND, "source": source.shown, **facts}
    target = answer.get("target") or next(iter(answer.get("target_candidates", ())), None)
    if "next_call" not in answer and arguments.get("source") is not None and target is not None:
        known: dict[str, Any] = {} if source.shipped and target == "target" else {"target": target}
        known |= hints
        answer["next_call"] = next_call("prepare_data", source=arguments["source"], **known)
    if "target" in answer:
        answer["target"] = plain(answer["target"], 80)
    answer["target_candidates"] = [plain(name, 80) for name in answer.get("target_candidates", ())]
    return _shortened(answer)


def prepare(workspace: Workspace, arguments: dict[str, Any]) -> PreparedData:
    """Read, split and encode a source into the workspace; the same call again finds what is there.

    Args:
        workspace: Holds `.trainwell/data/<handle>/`.
        arguments: Those of the tool `prepare_data`, after defaults.

    Raises:
        TrainwellError: what was wrong with the source, the target or the arguments; nothing is left behind.
    """
    source = open_source(workspace, arguments.get("source"), arguments.get("rows"))
    refuse_unreadable(source)
    given = [name for name, value in arguments.items() if name not in _COMMON and value is not None]
    given += list(arguments.get("options") or ())
    found = find_kind(source, arguments.get("kind") or "auto", arguments.get("task") or "auto", given)
    request = replace(_request(found, arguments), given={**source.parts, **_given(workspace, arguments)})
    sources = [source, *request.given.values()]
    before = [state_of(one) for one in sources]
    asked = {name: value for name, value in vars(request).items() if name not in {"config", "given"}}
    asked |= {split: remembered_hash(workspace, one) for split, one in request.given.items()}
    further = getattr(found, "further_content", None)
    if further is not None:
        asked["further"] = [further(one, request.config) for one in sources]
    fingerprint = fingerprint_of(
        remembered_hash(workspace, source),
        {**asked, "kind": found.KIND, "config": request.config.model_dump(mode="json")},
    )

    shown: dict[str, Any] = (
        {"given": {split: one.shown for split, one in request.given.items()}} if request.given else {}
    )
    if arguments.get("source") is not None:
        shown["asked"] = {name: value for name, value in arguments.items() if value not in (None, "auto", {}, [])}

    def make(handle: str, folder: Path) -> PreparedData:
        draft = found.prepare(source, request, folder)
        if [state_of(one) for one in sources] != before:
            raise TrainwellError(
                "file_changed", "The file changed while it was read.", argument="source", hint="Try again later."
            )
        return PreparedData(
            handle=handle,
            name=source.name,
            kind=found.KIND,
            source=source.shown,
            fingerprint=fingerprint,
            **vars(replace(draft, encoding={**draft.encoding, **shown})),
        )

    return get_or_make(workspace, source.name, fingerprint, make)


def encode(
    prepared: PreparedData,
    *,
    rows: list[Any] | None = None,
    source: Source | None = None,
    strict: bool | None = None,
) -> EncodedRows:
    """Raw rows as network inputs, through the preprocessing that was fitted on the training rows.

    Args:
        prepared: What the network was trained on; its folder is not needed.
        rows: Objects by column name, or lists of values in the order of the source's columns without the target.
        source: A file of raw rows instead.
        strict: Whether a cell that cannot be read is an error, or missing with a note; by default it is one in `rows`.

    Raises:
        TrainwellError: `missing_column`, `bad_row`, `bad_value`, `wrong_shape`, or what reading the file raises.
    """
    if source is not None:
        refuse_unreadable(source)
    strict = rows is not None if strict is None else strict
    encoded = kind(prepared.kind).encode(prepared, rows, source, strict=strict)
    if source is None or source.numbers is None:
        return encoded
    return replace(encoded, rows=np.load(source.numbers, allow_pickle=False)[encoded.rows])


def encode_in_parts(
    prepared: PreparedData, *, rows: list[Any] | None = None, source: Source | None = None, strict: bool = True
) -> Iterator[tuple[EncodedRows, float]]:
    """As `encode`, but a file of a table or of texts comes in parts that fit into memory, without its target.

    Yields:
        Rows, numbered within their part, and the share of the source that is encoded with them.

    Raises:
        TrainwellError: what `encode` raises; a bad cell is named by its line or row in the file.
    """
    found = _in_parts(source) if source is not None and prepared.kind in _READ_IN_PARTS else None
    if found is None or source is None:
        yield encode(prepared, rows=rows, source=source, strict=strict), 1.0
        return
    target: dict[str, Any] = prepared.encoding.get("target") or {}
    hidden = {str(one["name"]) for one in [target, *target.get("labels", [])] if "name" in one}
    some = False
    for chunk in found:
        table = replace(chunk.table, frame=chunk.table.frame.drop(hidden, strict=False))
        part = Source(name=source.name, shown=source.shown, roots=source.roots, part=table)
        yield kind(prepared.kind).encode(prepared, None, part, strict=strict), chunk.share
        some = True
    if not some:
        raise TrainwellError("too_few_rows", "There are no rows.", argument="source", allowed="at least one row")


def _in_parts(source: Source) -> Iterator[Chunk] | None:
    """The chunks of a file that can be read so."""
    if source.path is None or not source.path.is_file() or source.path.suffix.lower() == ".txt":
        return None
    refuse_unreadable(source)
    from trainwell.data.table.chunks import chunks  # noqa: PLC0415 - polars starts threads

    return chunks(source.path)


def raw_source(workspace: Workspace, prepared: PreparedData, split: str) -> Source | None:
    """The raw rows of a validation or test split, to be encoded by another run's preprocessing."""
    folder = workspace.data_dir(prepared.handle)
    for file in (folder / f"raw_{split}.parquet", folder / f"raw_{split}.npz"):
        if file.is_file():
            shown, numbers = f"{prepared.handle} ({split})", folder / f"{split}_rows.npy"
            roots = (workspace.root, *workspace.allow_read)
            return Source(name=prepared.name, shown=shown, path=file, numbers=numbers, roots=roots)
    return None


def _given(workspace: Workspace, arguments: dict[str, Any]) -> dict[str, Source]:
    """The sources that are a split as a whole."""
    named = {"validation": "validation_source", "test": "test_source"}
    given = {
        split: open_source(workspace, arguments[name], None, name)
        for split, name in named.items()
        if arguments.get(name) is not None
    }
    for source in given.values():
        refuse_unreadable(source)
    return given


def _request(found: Kind, arguments: dict[str, Any]) -> Request:
    """The typed request; arguments that belong to another kind are refused."""
    own = set(found.Config.model_fields)
    others = {field for name in names() for field in kind(name).Config.model_fields} - own
    options: dict[str, Any] = {}
    named = {name: value for name, value in arguments.items() if name not in _COMMON}
    inside: dict[str, Any] = arguments.get("options") or {}
    said = [(name, value, name) for name, value in named.items()]
    said += [(name, value, f"options/{name}") for name, value in inside.items()]
    for name, value, place in said:
        if value is None:
            continue
        if name in others:
            raise TrainwellError(
                "not_for_this_kind", f"This argument does not apply to data of kind {found.KIND}.", argument=place,
                allowed=sorted(own) or None, hint="Leave it out.",
            )  # fmt: skip
        if name not in own:
            known = own if place != name else _COMMON | own
            raise TrainwellError(
                "unknown_argument" if place == name else "unknown_option",
                f"Data of kind {found.KIND} has no argument {quoted(name)}.", argument=place, got=name,
                allowed=sorted(known), hint=did_you_mean(name, known),
            )  # fmt: skip
        options[name] = value
    try:
        config = found.Config.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        place = "/".join(map(str, first["loc"] if first["loc"][0] in named else ("options", *first["loc"])))
        raise TrainwellError(
            "invalid_option" if place.startswith("options/") else "invalid_argument",
            f"{place}: {first['msg']}.",
            got=first["input"],
            argument=place,
        ) from error
    return Request(
        target=arguments.get("target"),
        task=arguments.get("task") or "auto",
        split=arguments.get("split") or "auto",
        validation_fraction=arguments.get("validation_fraction", 0.15),
        test_fraction=arguments.get("test_fraction", 0.2),
        seed=arguments.get("seed", 0),
        config=config,
        targets=tuple(arguments.get("targets") or ()),
        split_by=arguments.get("split_by"),
    )


def _shortened(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer cut, least important first, until it is short; what was cut is counted."""
    for part, most in _CUTS:
        if len(json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()) <= LONGEST_INSPECTION_BYTES:
            break
        if part == "columns":
            _cut_names(answer, most)
        else:
            _cut(answer, part, most)
    return answer


def _cut(answer: dict[str, Any], name: str, most: int) -> None:
    whole: Any = answer.get(name)
    entries: list[Any] = list(whole or ())
    if len(entries) <= most:
        return
    kept = entries[:most]
    answer[name] = {key: whole[key] for key in kept} if isinstance(whole, dict) else kept
    answer[f"more_{name}"] = answer.get(f"more_{name}", 0) + len(entries) - most


def _cut_names(answer: dict[str, Any], most: int) -> None:
    for group in answer.get("columns", {}).values():
        if isinstance(group, dict) and "first" in group:
            group["first"] = group["first"][:most]
