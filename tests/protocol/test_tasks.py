"""The Tasks extension: a client that declares it gets a task for `train`; its result is what `train` would answer."""

import time
from typing import ClassVar, Literal

import pytest
from mcp import Client, MCPError
from mcp.client import advertise
from mcp.client.extension import ClientExtension, ResultClaim
from mcp.types import CallToolResult, Request, Result

from tests.protocol.conftest import RUN

pytestmark = pytest.mark.anyio
EXTENSION = "io.modelcontextprotocol/tasks"
KEY = "again"


class Asked(Request):
    name_param: ClassVar[str] = "taskId"
    method: str
    params: dict


class Told(Result, extra="allow"):
    pass


class Begun(Told):
    result_type: Literal["task"] = "task"


class Following(ClientExtension):
    """Follows a task to its end, as a client would; `before` is done between the first look and the second."""

    identifier = EXTENSION

    def __init__(self, before=lambda: None):
        self.before = before
        self.seen = []

    def claims(self):
        return [ResultClaim(result_type="task", model=Begun, resolve=self.follow)]

    async def follow(self, begun, context):
        self.seen.append(begun.model_dump(by_alias=True))
        while True:
            task = await ask(context.session, "tasks/get", begun.taskId)
            self.seen.append(task)
            if task["status"] == "completed":
                return CallToolResult.model_validate(task["result"])
            self.before()


async def ask(session, method, task, **more):
    asked = Asked(method=method, params={"taskId": task, **more})
    return (await session.send_request(asked, Told)).model_dump(by_alias=True)


@pytest.fixture
def keyed(stored):
    """The run has an idempotency key, so that a call of `train` meets it and trains nothing."""
    stored.store.runs.update(RUN, idempotency_key=KEY, plan={
        "total_steps": 20, "batch_size": 32, "seconds_per_epoch": 0.1, "device": "cpu", "memory_bytes": 0,
        "expected_initial_loss": 0.69, "measured_initial_loss": 0.7, "decisions": [],
    })  # fmt: skip
    return stored


def train(client):
    return client.call_tool("train", {"model": "latest", "train_loader": "latest", "idempotency_key": KEY})


async def test_a_task_is_followed_to_the_result_of_the_call(server, keyed):
    following = Following(lambda: keyed.store.runs.update(RUN, state="completed", ended_at=time.time()))
    async with Client(server, extensions=[following]) as client:
        answer = await train(client)

    begun, working, completed = following.seen
    assert (begun["taskId"], begun["status"], working["status"]) == (RUN, "working", "working")
    assert "result" not in working
    assert completed["ttlMs"] is None
    assert answer.structured_content["run"] == RUN
    assert answer.structured_content["state"] == "completed"
    assert answer.content[0].text.startswith(RUN)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_without_the_extension_is_answered_at_once(server, keyed, mode):
    async with Client(server, mode=mode) as client:
        answer = await train(client)
        with pytest.raises(MCPError) as caught:
            await ask(client.session, "tasks/get", RUN)

    assert answer.structured_content["state"] == "running"
    assert caught.value.code == (-32021 if mode == "auto" else -32601)


async def test_a_refused_call_is_no_task(server, stored):
    async with Client(server, extensions=[Following()]) as client:
        answer = await client.call_tool("train", {"model": "model_nothing", "train_loader": "latest"})

    assert answer.is_error


async def test_a_task_can_be_cancelled_and_is_found_by_its_whole_handle_only(server, keyed):
    keyed.store.runs.update(RUN, state="queued", needs="code")  # which nobody may start here
    async with Client(server, extensions=[advertise(EXTENSION)]) as client:
        await ask(client.session, "tasks/update", RUN, inputResponses={})
        await ask(client.session, "tasks/cancel", RUN)
        task = await ask(client.session, "tasks/get", RUN)
        with pytest.raises(MCPError, match="Task not found"):
            await ask(client.session, "tasks/get", "latest")

    assert task["status"] == "cancelled"
    assert keyed.store.runs.get(RUN)["state"] == "stopped"
