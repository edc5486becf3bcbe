"""The Tasks extension (SEP-2663): a client that declares it gets a task for long work, and asks for it again.

What work is long, and where it is kept, is a board's business: ours is the store, where every run is a task.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mcp import MCPError
from mcp.server.mcpserver import require_client_extension
from mcp.types import INVALID_PARAMS, METHOD_NOT_FOUND, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server.context import HandlerResult, ServerRequestContext
    from mcp.server.lowlevel import Server
    from mcp.types import CallToolRequestParams

    Context = ServerRequestContext[Any, Any]
    CallTool = Callable[[Context, CallToolRequestParams], Awaitable[HandlerResult]]

EXTENSION = "io.modelcontextprotocol/tasks"
POLL_MS = 1000
HEADER_MISMATCH = -32020
_ENDS = {"completed": "result", "failed": "error"}


class OneTask(RequestParams):
    """What tasks/get and tasks/cancel take."""

    task_id: str = Field(alias="taskId", max_length=128)


class Responses(OneTask):
    """What tasks/update takes."""

    input_responses: dict[str, Any] = Field(alias="inputResponses")


@dataclass(frozen=True)
class Task:
    """A task as it is now; times in seconds since 1970.

    `content` is the result of a completed one, the JSON-RPC error of a failed one, the questions of one that waits.
    """

    id: str
    status: Literal["working", "input_required", "completed", "failed", "cancelled"]
    created: float
    updated: float
    message: str | None = None
    content: dict[str, Any] | None = None
    ttl_ms: int | None = None

    def wire(self, kind: Literal["task", "complete"]) -> dict[str, Any]:
        """As the protocol has it: `task` where it begins, `complete` in an answer about it."""
        fields: dict[str, Any] = {
            "resultType": kind, "taskId": self.id, "status": self.status, "createdAt": _time(self.created),
            "lastUpdatedAt": _time(self.updated), "ttlMs": self.ttl_ms, "pollIntervalMs": POLL_MS,
        }  # fmt: skip
        if self.message:
            fields["statusMessage"] = self.message
        if kind == "complete" and self.content is not None:
            fields[_ENDS.get(self.status, "inputRequests")] = self.content
        return fields


class Board(Protocol):
    """Where tasks are kept.

    A call of one of `tools` becomes a task where the client can have one; for one of `required` it must.
    """

    tools: frozenset[str]
    required: frozenset[str]

    async def begin(self, context: Context, params: CallToolRequestParams, call: CallTool) -> Task | HandlerResult:
        """Begin the work; its answer instead where there is nothing to wait for."""
        ...

    async def find(self, task_id: str) -> Task | None:
        """The task as it is now."""
        ...

    async def update(self, task_id: str, responses: dict[str, Any]) -> None:
        """Take answers to a task's questions."""
        ...

    async def cancel(self, task_id: str) -> None:
        """Ask a task to end."""
        ...


class Tasks:
    """The extension, over a board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def join(self, server: Server[Any], call: CallTool) -> CallTool:
        """Serve the extension's methods and tell clients of it; gives tools/call with tasks around it."""
        server.extensions[EXTENSION] = {}
        server.add_request_handler("tasks/get", OneTask, self._get)
        server.add_request_handler("tasks/update", Responses, self._update)
        server.add_request_handler("tasks/cancel", OneTask, self._cancel)

        async def calling(context: Context, params: CallToolRequestParams) -> HandlerResult:
            if params.name not in self._board.tools or context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
                return await call(context, params)
            if params.name in self._board.required:
                require_client_extension(context, EXTENSION)
            elif not _declared(context):
                return await call(context, params)
            begun = await self._board.begin(context, params, call)
            return begun.wire("task") if isinstance(begun, Task) else begun

        return calling

    async def _get(self, context: Context, params: OneTask) -> dict[str, Any]:
        return (await self._find(context, params)).wire("complete")

    async def _update(self, context: Context, params: Responses) -> dict[str, Any]:
        await self._find(context, params)
        await self._board.update(params.task_id, params.input_responses)
        return {"resultType": "complete"}

    async def _cancel(self, context: Context, params: OneTask) -> dict[str, Any]:
        if (await self._find(context, params)).status in ("working", "input_required"):
            await self._board.cancel(params.task_id)
        return {"resultType": "complete"}

    async def _find(self, context: Context, params: OneTask) -> Task:
        if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise MCPError(METHOD_NOT_FOUND, "Method not found", context.method)
        require_client_extension(context, EXTENSION)
        request = context.request
        if isinstance(request, Request) and request.headers.get("mcp-name") not in (None, params.task_id):
            raise MCPError(HEADER_MISMATCH, "The header Mcp-Name must be the taskId of the request.")
        task = await self._board.find(params.task_id)
        if task is None:
            raise MCPError(INVALID_PARAMS, "Task not found")
        return task


def _declared(context: Context) -> bool:
    capabilities = context.session.client_capabilities
    return bool(capabilities and capabilities.extensions and EXTENSION in capabilities.extensions)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
