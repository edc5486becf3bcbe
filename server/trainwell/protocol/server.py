"""The MCP server: lists the tools, passes calls on, and speaks both eras of the protocol over stdio."""

from __future__ import annotations

import base64
import math
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger
from mcp import MCPError
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import INVALID_PARAMS, CallToolResult, ImageContent, ListToolsResult, TextContent
from mcp.types import Tool as ToolListing
from starlette.requests import Request

from trainwell import __version__
from trainwell.contract.errors import TrainwellError
from trainwell.protocol.instructions import INSTRUCTIONS
from trainwell.protocol.malformed import AnsweringStream
from trainwell.runs.supervisor import supervise
from trainwell.tools.dispatch import call_tool, find_tool
from trainwell.tools.registry import discover, listings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mcp.server.context import ServerRequestContext
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

    from trainwell.tools.dispatch import Outcome, Progress
    from trainwell.tools.registry import Tool
    from trainwell.tools.services import Services

    Context = ServerRequestContext[Any, Any]

LIST_IS_FRESH_MS = 300_000
FIRST_ANSWER_SECONDS = 0.5
LARGEST_PICTURE = 2_000_000  # bytes; a larger one is named by its path only


def build_server(services: Services, tools: Mapping[str, Tool] | None = None) -> Server[Any]:
    """The server over these services, not yet connected to anything.

    Raises:
        TypeError: A tool's file and the manifest do not fit each other.
    """
    known = discover() if tools is None else tools
    listed = [ToolListing.model_validate(listing) for listing in listings(services.manifest, known)]
    return Server(
        "trainwell",
        version=__version__,
        title="trainwell",
        instructions=INSTRUCTIONS,
        cache_hints={"tools/list": CacheHint(ttl_ms=LIST_IS_FRESH_MS, scope="private")},
        on_list_tools=partial(_list_tools, listed),
        on_call_tool=partial(_call_tool, services, known),
    )


async def serve(services: Services) -> None:
    """Serve over standard input and output until the client closes it or a signal comes."""
    server = build_server(services)
    async with anyio.create_task_group() as group:
        group.start_soon(_leave_on_signal)
        group.start_soon(supervise_soon, services)
        try:
            async with stdio_server() as (read, write):
                await server.run(AnsweringStream(read, write), write, server.create_initialization_options())
        except* (BrokenPipeError, ConnectionResetError):
            logger.info("the client is gone")
        group.cancel_scope.cancel()


async def supervise_soon(services: Services) -> None:
    """Start torch's process and move the queue on, once the client has had its first answer."""
    await anyio.sleep(FIRST_ANSWER_SECONDS)
    await supervise(services.workspace, services.store)


async def _leave_on_signal() -> None:
    """End the process on SIGTERM and SIGINT, at once.

    Nothing is lost: runs live in their own processes, and the store is safe at every moment. An orderly
    return is not to be had, since a thread is blocked reading standard input.
    """
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            logger.info("leaving on {}", signal.Signals(number).name)
            sys.stderr.flush()
            os._exit(0)


async def _list_tools(listed: list[ToolListing], _: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
    if params is not None and params.cursor is not None:
        raise MCPError(INVALID_PARAMS, "Unknown cursor: all tools come in one page.")
    return ListToolsResult(tools=listed)


async def _call_tool(
    services: Services, tools: Mapping[str, Tool], context: Context, params: CallToolRequestParams
) -> CallToolResult:
    try:
        find_tool(params.name, tools)
    except TrainwellError as error:
        message = " ".join(part for part in (error.message, error.hint) if part)
        raise MCPError(INVALID_PARAMS, message, error.to_json()) from error
    arguments = params.arguments or {}
    if client := _client(context):
        services = replace(services, client=client)
    outcome = await call_tool(services, params.name, arguments, _progress(context), tools=tools)
    content: list[Any] = [TextContent(type="text", text=outcome.text)]
    if outcome.picture is not None and arguments.get("plot"):
        content += await _image(outcome.picture)
    return _result(outcome, content)


def _client(context: Context) -> str | None:
    """Who asks over HTTP, for the turns that clients take in the queue: its session, else its connection."""
    request = context.request
    if not isinstance(request, Request):
        return None
    if session := request.headers.get("mcp-session-id"):
        return f"http {session[:32]}"
    return f"http {request.client.host}:{request.client.port}" if request.client else None


def _result(outcome: Outcome, content: list[Any]) -> CallToolResult:
    return CallToolResult(content=content, structured_content=outcome.structured, is_error=outcome.is_error)


async def _image(picture: Path) -> list[ImageContent]:
    """The picture as a part of the answer; an answer without it is better than none."""
    try:
        png = await anyio.Path(picture).read_bytes()
    except OSError as error:
        logger.warning("cannot read the picture {}: {}", picture, error)
        return []
    if len(png) > LARGEST_PICTURE:
        logger.warning("the picture {} has {} bytes and is not sent", picture, len(png))
        return []
    return [ImageContent(type="image", data=base64.b64encode(png).decode(), mime_type="image/png")]


def _progress(context: Context) -> Progress:
    """Passes progress on to the client; the protocol wants it to rise with every message."""
    highest = -math.inf

    async def tell(done: float, total: float | None, message: str) -> None:
        nonlocal highest
        if done > highest:
            highest = done
            await context.session.report_progress(done, total, message)

    return tell
