"""The MCP server: puts its parts together, and speaks both eras of the protocol over stdio."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolRequestParams

from trainwell import __version__
from trainwell.protocol.calling import Calling
from trainwell.protocol.changes import Changes
from trainwell.protocol.instructions import INSTRUCTIONS
from trainwell.protocol.malformed import AnsweringStream
from trainwell.protocol.reading import Reading
from trainwell.protocol.run_tasks import RunTasks
from trainwell.protocol.skills import Skills
from trainwell.protocol.tasks import Board, Tasks
from trainwell.runs.supervisor import supervise
from trainwell.tools.registry import discover

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from trainwell.tools.registry import Tool
    from trainwell.tools.services import Services

FRESH = CacheHint(ttl_ms=300_000, scope="private")
FIRST_ANSWER_SECONDS = 0.5


def build_server(
    services: Services, tools: Mapping[str, Tool] | None = None, board: Board | None = None
) -> Server[Any]:
    """The server over these services, not yet connected to anything.

    Args:
        services: What the tools are given.
        tools: The tools; those of this package when None.
        board: Where tasks are kept; the store when None.

    Raises:
        TypeError: A tool's file and the manifest do not fit each other.
    """
    calling = Calling(services, discover() if tools is None else tools)
    changes, skills = Changes(services), Skills()
    reading = Reading(services, skills)
    server = Server(
        "trainwell",
        version=__version__,
        title="trainwell",
        instructions=INSTRUCTIONS,
        cache_hints={"tools/list": FRESH, "prompts/list": FRESH, "resources/templates/list": FRESH},
        lifespan=partial(_watching, changes),
        on_list_tools=calling.list,
        on_list_prompts=reading.prompts,
        on_get_prompt=reading.prompt,
        on_list_resources=reading.resources,
        on_list_resource_templates=reading.templates,
        on_read_resource=reading.resource,
        on_completion=reading.complete,
        on_subscribe_resource=changes.subscribe,
        on_unsubscribe_resource=changes.unsubscribe,
        on_subscriptions_listen=changes.listen,
    )
    skills.join(server)
    with_tasks = Tasks(board or RunTasks(services)).join(server, calling.call)
    server.add_request_handler("tools/call", CallToolRequestParams, with_tasks)
    return server


@asynccontextmanager
async def _watching(changes: Changes, _: Server[Any]) -> AsyncGenerator[dict[str, Any]]:
    """Look for changes as long as the server lives."""
    async with anyio.create_task_group() as group:
        group.start_soon(changes.watch)
        try:
            yield {}
        finally:
            changes.close()
            group.cancel_scope.cancel()


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
