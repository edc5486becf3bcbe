"""A call to make after a refusal that names none itself: an agent must never stand before a wall."""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.text import quoted
from trainwell.store.workspace import sources_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainwell.contract.errors import JsonObject
    from trainwell.contract.manifest import Manifest
    from trainwell.tools.services import Services

# What failed for a reason that passes: the same call again is right.
_PASSING = {
    "file_changed",
    "hub_unreachable",
    "internal_error",
    "io_error",
    "not_deleted",
    "store_busy",
    "work_takes_long",
    "worker_died",
    "workers_unavailable",
}
# What a call is about; without one of these it would be another call.
_SUBJECTS = {"checkpoint", "data", "log", "metrics", "model", "rows", "run", "runs", "source", "split_by", "target",
             "train_loader"}  # fmt: skip
# What takes a handle, and of which kind.
_HANDLES = {"run": "run", "model": "model", "train_loader": "data", "data": "data", "checkpoint": "ckpt"}
_RUNS = {"after", "checkpoint", "path", "run", "runs"}
# Nobody can look into a source that is not there; one that lies elsewhere is to be brought here.
_ELSEWHERE = {"bad_path", "path_outside_workspace"}
_NOT_THERE = {*_ELSEWHERE, "bad_hub_name", "shipped_set_missing", "file_not_found", "not_a_file", "permission_denied"}
# Something that was not named, or is not known.
_OPEN = {"exactly_one", "missing_argument", "unknown_handle"}
_NEAREST = re.compile(r"Did you mean '([^']+)'\?")
_PREPARE = next_call("prepare_data")
# Characters; a longer call is not worth its tokens.
_LONGEST = 1500


def way_on(services: Services, tool: str, given: Any, error: TrainwellError) -> JsonObject | None:
    """The same call set right, or a look at what there is; None where there is nothing.

    Args:
        services: Whose schemas the call fits, and whose store and workspace know what there is.
        tool: What was called.
        given: Its arguments, as they came.
        error: The refusal.
    """
    arguments = cast("JsonObject", given) if isinstance(given, dict) else {}
    return next((one for one in _candidates(services, tool, arguments, error) if _fits(services.manifest, one)), None)


def completed(services: Services, given: Any, call: JsonObject) -> JsonObject | None:
    """The call to make next, whole: about the data at hand, and as it was prepared but for what is to be otherwise.

    Args:
        services: Whose store knows how the data was prepared.
        given: The arguments of the call that was refused, which name the data.
        call: What the refusal names.
    """
    arguments, changes = cast("JsonObject", given) if isinstance(given, dict) else {}, call["arguments"]
    if call["tool"] == "build_model" and changes.get("data") == "latest":
        return next_call("build_model", **{**changes, "data": arguments.get("train_loader", "latest")})
    if call["tool"] != "prepare_data" or {"source", "rows"} & changes.keys():
        return call
    asked = _asked(services, arguments)
    options = {**asked.get("options", {}), **changes.get("options", {})}
    whole = next_call("prepare_data", **{**asked, **changes, **({"options": options} if options else {})})
    return whole if asked and _fits(services.manifest, whole) else None


def _asked(services: Services, arguments: JsonObject) -> JsonObject:
    """How the data was prepared that a call names, by its own handle or that of a run; {} where nobody knows."""
    with suppress(TrainwellError, KeyError):
        named = arguments.get("data") or arguments.get("train_loader")
        if isinstance(named, str):
            return services.store.artifacts.data(services.find("data", named, "data")).encoding.get("asked", {})
        run = services.find("run", str(arguments["run"]), "run")
        return services.store.runs.spec(run).data.encoding.get("asked", {})
    return {}


def _candidates(services: Services, tool: str, arguments: JsonObject, error: TrainwellError) -> Iterator[JsonObject]:
    """The calls that may help, the likeliest first."""
    at_fault = (error.argument or "").split("/")[0]
    for near in _nearer(tool, arguments, error):
        yield from (near, _filled(services, near))
    if error.code in _PASSING:
        yield next_call(tool, **arguments)
    if error.code in _OPEN:
        yield _filled(services, _chosen(tool, arguments, error))
    yield from _by_code(services, tool, arguments, error)
    yield from _without_entry(tool, arguments, error)
    if at_fault in arguments and at_fault not in _SUBJECTS:
        yield next_call(tool, **_without(at_fault, arguments))
    yield from _other_choices(tool, arguments, error)
    yield from _looks(services, tool, arguments, error)
    yield next_call("system_info")


def _by_code(services: Services, tool: str, arguments: JsonObject, error: TrainwellError) -> Iterator[JsonObject]:
    """What only one refusal calls for."""
    if error.code == "ambiguous_handle" and isinstance(arguments.get(error.argument or ""), str):
        yield next_call(tool, **{**arguments, error.argument or "": error.allowed[0]})
    if error.code in {"several_targets", "not_a_label"} and arguments.get("targets"):
        alone = _without("targets", arguments if error.code == "several_targets" else _without("task", arguments))
        yield next_call(tool, **alone, target=arguments["targets"][0])
    if error.code == "not_a_time" and error.argument == "split_by":
        yield next_call(tool, **{**arguments, "split": "group"})
    if error.code == "model_check_failed" and "data" in arguments:
        yield next_call("build_model", data=arguments["data"])
    if error.code == "python_network" and "run" in arguments:
        yield next_call("diagnose", run=arguments["run"])
    if error.code == "disk_full":
        yield next_call("list_runs")
    prepare_anew = error.code == "data_damaged" or (error.code == "no_raw_rows" and tool == "explain")
    if prepare_anew and (whole := completed(services, arguments, _PREPARE)):
        yield whole


def _other_choices(tool: str, arguments: JsonObject, error: TrainwellError) -> Iterator[JsonObject]:
    """The same call with what is allowed instead; a path, which may end as the old choice wants it, is left out."""
    given = arguments.get(error.argument or "")
    choices = cast("list[Any]", error.allowed) if isinstance(error.allowed, list) else []
    if isinstance(given, str) and error.argument == "format":
        for other in choices:
            if other != given:
                yield next_call(tool, **{**_without("path", arguments), "format": other})


def _looks(services: Services, tool: str, arguments: JsonObject, error: TrainwellError) -> Iterator[JsonObject]:
    """A look at what there is to choose from, or at what was to be mended."""
    at_fault = (error.argument or "").split("/")[0]
    if at_fault in _RUNS:
        yield next_call("list_runs")
    if at_fault == "source" and error.code in _NOT_THERE | _OPEN:
        yield from _other_sources(services, tool, arguments, error.code)
    elif isinstance(arguments.get("source"), str):
        yield next_call("inspect_data", source=arguments["source"])
    elif isinstance(arguments.get("rows"), list) and tool in {"inspect_data", "prepare_data"}:
        yield next_call("inspect_data", rows=arguments["rows"])
        yield from _other_sources(services, tool, arguments, error.code)
    handle = arguments.get("data") or arguments.get("train_loader")
    if isinstance(handle, str) and tool != "build_model" and at_fault == "model":
        yield next_call("build_model", data=handle)
    if tool == "predict":
        yield from _looks_at_rows(services, arguments)
    if isinstance(arguments.get("run"), str) and tool != "get_run":
        yield next_call("get_run", run=arguments["run"])
    if isinstance(arguments.get("checkpoint"), str):
        yield next_call("list_runs")
    if tool == "diagnose" and _newest(services, "run"):
        yield next_call("diagnose", run="latest")


def _looks_at_rows(services: Services, arguments: JsonObject) -> Iterator[JsonObject]:
    """The rows that a network was trained on, which show how those to predict must look."""
    source = _asked(services, arguments).get("source")
    if isinstance(source, str):
        yield next_call("inspect_data", source=source)


def _without(name: str, arguments: JsonObject) -> JsonObject:
    return {other: one for other, one in arguments.items() if other != name}


def _without_entry(tool: str, arguments: JsonObject, error: TrainwellError) -> Iterator[JsonObject]:
    """The same call without the one entry of an object that was refused, where others are left."""
    name, *path = (error.argument or "").split("/")
    given = arguments.get(name)
    if path and isinstance(given, dict) and path[0] in given:
        left = _without(path[0], cast("JsonObject", given))
        if left:
            yield next_call(tool, **{**arguments, name: left})


def _chosen(tool: str, arguments: JsonObject, error: TrainwellError) -> JsonObject:
    """The call with one of the arguments of which it takes exactly one: the first that was given, else the first."""
    if error.code != "exactly_one":
        return next_call(tool, **arguments)
    ways = (error.argument or "").split("/")
    given = [name for name in ways if arguments.get(name) is not None]
    left = {name: one for name, one in arguments.items() if name not in ways}
    first = given[0] if given else ways[0]
    return next_call(tool, **left, **{first: arguments.get(first)})


def _filled(services: Services, call: JsonObject) -> JsonObject:
    """The call with the newest handle wherever it lacks one that it needs, or has one that nobody knows."""
    known = services.manifest.tools.get(call["tool"])
    arguments = dict(call["arguments"])
    needed = known.input_schema.get("required", ()) if known else ()
    for name, kind in _HANDLES.items():
        newest = _newest(services, kind)
        lacking = arguments.get(name) is None and (name in needed or name in arguments)
        if newest and (lacking or _unknown(services, kind, name, arguments)):
            arguments[name] = newest
    return next_call(call["tool"], **arguments)


def _unknown(services: Services, kind: str, name: str, arguments: JsonObject) -> bool:
    handle = arguments.get(name)
    if not isinstance(handle, str):
        return False
    try:
        services.find(kind, handle, name)
    except TrainwellError as error:
        return error.code == "unknown_handle"
    return False


def _newest(services: Services, kind: str) -> str | None:
    """The newest handle of a kind; None where there is none, or the store cannot be asked."""
    with suppress(TrainwellError):
        return next(iter(services.store.newest(kind)), None)
    return None


def _other_sources(services: Services, tool: str, arguments: JsonObject, code: str) -> Iterator[JsonObject]:
    """The place to which a file from elsewhere should be brought, then what lies in the workspace."""
    source = arguments.get("source")
    name = PurePosixPath(source).name if isinstance(source, str) else ""
    if code in _ELSEWHERE and name not in {"", source}:
        yield next_call(tool, **{**arguments, "source": name})
    yield from (next_call("inspect_data", source=name) for name in sources_in(services.workspace.root)[:1])


def _nearer(tool: str, arguments: JsonObject, error: TrainwellError) -> list[JsonObject]:
    """The same call with the word that the hint took it for: a tool, a value, or a name inside an object."""
    found = _NEAREST.fullmatch(error.hint or "")
    if found is None:
        return []
    if error.code == "unknown_tool":
        return [next_call(found[1], **arguments)]
    call = copy.deepcopy(arguments)
    *path, last = (error.argument or "").split("/")
    place: Any = call
    for part in path:
        place = _inside(place, part)
    if _inside(place, last) is None:
        return []
    if isinstance(place, list):
        place[int(last)] = found[1]
    elif error.got in {last, quoted(last)} and path:
        _rename(cast("JsonObject", place), last, found[1])
    else:
        file = str(place[last]).rpartition(":")[0] if error.code == "unknown_class" else ""
        place[last] = f"{file}:{found[1]}" if file else found[1]
    return [next_call(tool, **call)]


def _inside(place: Any, part: str) -> Any:
    """What stands at a name of an object or at a place of a list; None where there is nothing."""
    if isinstance(place, dict):
        return cast("JsonObject", place).get(part)
    items = cast("list[Any]", place) if isinstance(place, list) else []
    return items[int(part)] if part.isdecimal() and int(part) < len(items) else None


def _rename(place: JsonObject, old: str, new: str) -> None:
    """Give one entry another name, where it stands."""
    entries = [(new if name == old else name, value) for name, value in place.items()]
    place.clear()
    place.update(entries)


def _fits(manifest: Manifest, call: JsonObject) -> bool:
    known = manifest.tools.get(call["tool"])
    if known is None or len(json.dumps(call, default=str)) > _LONGEST:
        return False
    return next(iter(known.validator.iter_errors(call["arguments"])), None) is None
