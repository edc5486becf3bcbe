"""Runs as tasks: the task of a run is the run, so it outlives client and server like any other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mcp.types import CallToolResult, TextContent

from trainwell.protocol.tasks import Task
from trainwell.runs.lifecycle import FINAL
from trainwell.tools import train
from trainwell.tools.dispatch import call_tool, outcome_of
from trainwell.tools.registry import discover

if TYPE_CHECKING:
    from mcp.server.context import HandlerResult
    from mcp.types import CallToolRequestParams

    from trainwell.protocol.tasks import CallTool, Context
    from trainwell.tools.services import Services

TOOL = "train"


class RunTasks:
    """The board of the product: `train` begins a task, and what it has learnt by then is the task's result.

    A run that failed is a task that completed: the call did what it was asked, and its answer says how that went.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self.tools = frozenset({TOOL})
        self.required = frozenset[str]()  # any client can follow a run by `get_run`

    async def begin(self, context: Context, params: CallToolRequestParams, call: CallTool) -> Task | HandlerResult:
        """Enter the run; a refusal, and a run that has ended by now, are answered at once."""
        answer = await call(context, params)
        told = answer.structured_content if isinstance(answer, CallToolResult) else None
        if not told or "run" not in told or told["state"] in FINAL:
            return answer
        return await self.find(told["run"])

    async def find(self, task_id: str) -> Task | None:
        """The task of a run, by its whole handle."""
        try:
            row = self._services.store.runs.get(task_id)
        except KeyError:
            return None
        if row["state"] not in FINAL:
            self._services.start_waiting()
        changed = row["ended_at"] or row["progress_at"] or row["created_at"]
        answer = train.look(self._services, task_id)
        return Task(
            id=task_id,
            status=_status(row["state"]),
            created=row["created_at"],
            updated=min(changed, time.time()),
            message=answer.summary.splitlines()[0],
            content=self._result(answer) if row["state"] in ("completed", "failed") else None,
        )

    async def update(self, task_id: str, responses: dict[str, Any]) -> None:
        """A run asks nothing."""

    async def cancel(self, task_id: str) -> None:
        """Stop the run in good order; what it has learnt stays usable."""
        await call_tool(self._services, "stop_run", {"run": task_id, "wait_seconds": 0})

    def _result(self, answer: train.Result) -> dict[str, Any]:
        outcome = outcome_of(discover()[TOOL], answer, self._services)
        text = TextContent(type="text", text=outcome.text)
        result = CallToolResult(content=[text], structured_content=outcome.structured)
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)


def _status(state: str) -> Any:
    if state == "stopped":
        return "cancelled"
    return "completed" if state in FINAL else "working"
