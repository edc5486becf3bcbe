"""Rows 15, 17, 18 and 33: a store that is locked, full, damaged, or long."""

import time

import apsw
import pytest

from tests.factories import add_run
from tests.faults.machinery import Place, times
from tests.waiting import at_epoch
from trainwell.contract.errors import TrainwellError
from trainwell.runs.lifecycle import FINAL
from trainwell.runs.places import Places
from trainwell.runs.queue import claim_next


def test_a_lock_of_a_moment_is_waited_for_and_a_long_one_is_told(place, undisturbed):
    place.faults({"fault": "save_often"})
    made = place.prepare()
    holder = apsw.Connection(str(place.services.workspace.database))
    holder.set_busy_timeout(5000)  # the worker may be writing
    holder.execute("BEGIN IMMEDIATE")
    place.services.store.database._connection.set_busy_timeout(300)
    error = place.refuse("prepare_data", source="iris")
    assert error["code"] == "store_busy"
    holder.execute("ROLLBACK")
    place.services.store.database._connection.set_busy_timeout(5000)
    run = place.train(made, epochs=60)
    at_epoch(place.services, run, 2)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(0.3)
    holder.execute("ROLLBACK")
    holder.close()
    assert place.ended(run)["state"] == "completed"
    assert place.hashes(run) == undisturbed(epochs=60)
    place.sound(run)


@pytest.mark.slow
def test_a_lock_for_longer_than_anybody_waits_costs_training_an_attempt_at_most(place):
    place.faults({"fault": "save_often"})
    run = place.train(epochs=400)
    at_epoch(place.services, run, 5)
    holder = apsw.Connection(str(place.services.workspace.database))
    holder.execute("BEGIN EXCLUSIVE")
    import time

    time.sleep(7)
    holder.execute("ROLLBACK")
    holder.close()
    assert place.ended(run)["state"] == "completed"
    assert {one.cause for one in place.attempts(run)} <= {None, "store_busy", "process_died"}
    place.sound(run)


@pytest.mark.parametrize("harm", ["overwritten", "cut", "not a database"])
def test_a_damaged_store_is_told_and_not_used(tmp_path, harm):
    place = Place(tmp_path)
    for number in range(200):
        add_run(place.services.store, f"run_toy_{number:06}")
    place.close()
    path = place.services.workspace.database
    content = bytearray(path.read_bytes())
    if harm == "overwritten":
        content[:8192] = bytes(range(256)) * 32
    elif harm == "cut":
        del content[len(content) // 2 :]
    else:
        content = bytearray(b"x" * 5000)
    path.write_bytes(content)
    with pytest.raises(TrainwellError) as raised:  # noqa: PT012
        opened = Place(tmp_path)
        opened.runs.in_states(FINAL)
        opened.services.store.database.rows("SELECT * FROM runs ORDER BY spec")
    assert raised.value.code == "store_damaged"
    assert raised.value.hint


def test_a_store_without_room_refuses_and_keeps_what_it_has(place):
    database = place.services.store.database
    database._connection.execute("PRAGMA max_page_count = 60")
    entered = 0
    with pytest.raises(TrainwellError) as raised:  # noqa: PT012
        for entered in range(10000):
            add_run(place.services.store, f"run_toy_{entered:06}")
    assert raised.value.code == "disk_full"
    assert len(place.runs.in_states(("queued",))) == entered
    place.sound()


def test_a_thousand_queued_runs_are_claimed_in_order_and_listed_at_once(place):
    import time

    store = place.services.store
    runs = [f"run_toy_{number:06}" for number in range(1000)]
    with store.database.transaction():
        for run in runs:
            add_run(store, run)
    started = []
    for _ in range(times(5, 1000)):
        run, attempt = claim_next(store, Places(1))
        started.append(run)
        assert attempt == 1
        store.runs.update(run, state="completed", owner=None, ended_at=1.0)
    assert started == runs[: len(started)]
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert len(place.call("list_runs", limit=50)["runs"]) == 50
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5
    with store.database.transaction():
        store.database.execute("UPDATE runs SET state = 'stopped', ended_at = 1 WHERE state = 'queued'")
    place.sound()
