"""The product's server with the suite's fixtures around it: `python -m tests.conformance.server FOLDER`.

Transport, lists, completion, errors, subscriptions, tasks and skills are the product's own; the fixtures are added to
its lists, and answer to their own names only. Prints its address.
"""

import socket
import sys
import warnings
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import uvicorn
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.types import (
    CallToolRequestParams,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    EmptyResult,
    GetPromptRequestParams,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    ReadResourceRequestParams,
    Resource,
    ResourceTemplate,
    SetLevelRequestParams,
    Tool,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tests.conformance import asking, contents, jobs
from trainwell.protocol.http import build_app, url
from trainwell.protocol.server import build_server
from trainwell.protocol.tasks import _declared
from trainwell.tools.services import open_services

HOST = "127.0.0.1"


class Fixtures:
    """Answers to the fixtures' names; everything else is the product's business."""

    def __init__(self, bus, board):
        self.board = board
        self.tools = {
            **{name: given(result) for name, result in contents.CONTENTS.items()},
            **asking.tools(bus),
            **dict.fromkeys(jobs.WORK, jobs.at_once),
            "greet": greet,
        }

    async def call_tool(self, context, params, product):
        modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
        is_task = params.name in self.board.tools and (_declared(context) or params.name in self.board.required)
        if params.name not in self.tools or (modern and is_task):
            return await product(context, params)
        return await self.tools[params.name](context, params)

    async def list_tools(self, context, params, product):
        listed = await product(context, params)
        ours = [
            Tool(name=name, description="A fixture", input_schema=contents.SCHEMAS.get(name, contents.NO_ARGUMENTS))
            for name in self.tools
        ]
        return listed.model_copy(update={"tools": [*listed.tools, *ours]})

    async def read_resource(self, context, params, product):
        return contents.resource(str(params.uri)) or await product(context, params)

    async def list_resources(self, context, params, product):
        listed = await product(context, params)
        ours = [Resource(uri=uri, name=uri, description="A fixture") for uri in contents.RESOURCES]
        return listed.model_copy(update={"resources": [*listed.resources, *ours]})

    async def list_templates(self, context, params, product):
        listed = await product(context, params)
        ours = ResourceTemplate(uri_template=contents.TEMPLATE, name="template", description="A fixture")
        return listed.model_copy(update={"resource_templates": [*listed.resource_templates, ours]})

    async def get_prompt(self, context, params, product):
        if params.name not in contents.PROMPTS:
            return await product(context, params)
        if params.name != "test_input_required_result_prompt":
            return contents.prompt(params.name, params.arguments or {})
        if "user_context" in asking.answers(params):
            return contents.messages(contents.text("With context"))
        what = asking.asks("What context should the prompt use?", {"context": {"type": "string"}})
        return asking.required({"user_context": what})

    async def list_prompts(self, context, params, product):
        listed = await product(context, params)
        ours = [
            Prompt(
                name=name, description="A fixture", arguments=[PromptArgument(name=one, required=True) for one in its]
            )
            for name, its in contents.PROMPTS.items()
        ]
        return listed.model_copy(update={"prompts": [*listed.prompts, *ours]})

    async def complete(self, context, params, product):
        if getattr(params.ref, "name", None) in contents.PROMPTS:
            return CompleteResult(completion=Completion(values=["paris", "park", "party"], total=3, has_more=False))
        return await product(context, params)


def given(result):
    """A tool that always gives the same."""

    async def giving(context, params):
        return result

    return giving


async def greet(context, params):
    return contents.answer(contents.text(f"Hello, {(params.arguments or {}).get('name')}!"))


async def set_level(context, params):
    return EmptyResult()


def wrap(server, method, params_type, own):
    """Ask `own(context, params, product)` first; `product` is the product's handler."""
    product = server.get_request_handler(method).handler

    async def handler(context, params):
        return await own(context, params, product)

    server.add_request_handler(method, params_type, handler)


def with_fixtures(services, board):
    """The product's server, and the fixtures."""
    server = build_server(services, board=board)
    # What the suite wants to see announced is published where the product publishes.
    fixtures = Fixtures(server.get_request_handler("subscriptions/listen").handler.__self__._bus, board)
    wrap(server, "tools/call", CallToolRequestParams, fixtures.call_tool)
    wrap(server, "tools/list", PaginatedRequestParams, fixtures.list_tools)
    wrap(server, "resources/read", ReadResourceRequestParams, fixtures.read_resource)
    wrap(server, "resources/list", PaginatedRequestParams, fixtures.list_resources)
    wrap(server, "resources/templates/list", PaginatedRequestParams, fixtures.list_templates)
    wrap(server, "prompts/get", GetPromptRequestParams, fixtures.get_prompt)
    wrap(server, "prompts/list", PaginatedRequestParams, fixtures.list_prompts)
    wrap(server, "completion/complete", CompleteRequestParams, fixtures.complete)
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="trainwell"))
    server.lifespan = living(server.lifespan, board)
    return server


def living(lifespan, board):
    @asynccontextmanager
    async def both(server):
        async with anyio.create_task_group() as group, lifespan(server) as state:
            board.group = group
            yield state
            group.cancel_scope.cancel()

    return both


async def main(folder):
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    listener = socket.create_server((HOST, 0))
    port = listener.getsockname()[1]
    server = with_fixtures(open_services(folder), jobs.Jobs())
    sys.stdout.write(url(HOST, port) + "\n")
    sys.stdout.flush()
    await uvicorn.Server(uvicorn.Config(build_app(server, port), log_level="warning")).serve(sockets=[listener])


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
