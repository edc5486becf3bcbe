import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.factories import add_run
from trainwell.contract.specs import RetryPolicy
from trainwell.runs.lifecycle import FINAL, MOVES, move
from trainwell.runs.liveness import is_alive, my_identity
from trainwell.runs.queue import changes_so_far, claim_next, end_attempt, recover, start_waiting
from trainwell.runs.retry import backoff_seconds, decide
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace


@pytest.fixture
def store(tmp_path):
    return Store.open(Workspace.open(tmp_path))


def launched(started):
    return lambda run, attempt: started.append((run, attempt))


def test_runs_start_in_order_one_at_a_time_and_none_twice(store):
    for number in range(3):
        add_run(store, f"run_q_00000{number}")
    started = []
    for _ in range(3):
        start_waiting(store, 1, launched(started))
    assert started == [("run_q_000000", 1)]
    move(store, "run_q_000000", "completed")
    start_waiting(store, 1, launched(started))
    start_waiting(store, 2, launched(started))
    assert [run for run, _ in started] == ["run_q_000000", "run_q_000001", "run_q_000002"]


def test_a_worker_that_was_killed_is_noticed_and_its_run_is_tried_again(store):
    add_run(store)
    claim_next(store, 1)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    identity = {**my_identity(), "pid": process.pid}
    identity["started"] = psutil.Process(process.pid).create_time()
    store.runs.update("run_toy_000001", owner=identity)
    assert recover(store) == []
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert recover(store) == ["run_toy_000001"]
    row = store.runs.get("run_toy_000001")
    assert (row["state"], row["attempt"]) == ("retrying", 1)
    assert store.history.attempts("run_toy_000001")[0].cause == "process_died"
    store.runs.update("run_toy_000001", not_before=0.0)
    assert claim_next(store, 1) == ("run_toy_000001", 2)


def test_a_launch_that_never_comes_is_given_up_after_a_while(store):
    add_run(store)
    claim_next(store, 1)
    assert recover(store) == []
    store.runs.update("run_toy_000001", owner={"claimed_at": time.time() - 1000})
    assert recover(store) == ["run_toy_000001"]


def test_a_process_id_that_was_used_again_is_not_the_worker(store):
    me = my_identity()
    assert is_alive(me)
    assert not is_alive({**me, "started": me["started"] - 100})
    assert not is_alive({**me, "boot": "another"})
    assert not is_alive(None)


def test_an_attempt_that_was_given_up_does_not_end_the_one_after_it(store):
    add_run(store)
    claim_next(store, 1)
    store.runs.update("run_toy_000001", attempt=2)
    before = store.history.attempts("run_toy_000001")
    end_attempt(store, "run_toy_000001", 1, "io_error", "too late")
    assert store.runs.get("run_toy_000001")["state"] == "running"
    assert store.history.attempts("run_toy_000001") == before


def test_a_retry_waits_for_its_time(store):
    add_run(store)
    claim_next(store, 1)
    end_attempt(store, "run_toy_000001", store.runs.get("run_toy_000001")["attempt"], "process_died", "gone")
    store.runs.update("run_toy_000001", not_before=time.time() + 1000)
    assert claim_next(store, 1) is None


def test_a_worker_that_was_given_up_changes_nothing(store):
    add_run(store)
    claim_next(store, 1)
    store.runs.update("run_toy_000001", attempt=2)
    assert not move(store, "run_toy_000001", "completed", at_attempt=1)
    assert not store.runs.update("run_toy_000001", at_attempt=1, step=99)
    assert store.runs.get("run_toy_000001")["state"] == "running"


def test_attempts_are_counted_and_the_last_failure_is_the_end(store):
    add_run(store, retry=RetryPolicy(max_attempts=2, base_delay_ms=0))
    for state in ("retrying", "failed"):
        assert claim_next(store, 1) is not None
        end_attempt(store, "run_toy_000001", store.runs.get("run_toy_000001")["attempt"], "io_error", "disk gone")
        assert store.runs.get("run_toy_000001")["state"] == state
    assert claim_next(store, 1) is None
    causes = [attempt.cause for attempt in store.history.attempts("run_toy_000001")]
    assert causes == ["io_error", "io_error"]


def test_a_run_that_was_asked_to_stop_is_not_tried_again(store):
    add_run(store)
    claim_next(store, 1)
    store.runs.update("run_toy_000001", stop_requested=1)
    end_attempt(store, "run_toy_000001", store.runs.get("run_toy_000001")["attempt"], "process_died", "gone")
    assert store.runs.get("run_toy_000001")["state"] == "stopped"


def test_a_worker_that_cannot_be_started_is_a_failed_attempt(store):
    add_run(store)

    def refuse(run, attempt):
        raise OSError("no more processes")

    assert start_waiting(store, 1, refuse) == []
    assert store.runs.get("run_toy_000001")["state"] == "retrying"


def test_repairs_pile_up_over_attempts(store):
    add_run(store, retry=RetryPolicy(max_attempts=5, base_delay_ms=0))
    for _ in range(2):
        claim_next(store, 1)
        end_attempt(store, "run_toy_000001", store.runs.get("run_toy_000001")["attempt"], "out_of_memory", "no room")
    claim_next(store, 1)
    end_attempt(store, "run_toy_000001", store.runs.get("run_toy_000001")["attempt"], "non_finite_loss", "nan")
    assert changes_so_far(store, "run_toy_000001") == {
        "micro_batch_divisor": 4,
        "lr": pytest.approx(2e-4),
        "grad_clip": 1.0,
    }


def test_legal_moves_end_in_ends_and_every_end_can_be_reached():
    assert set(FINAL) == {"completed", "failed", "stopped"}
    assert set().union(*MOVES.values()) | {"queued"} == set(MOVES)


@pytest.mark.parametrize(
    ("cause", "attempt", "changes", "retry"),
    [
        ("process_died", 1, {}, True),
        ("process_died", 3, {}, False),
        ("bad_data", 1, {}, False),
        ("internal_error", 1, {}, False),
        ("disk_full", 1, {}, False),
        ("out_of_memory", 1, {"micro_batch_divisor": 32}, False),
        ("non_finite_loss", 1, {"lr": 5e-6}, False),
    ],
)
def test_a_failure_is_tried_again_only_where_it_can_help(cause, attempt, changes, retry):
    config = {"lr": 0.01, "grad_clip": 0.0, "batch_size": 32}
    assert decide(RetryPolicy(), attempt, cause, config, changes).retry is retry


def test_a_non_finite_loss_lowers_the_rate_and_clips():
    decision = decide(RetryPolicy(), 1, "non_finite_loss", {"lr": 0.1, "grad_clip": 0.0, "batch_size": 8}, {})
    assert decision.changes == {"lr": pytest.approx(0.01), "grad_clip": 1.0}
    assert decision.kind == "fixable"


def test_the_backoff_doubles_has_jitter_and_an_end():
    policy = RetryPolicy(base_delay_ms=1000)
    assert [backoff_seconds(policy, attempt, 1.0) for attempt in (1, 2, 3)] == [1.0, 2.0, 4.0]
    assert backoff_seconds(policy, 1, 0.0) == 0.5
    assert backoff_seconds(policy, 60, 1.0) == 300.0
    assert backoff_seconds(policy.model_copy(update={"strategy": "fixed"}), 5, 1.0) == 1.0
    assert backoff_seconds(replace_strategy(policy, "none"), 5, 1.0) == 0.0


def replace_strategy(policy, strategy):
    return policy.model_copy(update={"strategy": strategy})
