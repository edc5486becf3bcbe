"""Rows 7, 8 and 39: processes asked to end, or stopped while they write, and logs that cannot be written."""

import os
import signal
import subprocess
import sys
import time

import apsw
import pytest

from tests.faults.machinery import Server, gone, kill
from tests.waiting import at_epoch, until
from trainwell.runs.lifecycle import FINAL


def test_a_worker_that_is_asked_to_end_saves_and_its_run_goes_on_by_itself(place, undisturbed):
    place.faults({"fault": "save_often"})
    run = place.train(epochs=60)
    worker = place.worker(run)
    at_epoch(place.services, run, 3)
    began = time.monotonic()
    kill(worker, signal.SIGTERM)
    until(lambda: gone(worker), what="its end")
    assert time.monotonic() - began < 10
    until(lambda: place.runs.get(run)["state"] in FINAL, what="the end, with nobody looking")
    first, *others = place.attempts(run)
    assert (first.cause, first.step) == ("terminated", first.saved_step)
    assert first.saved_step == others[0].resumed_from_step > 0
    assert place.hashes(run) == undisturbed(epochs=60)
    place.sound(run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_asked_to_end_ends_at_once_and_its_runs_go_on(place, number):
    made = place.prepare()
    with Server(place.root) as server:
        run = server.call("train", **made, epochs=1000, early_stopping=0, batch_size=64)["run"]
        at_epoch(place.services, run, 1)
        began = time.monotonic()
        assert server.kill(number) == 0
        assert time.monotonic() - began < 10
    epoch = place.runs.get(run)["epoch"]
    at_epoch(place.services, run, epoch + 2)
    place.call("stop_run", run=run, wait_seconds=20)
    place.sound(run)


def test_a_worker_that_is_stopped_while_it_writes_is_named_and_a_kill_sets_the_store_free(place):
    made = place.prepare()
    run = place.train(made, epochs=1000)
    worker = place.worker(run)
    at_epoch(place.services, run, 2)
    until(lambda: _stopped_while_writing(place, worker), what="a worker that is stopped within a transaction")
    told = place.refuse("stop_run", run=run)
    assert told["code"] == "store_busy"
    assert run in told["hint"]
    assert f"kill -KILL {worker}" in told["hint"]
    assert place.call("get_run", run=run)["state"] == "running"  # reading goes on all the while
    kill(worker)
    until(lambda: place.services.start_waiting() or place.runs.get(run)["attempt"] == 2, what="its next attempt")
    assert place.attempts(run)[0].cause == "process_died"
    place.call("stop_run", run=run, wait_seconds=20)
    place.sound(run)


def _stopped_while_writing(place, pid):
    os.kill(pid, signal.SIGSTOP)
    connection = apsw.Connection(str(place.services.workspace.database))
    try:
        connection.execute("BEGIN IMMEDIATE; ROLLBACK")
    except apsw.BusyError:
        return True
    finally:
        connection.close()
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.003)
    return False


def test_a_run_whose_log_cannot_be_written_runs_all_the_same(place, undisturbed):
    place.faults({"fault": "save_often"})
    before = place.train(epochs=1000)  # so that the next one waits
    run = place.train()
    (place.services.workspace.run_dir(run) / "log.txt").mkdir(parents=True)
    place.call("stop_run", run=before, wait_seconds=20)
    assert place.ended(run)["state"] == "completed"
    assert place.hashes(run) == undisturbed()
    place.sound(run)


def test_a_server_without_a_standard_error_serves(place):
    with Server(place.root, preexec_fn=lambda: os.close(2)) as server:
        made = place.prepare()
        run = server.call("train", **made, epochs=1)["run"]
        until(lambda: server.call("get_run", run=run)["state"] == "completed", what="its end")
        assert server.close() == 0
    place.sound(run)


def test_a_command_whose_reader_is_gone_ends_without_harm(place):
    command = [sys.executable, "-m", "trainwell", "--workspace", str(place.root), "call", "list_runs", "{}"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)
    assert b"Traceback" not in done.stderr
    place.sound()
