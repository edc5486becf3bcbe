"""The real server as a process of its own, spoken to over its standard input and output."""

import json
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters

HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
PATIENCE_SECONDS = 120


def command(workspace, *options):
    return [sys.executable, "-m", "trainwell", "--workspace", str(workspace), *options, "serve"]


class Wire:
    """A server and its two pipes, line by line."""

    def __init__(self, workspace):
        self.process = subprocess.Popen(
            command(workspace), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        # Reading a line would wait for ever for a server that does not answer.
        self.watchdog = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        self.watchdog.start()

    def close(self):
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with suppress(BrokenPipeError):
                pipe.close()

    def send(self, message):
        line = message if isinstance(message, str) else json.dumps(message)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def receive(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, method, number=1, **params):
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return self.receive()


def greeted(workspace):
    opened = Wire(workspace)
    opened.send(HELLO)
    assert opened.receive()["result"]["serverInfo"]["name"] == "trainwell"
    return opened


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """A server for all tests that do it no harm, which is part of what they test."""
    opened = greeted(tmp_path_factory.mktemp("workspace"))
    yield opened
    opened.close()


@pytest.fixture
def wire(tmp_path):
    """A server of one's own."""
    opened = greeted(tmp_path)
    yield opened
    opened.close()


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_real_client_lists_calls_and_is_refused(tmp_path, mode):
    server = StdioServerParameters(command=sys.executable, args=command(tmp_path)[1:])
    async with Client(server, mode=mode) as client:
        tools = (await client.list_tools()).tools
        runs = await client.call_tool("list_runs", {})
        refused = await client.call_tool("get_run", {"run_id": "r"})
        with pytest.raises(MCPError) as caught:
            await client.call_tool("get_rum", {})

    assert {"inspect_data", "train", "diagnose"} <= {tool.name for tool in tools}
    assert runs.structured_content["runs"] == []
    assert refused.structured_content["error"]["next_call"] == {"tool": "get_run", "arguments": {"run": "r"}}
    assert caught.value.code == -32602


def test_it_never_loads_torch(lasting):
    assert lasting.ask("tools/list")["result"]["tools"]
    for tool in ("list_runs", "diagnose"):
        arguments = {"symptoms": "the loss is NaN after two epochs"} if tool == "diagnose" else {}
        assert not lasting.ask("tools/call", name=tool, arguments=arguments)["result"].get("isError")

    assert "libtorch" not in Path(f"/proc/{lasting.process.pid}/maps").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "code", "number"),
    [
        ("{bad", -32700, None),
        ("[" * 10_000, -32700, None),
        ("[]", -32600, None),
        ("17", -32600, None),
        ('{"jsonrpc":"2.0","id":7,"method":"tools/list","params":"x"}', -32600, 7),
        ('{"jsonrpc":"2.0","id":"seven","method":3}', -32600, "seven"),
        (
            '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"train","arguments":{"lr":'
            + "9" * 5000
            + "}}}",
            -32700,
            None,
        ),
    ],
    ids=[
        "not JSON",
        "deep",
        "a list",
        "a number",
        "params of a wrong type",
        "a method of a wrong type",
        "a huge number",
    ],
)
def test_a_malformed_line_is_answered_and_the_server_lives(lasting, line, code, number):
    lasting.send(line)
    answer = lasting.receive()

    assert (answer["error"]["code"], answer["id"]) == (code, number)
    assert lasting.ask("ping", number=8)["id"] == 8


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        '{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}',
        '{"jsonrpc":"2.0","id":99,"result":"nobody asked"}',
        '{"jsonrpc":"2.0","id":99,"error":3}',
    ],
)
def test_a_line_that_nobody_waits_for_is_not_answered(lasting, line):
    lasting.send(line)

    assert lasting.ask("ping", number=8)["id"] == 8


def test_json_beyond_the_standard_is_refused_by_the_tool_not_by_a_crash(lasting):
    lasting.send(
        '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"train","arguments":{"model":"m","train_loader":"d","lr":NaN}}}'
    )

    assert lasting.receive()["result"]["structuredContent"]["error"]["code"] == "not_finite"


def test_nothing_but_protocol_is_on_standard_output_and_it_ends_with_its_input(wire):
    wire.ask("tools/call", name="list_runs", arguments={})
    out, log = wire.process.communicate(timeout=PATIENCE_SECONDS)

    assert wire.process.returncode == 0
    assert out == ""
    assert "list_runs ok" in log
    assert "Traceback" not in log


def test_it_ends_with_its_input_also_while_a_call_waits(wire, call_that_waits):
    wire.send(call_that_waits)
    assert wire.ask("ping", number=8)["id"] == 8
    _, log = wire.process.communicate(timeout=20)

    assert wire.process.returncode == 0
    assert "Traceback" not in log


@pytest.fixture
def call_that_waits():
    """A call that asks a worker for something, which takes a while."""
    params = {"name": "system_info", "arguments": {}}
    return {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leaves_in_good_order_on_a_signal(wire, number):
    wire.process.send_signal(number)

    assert wire.process.wait(timeout=PATIENCE_SECONDS) == 0


def test_a_client_that_is_gone_is_no_accident(wire):
    wire.process.stdout.close()
    wire.send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    wire.process.stdin.close()

    assert wire.process.wait(timeout=PATIENCE_SECONDS) == 0
    assert "Traceback" not in wire.process.stderr.read()


def test_a_broken_manifest_is_refused_at_the_start_with_file_line_and_reason(tmp_path):
    skill = tmp_path / "SKILL.md"
    skill.write_text("---\nparameters:\n  optional:\n    - {name: epochs, type: intger}\n---\n", encoding="utf-8")
    done = subprocess.run(
        command(tmp_path, "--skill", str(skill)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert done.returncode == 2
    assert f"{skill}:4: unknown type" in done.stderr
    assert "Traceback" not in done.stderr
