"""tools/list and tools/call: what stands between the protocol and a tool."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger
from mcp import MCPError
from mcp.types import INVALID_PARAMS, CallToolResult, ImageContent, ListToolsResult, TextContent
from mcp.types import Tool as ToolListing
from starlette.requests import Request

from trainwell.contract.errors import TrainwellError
from trainwell.tools.dispatch import call_tool, find_tool
from trainwell.tools.registry import listings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mcp.server.context import ServerRequestContext
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

    from trainwell.tools.dispatch import Progress
    from trainwell.tools.registry import Tool
    from trainwell.tools.services import Services

    Context = ServerRequestContext[Any, Any]

LARGEST_PICTURE = 2_000_000  # bytes; a larger one is named by its path only


class Calling:
    """The tools as the protocol sees them.

    Raises:
        TypeError: A tool's file and the manifest do not fit each other.
    """

    def __init__(self, services: Services, tools: Mapping[str, Tool]) -> None:
        self._services = services
        self._tools = tools
        self._listed = [ToolListing.model_validate(listing) for listing in listings(services.manifest, tools)]

    async def list(self, _: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        """Answer tools/list."""
        one_page(params)
        return ListToolsResult(tools=self._listed)

    async def call(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        """Answer tools/call; what goes wrong in a tool is an answer, too."""
        try:
            find_tool(params.name, self._tools)
        except TrainwellError as error:
            message = " ".join(part for part in (error.message, error.hint) if part)
            raise MCPError(INVALID_PARAMS, message, error.to_json()) from error
        services, arguments = self._services, params.arguments or {}
        if client := _client(context):
            services = replace(services, client=client)
        outcome = await call_tool(services, params.name, arguments, _progress(context), tools=self._tools)
        content: list[Any] = [TextContent(type="text", text=outcome.text)]
        if outcome.picture is not None and arguments.get("plot"):
            content += await _image(outcome.picture)
        return CallToolResult(content=content, structured_content=outcome.structured, is_error=outcome.is_error)


def one_page(params: PaginatedRequestParams | None) -> None:
    """Refuse a cursor: every list of ours is one page.

    Raises:
        MCPError: There is one.
    """
    if params is not None and params.cursor is not None:
        raise MCPError(INVALID_PARAMS, "Unknown cursor: all comes in one page.")


def _client(context: Context) -> str | None:
    """Who asks over HTTP, for the turns that clients take in the queue: its session, else its connection."""
    request = context.request
    if not isinstance(request, Request):
        return None
    if session := request.headers.get("mcp-session-id"):
        return f"http {session[:32]}"
    return f"http {request.client.host}:{request.client.port}" if request.client else None


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
