"""A real client, a real server process and a real training, over both transports and in both eras."""

import base64
import os
import subprocess
import sys

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.subscriptions import ResourceUpdated

from tests.protocol.test_tasks import Following
from trainwell.tools.services import open_services

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.parametrize("server", ["stdio", "http"], indirect=True),
    pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning"),
]
PATIENCE_SECONDS = 120


@pytest.fixture
def server(request, tmp_path):
    """What a client is given to reach a server of its own: a command, or an address."""
    words = ["-m", "trainwell", "--workspace", str(tmp_path), "serve"]
    if request.param == "stdio":
        yield StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))
        return
    words += ["--http", "--port", "0"]
    with subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True) as process:
        yield process.stderr.readline().split()[-1]
        process.terminate()
        rest = process.stderr.read()
    assert process.returncode == 0, rest
    assert "Traceback" not in rest


async def told(client, tool, **arguments):
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content


async def long_run(client, **arguments):
    """The arguments of a training that takes seconds."""
    data = (await told(client, "prepare_data", source="digits"))["data"]
    model = (await told(client, "build_model", data=data, options={"hidden_dims": [64]}))["model"]
    return {"model": model, "train_loader": data, "epochs": 1000, "early_stopping": 0, "batch_size": 32, **arguments}


async def cancelled_at_the_first_progress(client, run):
    """Whether a call that waits gives up its place when the client gives it up."""
    with anyio.CancelScope() as scope:

        async def give_up(done, total, message):
            assert 0 < done <= total
            scope.cancel()

        await client.call_tool("get_run", {"run": run, "wait_seconds": 25}, progress_callback=give_up)
    return scope.cancelled_caught


async def test_todays_client_hears_of_changes_and_gets_the_result_of_a_task(server, tmp_path):
    with anyio.fail_after(PATIENCE_SECONDS):
        async with Client(server) as client:
            assert client.protocol_version == "2026-07-28"
            run = (await told(client, "train", **await long_run(client)))["run"]
            address = f"trainwell://runs/{run}"
            async with client.listen(resource_subscriptions=[address]) as changes:
                assert await anext(changes) == ResourceUpdated(address)
            assert await cancelled_at_the_first_progress(client, run)
            await told(client, "stop_run", run=run, wait_seconds=25)
            picture = (await client.read_resource(f"{address}/curves")).contents[0]
        following = Following(lambda: None)
        async with Client(server, extensions=[following]) as client:
            answer = await client.call_tool("train", {**await long_run(client, epochs=3), "name": "as a task"})

    assert picture.mime_type == "image/png"
    assert base64.b64decode(picture.blob).startswith(b"\x89PNG")
    assert following.seen[-1]["status"] == "completed"
    assert answer.structured_content["state"] == "completed"
    store = open_services(tmp_path).store
    assert store.runs.get(answer.structured_content["run"])["epoch"] == 3
    store.database.close()


async def test_an_older_client_is_notified_while_its_run_goes_on(server):
    send, heard = anyio.create_memory_object_stream(1000)

    async def hear(message):
        await send.send(str(message.params.uri))

    with anyio.fail_after(PATIENCE_SECONDS), send, heard:
        async with Client(server, mode="legacy", message_handler=hear) as client:
            assert client.protocol_version == "2025-11-25"
            run = (await told(client, "train", **await long_run(client)))["run"]
            await client.subscribe_resource(f"trainwell://runs/{run}")
            assert await heard.receive() == f"trainwell://runs/{run}"
            assert await cancelled_at_the_first_progress(client, run)
            assert (await told(client, "stop_run", run=run, wait_seconds=25))["state"] == "stopped"
