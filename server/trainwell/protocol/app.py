"""The page as an MCP App (SEP-1865): where a client can show it, beside the text that every client gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.types import ReadResourceResult, Resource, TextResourceContents

from trainwell.reports.page import live_page

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

EXTENSION = "io.modelcontextprotocol/ui"
MIME = "text/html;profile=mcp-app"
ADDRESS = "ui://trainwell/run.html"
#: Tools whose answer names one run: the page follows it.
SHOWN_BY = ("train", "get_run", "resume_run")


def join(server: Server[Any]) -> None:
    """Tell clients of it."""
    server.extensions[EXTENSION] = {}


def stamped(listing: dict[str, Any]) -> dict[str, Any]:
    """A tool's listing, with the page where it has one."""
    return listing | {"_meta": {"ui": {"resourceUri": ADDRESS}}} if listing["name"] in SHOWN_BY else listing


def listing() -> Resource:
    """The page, for resources/list."""
    return Resource(uri=ADDRESS, name="run-page", title="A run, live", mime_type=MIME)


def read() -> ReadResourceResult:
    """The page. It asks for nothing outside: no policy has to be loosened for it."""
    return ReadResourceResult(contents=[TextResourceContents(uri=ADDRESS, mime_type=MIME, text=live_page())])
