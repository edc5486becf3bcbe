"""The live page in chat clients (MCP Apps): a resource that a host shows in a frame, beside the answers about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.types import ReadResourceResult, Resource, TextResourceContents

from trainwell.reports.page import live_page

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

ADDRESS = "ui://trainwell/runs"
#: Tools whose answer names a run: the page opens at it.
SHOWN_WITH = frozenset({"train", "get_run"})


def join(server: Server[Any]) -> None:
    """Tell clients that there is a page."""
    server.extensions[EXTENSION_ID] = {}


def meta(tool: str) -> dict[str, Any] | None:
    """What tools/list says of the page, where a tool is shown with it."""
    return {"ui": {"resourceUri": ADDRESS}} if tool in SHOWN_WITH else None


def listing() -> Resource:
    """The page, for resources/list."""
    return Resource(uri=ADDRESS, name="runs", title="Runs, live", mime_type=APP_MIME_TYPE)


def read() -> ReadResourceResult:
    """The page itself. It asks the tools through its host, and nothing else."""
    page = TextResourceContents(uri=ADDRESS, mime_type=APP_MIME_TYPE, text=live_page())
    return ReadResourceResult(contents=[page])
