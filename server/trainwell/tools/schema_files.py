"""The compiled schemas as files: schemas/tools and schemas/architectures, committed so that a change is seen."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError
from trainwell.contract.manifest import load_manifest
from trainwell.contract.resources import resource
from trainwell.tools.registry import discover, listings

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.errors import JsonObject

ARCHITECTURES_SECONDS = 120


def write() -> list[Path]:
    """Write every schema and remove files that belong to none; the paths that changed."""
    wanted = _wanted()
    changed = _differing(wanted)
    for path in changed:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


def differing() -> list[Path]:
    """Files that are missing, out of date or left over."""
    return _differing(_wanted())


def _wanted() -> dict[Path, str]:
    """Path -> text of every schema file."""
    tools = discover()
    documents: dict[Path, JsonObject] = {}
    for listing in listings(load_manifest()):
        name = listing["name"]
        documents[resource("schemas", "tools", f"{name}.json")] = {**listing, "resultSchema": tools[name].result_schema}
    for name, schema in _architectures().items():
        documents[resource("schemas", "architectures", f"{name}.json")] = schema
    return {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}


def _differing(wanted: dict[Path, str]) -> list[Path]:
    present = {path for kind in ("tools", "architectures") for path in resource("schemas", kind).glob("*.json")}
    outdated = [path for path, text in wanted.items() if path not in present or path.read_text("utf-8") != text]
    return sorted([*outdated, *(present - set(wanted))])


def _architectures() -> dict[str, Any]:
    """The options of the architectures, asked of a process that may load torch.

    Raises:
        TrainwellError: `architectures_unavailable`.
    """
    done = subprocess.run(
        [sys.executable, "-m", "trainwell.architectures"],
        capture_output=True,
        text=True,
        timeout=ARCHITECTURES_SECONDS,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise TrainwellError(
            "architectures_unavailable", f"The architectures cannot be asked: {reason[:200]}.",
            hint="`trainwell doctor` says what is wrong with this installation.",
        )  # fmt: skip
    return json.loads(done.stdout)
