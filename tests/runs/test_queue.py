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
from trainwell.runs.liveness import a_claim, identity_of, is_alive, kill, my_identity
from trainwell.runs.places import Places, gpu_count, visible_at
from trainwell.runs.queue import changes_so_far, claim_next, end_attempt, next_start_in, recover, start_waiting
from trainwell.runs.retry import LONGEST_DELAY_SECONDS, backoff_seconds, decide
from trainwell.runs.view import is_stalled, view
from trainwell.store.runs import Queueing
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
        start_waiting(store, Places(1), launched(started))
    assert started == [("run_q_000000", 1)]
    move(store, "run_q_000000", "completed")
    start_waiting(store, Places(1), launched(started))
    start_waiting(store, Places(2), launched(started))
    assert [run for run, _ in started] == ["run_q_000000", "run_q_000001", "run_q_000002"]


def test_a_worker_that_was_killed_is_noticed_and_its_run_is_tried_again(store):
    add_run(store)
    claim_next(store, Places(1))
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    store.runs.update("run_toy_000001", owner=identity_of(process.pid))
    assert recover(store) == []
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert recover(store) == ["run_toy_000001"]
    row = store.runs.get("run_toy_000001")
    assert (row["state"], row["attempt"]) == ("retrying", 1)
    assert store.history.attempts("run_toy_000001")[0].cause == "process_died"
    store.runs.update("run_toy_000001", not_before=0.0)
    assert claim_next(store, Places(1)) == ("run_toy_000001", 2)


def test_a_launch_that_never_comes_is_given_up_after_a_while(store):
    add_run(store)
    claim_next(store, Places(1))
    assert recover(store) == []
    store.runs.update("run_toy_000001", owner={**a_claim(), "claimed": time.monotonic() - 1000})
    assert recover(store) == ["run_toy_000001"]


def test_a_process_id_that_was_used_again_is_not_the_worker(store):
    me = my_identity()
    assert is_alive(me)
    assert not is_alive({**me, "ticks": me["ticks"] - 100})
    assert not is_alive({**me, "boot": "another"})
    assert not is_alive(None)


def test_an_attempt_that_was_given_up_does_not_end_the_one_after_it(store):
    add_run(store)
    claim_next(store, Places(1))
    store.runs.update("run_toy_000001", attempt=2)
    before = store.history.attempts("run_toy_000001")
    end_attempt(store, "run_toy_000001", 1, "io_error", "too late")
    assert store.runs.get("run_toy_000001")["state"] == "running"
    assert store.history.attempts("run_toy_000001") == before


def test_a_retry_waits_for_its_time(store):
    add_run(store)
    claim_next(store, Places(1))
    end_attempt(store, "run_toy_000001", store.runs.get("run_toy_000001")["attempt"], "process_died", "gone")
    store.runs.update("run_toy_000001", not_before=time.time() + 100)
    assert claim_next(store, Places(1)) is None


def test_a_worker_that_was_given_up_changes_nothing(store):
    add_run(store)
    claim_next(store, Places(1))
    store.runs.update("run_toy_000001", attempt=2)
    assert not move(store, "run_toy_000001", "completed", at_attempt=1)
    assert not store.runs.update("run_toy_000001", at_attempt=1, step=99)
    assert store.runs.get("run_toy_000001")["state"] == "running"


def test_attempts_are_counted_and_the_last_failure_is_the_end(store):
    add_run(store, retry=RetryPolicy(max_attempts=2, base_delay_ms=0))
    for state in ("retrying", "failed"):
        assert claim_next(store, Places(1)) is not None
        end_attempt(store, "run_toy_000001", store.runs.get("run_toy_000001")["attempt"], "io_error", "disk gone")
        assert store.runs.get("run_toy_000001")["state"] == state
    assert claim_next(store, Places(1)) is None
    causes = [attempt.cause for attempt in store.history.attempts("run_toy_000001")]
    assert causes == ["io_error", "io_error"]


def test_a_run_that_was_asked_to_stop_is_not_tried_again(store):
    add_run(store)
    claim_next(store, Places(1))
    store.runs.update("run_toy_000001", stop_requested=1)
    end_attempt(store, "run_toy_000001", store.runs.get("run_toy_000001")["attempt"], "process_died", "gone")
    assert store.runs.get("run_toy_000001")["state"] == "stopped"


def test_a_worker_that_cannot_be_started_is_a_failed_attempt(store):
    add_run(store)

    def refuse(run, attempt):
        raise OSError("no more processes")

    assert start_waiting(store, Places(1), refuse) == []
    assert store.runs.get("run_toy_000001")["state"] == "retrying"


def test_repairs_pile_up_over_attempts(store):
    add_run(store, retry=RetryPolicy(max_attempts=5, base_delay_ms=0))
    for _ in range(2):
        claim_next(store, Places(1))
        end_attempt(store, "run_toy_000001", store.runs.get("run_toy_000001")["attempt"], "out_of_memory", "no room")
    claim_next(store, Places(1))
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


def waiting(store, number, **queueing):
    add_run(store, f"run_q_{number:06}", queueing=Queueing(**queueing))
    return f"run_q_{number:06}"


def drained(store, places=None, allow=()):
    """Handles in the order in which they start, each completed before the next."""
    order = []
    while claimed := claim_next(store, places or Places(1), allow):
        order.append(claimed[0])
        move(store, claimed[0], "completed")
    return order


def test_a_higher_priority_starts_first_and_equals_in_order(store):
    low, usual, high, again = (
        waiting(store, number, priority=priority) for number, priority in enumerate(["low", "normal", "high", "normal"])
    )
    assert [store.queue.position(run) for run in (high, usual, again, low)] == [0, 1, 2, 3]
    assert drained(store) == [high, usual, again, low]


def test_clients_take_turns_however_many_runs_one_of_them_has(store):
    many = [waiting(store, number, client="many") for number in range(4)]
    few = [waiting(store, number, client="few") for number in (7, 8)]
    expected = [many[0], few[0], many[1], few[1], many[2], many[3]]
    assert sorted([*many, *few], key=store.queue.position) == expected
    assert drained(store) == expected
    # Who was served last waits, and who has more running waits longer.
    more = [waiting(store, number, client=client) for number, client in [(10, "many"), (11, "many"), (12, "few")]]
    assert [claim_next(store, Places(3))[0] for _ in range(2)] == [more[2], more[0]]


def test_a_run_that_follows_another_waits_until_that_has_completed(store):
    first = waiting(store, 1)
    second = waiting(store, 2, after=first)
    assert start_waiting(store, Places(2), launched([])) == [first]
    move(store, first, "completed")
    assert start_waiting(store, Places(2), launched([])) == [second]


@pytest.mark.parametrize("end", ["failed", "stopped"])
def test_a_run_whose_forerunner_did_not_complete_fails_and_so_do_its_followers(store, end):
    first = waiting(store, 1)
    second = waiting(store, 2, after=first)
    third = waiting(store, 3, after=second)
    claim_next(store, Places(1))
    move(store, first, end)
    assert start_waiting(store, Places(1), launched([])) == []
    assert store.runs.get(second)["message"] == f"It was to start after {first}, which {end}."
    assert {store.runs.get(run)["state"] for run in (second, third)} == {"failed"}
    assert store.runs.get(third)["cause"] == "after_failed"


def test_a_run_is_left_to_a_process_that_has_the_permission_it_needs(store):
    code = waiting(store, 1, needs=frozenset({"code"}))
    free = waiting(store, 2)
    assert drained(store, allow={"hub"}) == [free]
    assert next_start_in(store, {"hub"}) is None
    assert next_start_in(store, {"code", "hub"}) == 0.0
    assert drained(store, allow={"code", "hub"}) == [code]


def test_each_gpu_has_a_run_and_a_cpu_has_one(store):
    for number in range(4):
        waiting(store, number)
    for _ in range(3):
        claim_next(store, Places(count=3, gpus=2))
    assert claim_next(store, Places(count=3, gpus=2)) is None
    assert [row["place"] for row in store.queue.carried()] == ["cuda:0", "cuda:1", "cuda:0"]
    move(store, "run_q_000000", "completed")
    move(store, "run_q_000002", "completed")
    claim_next(store, Places(count=2, gpus=2))
    assert store.runs.get("run_q_000003")["place"] == "cuda:0"
    assert Places(1).free([]) == "cpu"
    assert Places(1).free(["cpu"]) is None


def test_a_worker_sees_its_own_gpu_only(monkeypatch):
    assert visible_at("cpu", {}) is None
    assert visible_at(None, {}) is None
    assert visible_at("cuda:1", {}) == "1"
    assert visible_at("cuda:1", {"CUDA_VISIBLE_DEVICES": "4,GPU-abc"}) == "GPU-abc"
    assert visible_at("cuda:1", {"CUDA_VISIBLE_DEVICES": "4"}) is None
    monkeypatch.setattr("trainwell.runs.places._gpus_there", lambda: 4)
    assert gpu_count() == 4
    for named, count in {"": 0, "-1": 0, "2": 1, "0,1,-1,3": 2, "0,1,2,3,4": 4}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
        assert gpu_count() == count


def test_a_thousand_runs_wait_in_order_and_a_look_reads_no_spec(store):
    with store.database.transaction():
        for number in range(1000):
            waiting(store, number, client=f"client {number % 3}")
    assert store.queue.position("run_q_000999") == 999
    started = [claim_next(store, Places(20))[0] for _ in range(20)]
    assert started == [f"run_q_{number:06}" for number in range(20)]
    plan = store.database.rows(
        "EXPLAIN QUERY PLAN SELECT rowid, handle, state, priority, client, not_before, needs, after FROM runs "
        "WHERE state IN ('queued', 'retrying')"
    )
    assert "COVERING INDEX" in plan[0]["detail"]


DAY = 86_400.0


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_a_clock_that_jumps_kills_nothing_stalls_nothing_and_shows_no_negative_time(store, monkeypatch, jump):
    add_run(store)
    claim_next(store, Places(1))
    store.runs.update("run_toy_000001", step=5, pace=0.5, heartbeat=time.monotonic())
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + jump)
    assert recover(store) == []  # launched a moment ago
    store.runs.update("run_toy_000001", owner=my_identity())
    assert recover(store) == []
    assert not is_stalled(store.runs.get("run_toy_000001"))
    seen = view(store, "run_toy_000001")
    assert seen.eta_seconds == 7.5
    assert seen.seconds >= 0
    store.runs.update("run_toy_000001", heartbeat=time.monotonic() - 1000)
    assert is_stalled(store.runs.get("run_toy_000001"))
    store.runs.update("run_toy_000001", owner={**my_identity(), "boot": "another"})
    assert recover(store) == ["run_toy_000001"]


def test_a_retry_survives_a_clock_that_was_set_back_a_day(store, monkeypatch):
    add_run(store)
    claim_next(store, Places(1))
    end_attempt(store, "run_toy_000001", 1, "process_died", "gone")
    store.runs.update("run_toy_000001", not_before=time.time() + LONGEST_DELAY_SECONDS - 1)
    assert claim_next(store, Places(1)) is None
    assert 0 < next_start_in(store) < LONGEST_DELAY_SECONDS
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() - DAY)
    assert next_start_in(store) == 0.0
    assert claim_next(store, Places(1)) == ("run_toy_000001", 2)


def test_a_process_is_killed_only_when_it_is_the_one_that_is_meant():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    identity = identity_of(process.pid)
    assert not kill({**identity, "ticks": identity["ticks"] - 1})
    assert not kill({**identity, "boot": "another"})
    assert process.poll() is None
    assert kill(identity)
    assert process.wait() == -signal.SIGKILL
    assert not kill(identity)


def test_what_an_older_version_wrote_of_a_process_is_understood():
    process = psutil.Process()
    older = {"pid": process.pid, "started": process.create_time(), "boot": my_identity()["boot"]}
    assert is_alive(older)
    assert not is_alive({**older, "started": older["started"] - 100})


def test_a_failed_attempt_tells_what_was_lost(store, tmp_path):
    add_run(store)
    claim_next(store, Places(1))
    (tmp_path / ".trainwell" / "runs" / "run_toy_000001" / "checkpoints" / "step-00000012").mkdir(parents=True)
    store.runs.update("run_toy_000001", step=20, pace=0.25)
    end_attempt(store, "run_toy_000001", 1, "process_died", "gone")
    ended = store.history.attempts("run_toy_000001")[0]
    assert (ended.step, ended.saved_step, ended.lost_seconds) == (20, 12, 2.0)
