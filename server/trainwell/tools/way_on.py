"""A call to make after a refusal that names none itself: an agent must never stand before a wall."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, cast

from trainwell.contract.errors import next_call

if TYPE_CHECKING:
    from trainwell.contract.errors import JsonObject, TrainwellError
    from trainwell.contract.manifest import Manifest

# What failed for a reason that passes: the same call again is right.
_PASSING = {"internal_error", "store_busy", "work_takes_long", "worker_died", "workers_unavailable"}
# What a call is about; without one of these it would be another call.
_SUBJECTS = {"checkpoint", "data", "log", "metrics", "model", "rows", "run", "runs", "source", "target", "targets",
             "train_loader"}  # fmt: skip
_RUNS = {"after", "checkpoint", "path", "run", "runs"}
# Nobody can look into a source that is not there.
_NOT_THERE = {"bad_path", "file_not_found", "path_outside_workspace", "permission_denied"}
_NEAREST = re.compile(r"Did you mean '([^']+)'\?")
# Characters; a longer call is not worth its tokens.
_LONGEST = 1500


def way_on(manifest: Manifest, tool: str, given: Any, error: TrainwellError) -> JsonObject | None:
    """The same call again, without the argument at fault, or a look at what there is; None where there is nothing.

    Args:
        manifest: Whose schemas the call fits.
        tool: What was called.
        given: Its arguments, as they came.
        error: The refusal.
    """
    arguments = cast("JsonObject", given) if isinstance(given, dict) else {}
    at_fault = (error.argument or "").split("/")[0]
    candidates = _nearer(tool, arguments, error)
    if error.code in _PASSING:
        candidates.append(next_call(tool, **arguments))
    if at_fault in arguments and at_fault not in _SUBJECTS:
        candidates.append(next_call(tool, **{name: one for name, one in arguments.items() if name != at_fault}))
    if at_fault in _RUNS:
        candidates.append(next_call("list_runs"))
    if isinstance(arguments.get("source"), str) and tool != "inspect_data" and error.code not in _NOT_THERE:
        candidates.append(next_call("inspect_data", source=arguments["source"]))
    handle = arguments.get("data") or arguments.get("train_loader")
    if isinstance(handle, str) and tool != "build_model" and at_fault == "model":
        candidates.append(next_call("build_model", data=handle))
    candidates.append(next_call("system_info"))
    return next((one for one in candidates if _fits(manifest, one)), None)


def _nearer(tool: str, arguments: JsonObject, error: TrainwellError) -> list[JsonObject]:
    """The same call with the word that the hint took it for: a tool, a value, or a name inside an object."""
    found = _NEAREST.fullmatch(error.hint or "")
    if found is None:
        return []
    if error.code == "unknown_tool":
        return [next_call(found[1], **arguments)]
    *path, last = (error.argument or "").split("/")
    call = copy.deepcopy(arguments)
    if not path and isinstance(call.get(last), str):
        return [next_call(tool, **{**call, last: found[1]})]
    place: Any = call.get(path[0]) if len(path) == 1 else None
    if isinstance(place, list) and last.isdigit():
        words = cast("list[Any]", place)
        return [next_call(tool, **{**call, path[0]: [*words[: int(last)], found[1], *words[int(last) + 1 :]]})]
    if isinstance(place, dict) and last in place:
        named = {found[1] if name == last else name: value for name, value in cast("JsonObject", place).items()}
        return [next_call(tool, **{**call, path[0]: named})]
    return []


def _fits(manifest: Manifest, call: JsonObject) -> bool:
    known = manifest.tools.get(call["tool"])
    if known is None or len(json.dumps(call, default=str)) > _LONGEST:
        return False
    return next(iter(known.validator.iter_errors(call["arguments"])), None) is None
