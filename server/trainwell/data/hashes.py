"""Content hashes that are remembered, so that a file of many gigabytes is read once and not at every call."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from trainwell.data.source import content_hash, state_of
from trainwell.store import atomic
from trainwell.store.atomic import write_synced

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.data.source import Source
    from trainwell.store.workspace import Workspace

# A file that changed so shortly before may change again within one tick of its clock, and look the same.
_UNSETTLED_SECONDS = 2.0
# Smaller files are hashed faster than their hash is looked up.
_WORTH_BYTES = 1_000_000


def remembered_hash(workspace: Workspace, source: Source) -> str:
    """As `content_hash`, read from what was remembered where the file is still in the same state."""
    if source.path is None or (source.path.is_file() and source.path.stat().st_size < _WORTH_BYTES):
        return content_hash(source)
    state = state_of(source)
    place = _place(workspace, source.path)
    known = _known(place)
    if known is not None and known[0] == state:
        return known[1]
    found = content_hash(source)
    if state == state_of(source) and _settled(source.path):
        _remember(place, str(state), found)
    return found


def _place(workspace: Workspace, path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    return workspace.state / "hashes" / f"{name}.json"


def _known(place: Path) -> tuple[str, str] | None:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        return str(found["state"]), str(found["content"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(place: Path, state: str, content: str) -> None:
    """Whole or not at all; where it cannot be written, the next call hashes again."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"state": state, "content": content})
        atomic.place(place, lambda draft: write_synced(draft, text.encode()))


def _settled(path: Path) -> bool:
    files = [path] if path.is_file() else [path, *path.rglob("*")]
    latest = max(max(facts.st_mtime, facts.st_ctime) for facts in map(os.lstat, files))
    return time.time() - latest > _UNSETTLED_SECONDS
