"""Finds the tools by their being there, and says what tools/list says of them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast

from trainwell.contract.answers import Answer, Hints, answer_schema, served_schema
from trainwell.contract.checking import check_arguments
from trainwell.contract.schema import Validator, compile_schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from trainwell.contract.errors import JsonObject
    from trainwell.contract.manifest import Manifest
    from trainwell.contract.specs import Spec
    from trainwell.tools.services import Services

TOOL_PACKAGE = "trainwell.tools"


class ToolModule(Protocol):
    """What a file in tools/ holds, when it is a tool."""

    TITLE: str
    HINTS: Hints
    Arguments: type[Spec]
    Result: type[Answer]

    def call(self, services: Any, arguments: Any) -> Awaitable[Answer]:
        """Do the work."""
        ...


@dataclass(frozen=True)
class Tool:
    """One tool as its file describes it; what it takes stands in the manifest."""

    name: str
    description: str
    module: ToolModule

    @cached_property
    def result_schema(self) -> JsonObject:
        """JSON Schema of its whole answer; every answer is checked against it."""
        return answer_schema(self.module.Result)

    @cached_property
    def result_validator(self) -> Validator:
        """The result schema, compiled once."""
        return compile_schema(self.result_schema)

    def listing(self, manifest: Manifest) -> JsonObject:
        """The tool as tools/list has it, in the names of the wire."""
        hints = self.module.HINTS
        takes = manifest.input_schema(self.name)
        return {
            "name": self.name,
            "title": self.module.TITLE,
            "description": self.description,
            "inputSchema": takes,
            "outputSchema": served_schema(self.result_schema, pictured="plot" in takes["properties"]),
            "annotations": {
                "readOnlyHint": hints.read_only,
                "destructiveHint": hints.destructive,
                "idempotentHint": hints.idempotent,
                "openWorldHint": False,
            },
        }


@cache
def discover(package: str = TOOL_PACKAGE) -> Mapping[str, Tool]:
    """Every tool in the package, by name: a module with a TITLE. The others help them.

    Raises:
        TypeError: A tool's file lacks a part; better at the start than at its first call.
    """
    folder = importlib.import_module(package)
    found: dict[str, Tool] = {}
    for info in pkgutil.iter_modules(folder.__path__):
        module = importlib.import_module(f"{package}.{info.name}")
        if hasattr(module, "TITLE"):
            found[info.name] = _tool(info.name, cast("ToolModule", module))
    return found


def _tool(name: str, module: ToolModule) -> Tool:
    lacking = {"HINTS", "Arguments", "Result", "call", "__doc__"} - {key for key, part in vars(module).items() if part}
    if lacking:
        message = f"the tool {name} lacks {', '.join(sorted(lacking))}"
        raise TypeError(message)
    return Tool(name, " ".join(inspect.cleandoc(str(module.__doc__)).split()), module)


def listings(manifest: Manifest, tools: Mapping[str, Tool] | None = None) -> list[JsonObject]:
    """All tools as tools/list has them, in the manifest's order.

    Raises:
        TypeError: A tool is not in the manifest, or one of the manifest's has no file.
    """
    known = discover() if tools is None else tools
    odd = set(known) ^ set(manifest.tools)
    if odd:
        message = f"these stand either in the manifest or in {TOOL_PACKAGE}, but not in both: {', '.join(sorted(odd))}"
        raise TypeError(message)
    return [known[name].listing(manifest) for name in manifest.tools]


async def carry_out(services: Services, call: JsonObject) -> JsonObject:
    """Carry out a call that a tool has proposed, as if the agent had sent it.

    Args:
        services: Of the tool that proposed it.
        call: As made by `contract.errors.next_call`.

    Returns:
        The fields of its answer.

    Raises:
        TrainwellError: As the tool that is called.
    """
    tool = discover()[call["tool"]]
    checked = check_arguments(services.manifest.tools[tool.name], call["arguments"])
    return (await tool.module.call(services, tool.module.Arguments.model_validate(checked))).model_dump()
