"""Rows 30, 31, 32 and 34: many, slow, rude and vanishing clients over HTTP, while a training runs."""

import json
import socket
import subprocess
import sys
import time

import anyio
import httpx2
import pytest
from mcp import Client

from tests.faults.machinery import times
from tests.waiting import at_epoch

HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@pytest.fixture
def training(place):
    """A run that goes on by itself, and must still do so at the end."""
    run = place.train(epochs=1000, batch_size=4)  # small batches: it must not come to its end
    at_epoch(place.services, run, 1)
    yield run
    epoch = place.runs.get(run)["epoch"]
    at_epoch(place.services, run, epoch + 1)
    assert place.call("stop_run", run=run, wait_seconds=20)["state"] == "stopped"
    place.sound(run)


@pytest.fixture
def address(place, training):
    """A real server's address."""
    command = [sys.executable, "-m", "trainwell", "--workspace", str(place.root), "serve", "--http", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    told = process.stderr.readline()
    assert "http://127.0.0.1:" in told, told
    yield told.split()[-1]
    process.terminate()
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 0, rest
    assert "Traceback" not in rest


async def ask_in_turn(address, name, answers):
    """One client: its answers must be its own."""
    async with Client(address) as client:
        for number in range(3):
            asked = f"run_{name}_{number}"
            result = await client.call_tool("get_run", {"run": asked})
            answers.append(result.is_error and result.structured_content["error"]["got"] == f'"{asked}"')


def test_a_hundred_clients_at_once_each_get_their_own_answers(address, training, record_property):
    count = times(40, 100)
    record_property("times", count)
    answers = []

    async def all_at_once():
        with anyio.fail_after(150):
            async with anyio.create_task_group() as group:
                for number in range(count):
                    group.start_soon(ask_in_turn, address, f"client{number}", answers)

    anyio.run(all_at_once)
    assert answers == [True] * 3 * count


def post(address, content, **headers):
    return httpx2.post(address, content=content, headers={**HEADERS, **headers}, timeout=30)


RUBBISH = [
    (b'{"bad', {}, 400),
    (b"", {}, 400),
    (b"\xff\xfe", {}, 400),
    (b"[]", {}, 400),
    (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', {}, 400),
    (b"[" * 10000, {}, 400),
    (b" " * (4 * 2**20 + 1), {}, 413),
    (b"{}", {"host": "evil.example"}, 421),
    (b"{}", {"origin": "http://evil.example"}, 403),
    (b"{}", {"origin": "null"}, 403),
    (b"{}", {"content-type": "text/plain"}, 400),
]


def test_rubbish_is_answered_with_its_status_and_the_next_client_is_served(address, training):
    for content, headers, status in RUBBISH:
        assert post(address, content, **headers).status_code == status, (content[:40], headers)
    answers = []
    anyio.run(ask_in_turn, address, "after", answers)
    assert answers == [True] * 3


def raw(address, path="/mcp"):
    host, port = address.split("/")[2].split(":")
    return socket.create_connection((host, int(port)), timeout=10), f"{host}:{port}"


def test_slow_and_vanishing_clients_keep_nobody_waiting(address, training):
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    session = post(address, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}).encode())
    call = {"name": "get_run", "arguments": {"run": training, "wait_seconds": 20}}
    body = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})
    head = "\r\n".join([*(f"{name}: {value}" for name, value in HEADERS.items()),
                        f"mcp-session-id: {session.headers['mcp-session-id']}",
                        "mcp-protocol-version: 2025-11-25", f"content-length: {len(body)}"])  # fmt: skip
    open_ones = []
    for number in range(20):
        connection, name = raw(address)
        connection.sendall(f"POST /mcp HTTP/1.1\r\nhost: {name}\r\n{head}\r\n\r\n{body}".encode())
        if number % 2:
            connection.close()  # in the middle of its call
        else:
            open_ones.append(connection)  # never reads
    for _ in range(20):
        connection, name = raw(address)
        connection.sendall(b"POST /mcp HT")  # never ends its head
        open_ones.append(connection)
    answers = []
    began = time.monotonic()
    anyio.run(ask_in_turn, address, "between", answers)
    assert answers == [True] * 3
    assert time.monotonic() - began < 15
    for connection in open_ones:
        connection.close()


def test_another_host_than_this_machine_is_refused_in_words(place):
    command = [sys.executable, "-m", "trainwell", "--workspace", str(place.root), "serve", "--http"]
    done = subprocess.run([*command, "--host", "0.0.0.0"], capture_output=True, text=True, check=False, timeout=60)  # noqa: S104
    assert done.returncode == 1
    assert "host_not_allowed" in done.stderr
