"""Rows 4-6, 9, 19 and 27: servers that die, leave, or are two; clients that ask twice."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.machinery import Server, all_ended, gone, kill, times
from tests.waiting import at_epoch, until
from trainwell.runs.lifecycle import FINAL


def submitted(server, made, count=1, **arguments):
    given = {"epochs": 10, "early_stopping": 0, "batch_size": 64, "seed": 7, "deterministic": True, **arguments}
    return [server.call("train", **made, **given)["run"] for _ in range(count)]


def executed_once(place, runs):
    for run in runs:
        row = place.runs.get(run)
        assert (row["state"], row["attempt"]) == ("completed", 1), (row["state"], row["cause"], row["message"])
        assert place.log(run).count("attempt 1 of") == 1
        place.sound(run)


def test_runs_and_queue_go_on_without_their_server_and_in_order(place, undisturbed):
    made = place.prepare()
    place.faults({"fault": "save_often"})
    with Server(place.root) as server:
        runs = submitted(server, made, times(4, 12))
        server.kill()
    until(lambda: all(place.runs.get(run)["state"] in FINAL for run in runs), what="the end, with no server")
    starts = [place.runs.get(run)["started_at"] for run in runs]
    assert starts == sorted(starts)
    assert all(place.hashes(run) == undisturbed(epochs=10) for run in runs)
    executed_once(place, runs)


@pytest.mark.parametrize("moment", ["before_launch", "after_launch"])
def test_a_server_killed_inside_submit_leaves_one_run_that_the_same_key_finds(place, moment, monkeypatch):
    made = {**place.prepare(), "epochs": 3, "idempotency_key": f"key-{moment}"}
    monkeypatch.setenv("TW_SERVER_FAULT", moment)
    with Server(place.root) as server:
        answer = server.request("tools/call", {"name": "train", "arguments": made})
        assert answer is None
        assert server.process.wait(30) == -signal.SIGKILL
    monkeypatch.delenv("TW_SERVER_FAULT")
    row = place.services.store.runs.by_key(made["idempotency_key"])
    if moment == "before_launch":  # what nobody took over is given back after the time that a start may take
        owner = {**row["owner"], "claimed": row["owner"]["claimed"] - 1000}
        place.runs.update(row["handle"], owner=owner)
    with Server(place.root) as server:
        assert server.call("train", **made)["run"] == row["handle"]
        all_ended(place, [row["handle"]])
    assert len(place.runs.in_states(("completed",))) == 1
    assert place.runs.get(row["handle"])["attempt"] == (2 if moment == "before_launch" else 1)
    place.sound(row["handle"])


def test_server_and_worker_killed_together_the_next_server_brings_the_run_to_the_same_end(place, undisturbed):
    made = place.prepare()
    place.faults({"fault": "save_often"})
    with Server(place.root) as server:
        [run] = submitted(server, made, epochs=60)
        at_epoch(place.services, run, 5)
        server.kill()
        kill(place.runs.get(run)["owner"]["pid"])
    with Server(place.root) as server:  # looks by itself, nobody asks it to
        until(lambda: place.runs.get(run)["state"] in FINAL, what="the end")
        assert server.call("get_run", run=run)["attempts"][0]["cause"] == "process_died"
    assert place.hashes(run) == undisturbed(epochs=60)
    place.sound(run)


def test_a_client_that_leaves_in_the_middle_of_a_call_harms_nothing(place):
    made = place.prepare()
    with Server(place.root) as server:
        [run] = submitted(server, made, epochs=400)
        server.begin("tools/call", {"name": "get_run", "arguments": {"run": run, "wait_seconds": 20}})
        assert server.close() == 0
    epoch = place.runs.get(run)["epoch"]
    at_epoch(place.services, run, epoch + 1)
    with Server(place.root) as server:
        assert server.call("stop_run", run=run, wait_seconds=20)["state"] == "stopped"
    place.sound(run)


def test_two_servers_on_one_store_execute_each_run_once_and_one_may_die(place):
    made = place.prepare()
    with Server(place.root) as one, Server(place.root) as two:
        with ThreadPoolExecutor() as pool:
            count = times(3, 20)
            halves = list(pool.map(lambda server: submitted(server, made, count, epochs=2), (one, two)))
        one.kill()
        runs = [*halves[0], *halves[1]]
        assert len(set(runs)) == 2 * count
        until(lambda: all(place.runs.get(run)["state"] in FINAL for run in runs), what="the end of all")
    executed_once(place, runs)


def test_twenty_requests_of_one_key_are_one_run_and_twenty_equal_answers(place):
    made = {**place.prepare(), "epochs": 2, "idempotency_key": "twenty"}
    with Server(place.root) as one, Server(place.root) as two, ThreadPoolExecutor(20) as pool:
        told = list(pool.map(lambda number: (one, two)[number % 2].call("train", **made)["run"], range(20)))
    assert len(set(told)) == 1
    all_ended(place, told[:1])
    assert place.services.store.database.row("SELECT count(*) AS n FROM runs") == {"n": 1}
    place.sound(told[0])


def test_one_key_again_and_again_is_one_run(place):
    made = {**place.prepare(), "epochs": 2, "idempotency_key": "again"}
    with Server(place.root) as server:
        first = server.call("train", **made)["run"]
        with ThreadPoolExecutor(20) as pool:
            told = list(pool.map(lambda _: server.call("train", **made)["run"], range(20)))
    assert set(told) == {first}
    all_ended(place, [first])
    place.sound(first)


def test_a_stopped_worker_is_not_replaced_while_it_lives(place, undisturbed):
    place.faults({"fault": "save_often"})
    run = place.train(epochs=60)
    worker = place.worker(run)
    os.kill(worker, signal.SIGSTOP)
    try:
        for _ in range(50):
            assert place.services.start_waiting() == []
    finally:
        os.kill(worker, signal.SIGCONT)
    row = place.ended(run)
    assert (row["state"], row["attempt"]) == ("completed", 1)
    until(lambda: gone(worker), what="its end")
    assert place.hashes(run) == undisturbed(epochs=60)
    place.sound(run)
