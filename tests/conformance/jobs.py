"""A board of tasks in memory, for the tasks scenarios of the suite: our own Tasks extension, other work behind it."""

import json
import secrets
import time
from dataclasses import dataclass, field

import anyio
from mcp import MCPError
from mcp.types import INTERNAL_ERROR

from tests.conformance.asking import answers, asks, required
from tests.conformance.contents import answer, text
from trainwell.protocol.tasks import Task

TTL_MS = 3_600_000
STRING = {"type": "string"}


@dataclass
class Job:
    """A task that goes on in this process. `asked` are the questions that wait for an answer."""

    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    status: str = "working"
    began: float = field(default_factory=time.time)
    content: dict | None = None
    asked: dict = field(default_factory=dict)
    answered: dict = field(default_factory=dict)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    news: anyio.Event = field(default_factory=anyio.Event)

    def shown(self):
        status, content = ("input_required", self.asked) if self.asked else (self.status, self.content)
        return Task(self.id, status, self.began, time.time(), content=content, ttl_ms=TTL_MS)

    async def ask(self, **questions):
        """Wait until each question has its answer."""
        self.asked = dict(questions)
        while self.asked:
            await self.news.wait()
        return self.answered


async def slow_compute(job, params):
    await anyio.sleep(float((params.arguments or {}).get("seconds", 0)))
    return answer(text("computed"))


async def failing_job(job, params):
    await anyio.sleep(1)
    return answer(text("this job always fails"), isError=True)


async def protocol_error_job(job, params):
    raise MCPError(INTERNAL_ERROR, "this job breaks the protocol")


async def confirm_delete(job, params):
    told = await job.ask(confirm=asks("Delete it?", {"confirm": {"type": "boolean"}}))
    return answer(text(f"deleted: {json.dumps(told)}"))


async def multi_input(job, params):
    told = await job.ask(first=asks("First?", {"first": STRING}), second=asks("Second?", {"second": STRING}))
    return answer(text(json.dumps(told)))


async def tool_with_task(job, params):
    return answer(text(f"Hello, {json.dumps(answers(params))}"))


WORK = {
    "slow_compute": slow_compute,
    "failing_job": failing_job,
    "protocol_error_job": protocol_error_job,
    "confirm_delete": confirm_delete,
    "multi_input": multi_input,
    "test_tool_with_task": tool_with_task,
}


class Jobs:
    """The board; `group` is set while the server lives."""

    tools = frozenset(WORK)
    required = frozenset({"failing_job", "test_tool_with_task"})

    def __init__(self):
        self.group = None
        self.jobs = {}

    async def begin(self, context, params, call):  # noqa: ARG002
        if params.name == "test_tool_with_task" and "user_name" not in answers(params):
            return required({"user_name": asks("What is your name?", {"name": STRING})}, "asked")
        job = Job()
        self.jobs[job.id] = job
        self.group.start_soon(self.work, job, params)
        return job.shown()

    async def work(self, job, params):
        with job.scope:
            try:
                job.content, job.status = await WORK[params.name](job, params), "completed"
            except MCPError as error:
                job.content, job.status = {"code": error.error.code, "message": error.error.message}, "failed"
        if job.scope.cancelled_caught:
            job.asked, job.content, job.status = {}, None, "cancelled"

    async def find(self, task_id):
        job = self.jobs.get(task_id)
        return job and job.shown()

    async def update(self, task_id, responses):
        job = self.jobs[task_id]
        job.answered |= {key: value for key, value in responses.items() if key in job.asked}
        job.asked = {key: value for key, value in job.asked.items() if key not in responses}
        job.news.set()
        job.news = anyio.Event()

    async def cancel(self, task_id):
        self.jobs[task_id].scope.cancel()


async def at_once(context, params):
    """The same work for a client that has no tasks."""
    return await WORK[params.name](Job(), params)
