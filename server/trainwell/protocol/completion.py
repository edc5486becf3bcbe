"""Completes what a person types: handles, sources and columns, for prompts and for addresses of resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from mcp import MCPError
from mcp.types import INVALID_PARAMS, CompleteResult, Completion, PromptReference

from trainwell.contract.text import plain, quoted
from trainwell.protocol.resources import TEMPLATES
from trainwell.store.workspace import sources_in
from trainwell.tools.dispatch import call_tool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.types import CompleteRequestParams

    from trainwell.protocol.prompts import Prompt
    from trainwell.tools.services import Services

MOST = 100  # the protocol allows no more
SHIPPED = ("digits", "breast_cancer", "wine", "iris", "diabetes")


@dataclass(frozen=True)
class Argument:
    """Something that a person names. `values` gives what there is, the likeliest first."""

    description: str
    values: Callable[[Services, Mapping[str, str]], Awaitable[list[str]]]


async def complete(services: Services, prompts: Mapping[str, Prompt], params: CompleteRequestParams) -> CompleteResult:
    """What the text of an argument may become.

    Raises:
        MCPError: There is no such prompt or template, or it has no such argument.
    """
    name = params.argument.name
    if name not in _arguments_of(params, prompts):
        raise MCPError(INVALID_PARAMS, f"There is no argument {quoted(name)} to complete here.")
    given = (params.context.arguments if params.context else None) or {}
    found = _fitting(await ARGUMENTS[name].values(services, given), params.argument.value)
    return CompleteResult(completion=Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST))


def _arguments_of(params: CompleteRequestParams, prompts: Mapping[str, Prompt]) -> set[str]:
    ref = params.ref
    if isinstance(ref, PromptReference):
        if ref.name not in prompts:
            raise MCPError(INVALID_PARAMS, f"There is no prompt {quoted(ref.name)}.")
        return set(prompts[ref.name].arguments)
    variables = {one.variable for one in TEMPLATES if one.address == ref.uri}
    if not variables:
        raise MCPError(INVALID_PARAMS, f"There is no resource template {quoted(ref.uri, 200)}.")
    return variables


def _fitting(values: list[str], text: str) -> list[str]:
    """Those that begin with the text, then those that hold it elsewhere."""
    word = text.lower()
    first = [value for value in values if value.lower().startswith(word)]
    return first + [value for value in values if word in value.lower() and value not in first]


def _handles(kind: str) -> Callable[[Services, Mapping[str, str]], Awaitable[list[str]]]:
    async def newest(services: Services, _: Mapping[str, str]) -> list[str]:
        found = services.store.newest(kind)
        return ["latest", *found] if found else []

    return newest


async def _sources(services: Services, _: Mapping[str, str]) -> list[str]:
    """Files and folders at the top of the workspace, then the sets that are shipped."""
    names = await to_thread.run_sync(sources_in, services.workspace.root)
    return [*map(plain, names), *SHIPPED]


async def _columns(services: Services, given: Mapping[str, str]) -> list[str]:
    """The columns of the source that was named before."""
    if not given.get("source"):
        return []
    outcome = await call_tool(services, "inspect_data", {"source": given["source"]})
    report: dict[str, Any] = outcome.structured.get("report", {})
    columns: dict[str, Any] = report.get("columns", {})
    likely: list[str] = report.get("target_candidates", [])
    named: list[str] = [name for kind in ("numeric", "categorical") for name in columns.get(kind, {}).get("first", [])]
    return list(dict.fromkeys([*likely, *named]))


ARGUMENTS: dict[str, Argument] = {
    "run": Argument("Run handle, a unique prefix, or latest", _handles("run")),
    "other_run": Argument("The run to compare it with", _handles("run")),
    "model": Argument("Model handle", _handles("model")),
    "data": Argument("Handle of prepared data", _handles("data")),
    "checkpoint": Argument("Checkpoint handle", _handles("ckpt")),
    "source": Argument("Data file or folder in the workspace, or a shipped set", _sources),
    "target": Argument("Column to predict", _columns),
}
