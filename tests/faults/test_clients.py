"""Rows 28, 29, 32 and 35: cancelling and deleting at bad moments, rubbish over stdio, few file handles."""

import resource
import time
from pathlib import Path

import pytest

from tests.faults.machinery import Server, times
from tests.waiting import at_epoch, until

MOMENTS = ("queued", "starting", "training", "saving", "twice", "ended")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", range(times(1, 10)))
def test_a_run_is_cancelled_at_any_moment_and_ends_once(place, moment, number):
    made = place.prepare()
    place.faults({"fault": "save_often"})
    before = place.train(made, epochs=1000) if moment == "queued" else None
    run = place.train(made, epochs=2 if moment == "ended" else 1000)
    if moment in {"training", "twice"}:
        at_epoch(place.services, run, 3)
    elif moment == "saving":
        until(lambda: list((place.services.workspace.run_dir(run) / "checkpoints").glob(".tmp-*")), what="a save")
    elif moment == "ended":
        place.ended(run)
    began = time.monotonic()
    if moment == "twice":
        place.call("stop_run", run=run, wait_seconds=0)
    told = place.call("stop_run", run=run, wait_seconds=20)
    assert told["state"] == ("completed" if moment == "ended" else "stopped")
    assert time.monotonic() - began < 15
    assert place.call("stop_run", run=run)["state"] == told["state"]
    if moment not in {"queued", "starting"}:
        assert place.call("evaluate", run=run)["rows"] > 0
    if before:
        place.call("stop_run", run=before, wait_seconds=20)
    place.sound(run)


def test_a_running_run_is_not_deleted_and_an_ended_one_is_gone_whole(place):
    run = place.train(epochs=1000)
    at_epoch(place.services, run, 2)
    assert place.refuse("delete_run", run=run, confirm=True)["code"]
    assert place.runs.get(run)["state"] == "running"
    place.call("stop_run", run=run, wait_seconds=20)
    assert place.refuse("delete_run", run=run)["code"]
    place.call("delete_run", run=run, confirm=True)
    assert not place.services.workspace.run_dir(run).exists()
    assert place.refuse("get_run", run=run)["code"] == "unknown_handle"
    place.sound()


LINES = [
    b"garbage", b"{", b'{"jsonrpc":"2.0","id":900,"method"', b"\xff\xfe\xfd", b"[]", b"[1,2]", b"null", b"1", b'"x"',
    b"{}",
    b'{"jsonrpc":"1.0","id":901,"method":"ping"}', b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":{},"method":"ping"}', b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":902,"method":7}', b'{"jsonrpc":"2.0","id":903}', b'{"jsonrpc":"2.0","method":"no/such"}',
    b'{"jsonrpc":"2.0","id":904,"method":"no/such"}', b'{"jsonrpc":"2.0","id":905,"method":"tools/call","params":"x"}',
    b'{"jsonrpc":"2.0","id":906,"method":"tools/call","params":{"name":7}}', b"[" * 10000, b'{"a":' * 10000,
    b'{"jsonrpc":"2.0","id":907,"method":"tools/call","params":{"name":"get_run","arguments":{"run":NaN}}}',
    b'{"jsonrpc":"2.0","id":908,"result":{}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}',
    b"x" * 5_000_000,
]  # fmt: skip


def test_the_server_lives_through_every_rubbish_line(place):
    with Server(place.root) as server:
        for line in LINES:
            server.send(line)
            assert server.call("list_runs")["summary"]
        assert server.close() == 0
    place.sound()


def test_few_file_handles_are_enough_and_none_leak(place):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    with Server(place.root, preexec_fn=few) as server:
        server.call("list_runs")

        def handles():
            return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))

        until(lambda: handles() > 8, what="a server that has begun")
        server.call("system_info")
        before = handles()
        for _ in range(100):
            server.call("list_runs")
        for _ in range(10):
            server.call("system_info")
        assert handles() <= before + 2
        assert server.close() == 0
    place.sound()
