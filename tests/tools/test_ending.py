"""Stopping twice, resuming, deleting and the quota: through the front door, with real workers."""

import os
import signal

import apsw
import pytest

from tests.waiting import at_epoch, ended, until
from trainwell.runs.liveness import is_alive
from trainwell.training import checkpoint


@pytest.fixture
def trained(call):
    """Train on iris: `trained(epochs=3)` gives the handle, at once."""
    data = call("prepare_data", source="iris")["data"]
    model = call("build_model", data=data, options={"hidden_dims": [4]})["model"]

    def training(**arguments):
        return call("train", model=model, train_loader=data, **{"early_stopping": 0, **arguments})["run"]

    return training


def last(services, run):
    return checkpoint.read_last(services.workspace.run_dir(run) / "checkpoints")


def frozen(services, pid):
    """Stop a process, so that it saves nothing, whatever it is asked; let it go again if it holds the store."""
    os.kill(pid, signal.SIGSTOP)
    connection = apsw.Connection(str(services.workspace.database))
    try:
        connection.execute("BEGIN IMMEDIATE; ROLLBACK")
    except apsw.BusyError:
        os.kill(pid, signal.SIGCONT)
        return False
    finally:
        connection.close()
    return True


def test_a_second_stop_ends_a_worker_that_does_not_listen(services, call, trained):
    run = trained(epochs=1000)
    at_epoch(services, run, 2)
    owner = services.store.runs.get(run)["owner"]
    until(lambda: frozen(services, owner["pid"]), what="a worker that hangs without holding the store")
    assert call("stop_run", run=run, wait_seconds=0)["state"] == "stopping"
    assert call("stop_run", run=run, wait_seconds=0)["state"] == "stopped"
    until(lambda: not is_alive(owner), what="its end")
    row = services.store.runs.get(run)
    assert (row["outcome"], row["owner"]) == ("killed", None)
    assert services.store.history.attempts(run)[-1].outcome == "killed"
    assert call("stop_run", run=run)["summary"].startswith("It had ended before.")


def test_a_stopped_run_that_is_resumed_ends_with_the_weights_of_one_that_was_not(services, call, trained):
    whole = trained(epochs=150, deterministic=True)
    ended(services, whole)
    run = trained(epochs=150, deterministic=True)
    at_epoch(services, run, 3)
    assert call("stop_run", run=run, wait_seconds=20)["state"] == "stopped"
    stopped_at = services.store.runs.get(run)["epoch"]
    assert stopped_at < 150
    resumed = call("resume_run", run=run)
    assert (resumed["run"], resumed["kept"]) == (run, "state")
    assert "parent" not in resumed
    row = ended(services, run)
    assert (row["state"], row["epoch"], row["attempt"]) == ("completed", 150, 2)
    ours, theirs = last(services, run)[0], last(services, whole)[0]
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_a_completed_run_goes_on_with_more_epochs_as_a_child_that_keeps_the_state(services, call, refuse, trained):
    run = trained(epochs=3)
    ended(services, run)
    assert refuse("resume_run", run=run)["code"] == "nothing_to_resume"
    assert refuse("resume_run", run=run, epochs=2)["code"] == "epochs_too_few"
    answer = call("resume_run", run=run, epochs=6, wait_seconds=20)
    child = answer["run"]
    assert (answer["parent"], answer["kept"]) == (run, "state")
    row = ended(services, child)
    assert (row["state"], row["epoch"], row["parent"]) == ("completed", 6, run)
    assert services.store.history.attempts(child)[0].resumed_from_step == answer["from_step"] > 0
    assert [one.epoch for one in services.store.history.epochs(child)] == [1, 2, 3, 4, 5, 6]
    assert call("get_run", run=child)["parent"] == run
    assert services.store.runs.get(run)["epoch"] == 3
    assert call("evaluate", run=child)["rows"] > 0


def test_early_stopping_does_not_end_a_child_at_once(services, call, trained):
    run = trained(epochs=400, early_stopping=2, warmup=0)
    row = ended(services, run)
    assert row["outcome"] == "early_stopping"
    child = call("resume_run", run=run, epochs=row["epoch"] + 4, early_stopping=0)["run"]
    assert ended(services, child)["epoch"] == row["epoch"] + 4


def test_another_batch_size_keeps_the_weights_and_says_that_it_keeps_no_more(services, call, trained):
    run = trained(epochs=2)
    ended(services, run)
    answer = call("resume_run", run=run, batch_size=8, epochs=2)
    assert (answer["kept"], answer["from_step"]) == ("weights", 0)
    assert "count anew" in answer["summary"]
    assert ended(services, answer["run"])["state"] == "completed"


def test_what_runs_is_neither_resumed_nor_deleted(services, call, refuse, trained):
    run, waits = trained(epochs=1000), trained(epochs=1, priority="low")
    for tool in ("resume_run", "delete_run"):
        error = refuse(tool, run=run)
        assert error["code"] == "run_is_running"
        assert error["next_call"]["tool"] == "stop_run"
    assert refuse("resume_run", run=waits)["code"] == "run_is_waiting"
    seen = call("get_run", run=waits)
    assert (seen["position"], seen["priority"]) == (1, "low")
    follower = trained(epochs=1, after=waits)
    assert call("delete_run", run=waits, confirm=True)["run"] == waits
    assert services.store.runs.get(follower)["message"].endswith("which was deleted.")
    assert call("stop_run", run=run, wait_seconds=20)["state"] == "stopped"


def test_a_run_is_deleted_whole_and_only_when_that_is_confirmed(services, call, refuse, trained):
    run = trained(epochs=2)
    ended(services, run)
    until((services.workspace.run_dir(run) / "report" / "curves.png").exists, what="the report")
    saved = call("save_checkpoint", run=run, path="kept.safetensors")["checkpoint"]
    error = refuse("delete_run", run=run)
    assert error["code"] == "not_confirmed"
    assert call(error["next_call"]["tool"], **error["next_call"]["arguments"])["freed_bytes"] > 0
    assert refuse("get_run", run=run)["code"] == "unknown_handle"
    assert list((services.workspace.state / "runs").iterdir()) == []
    for table in ("attempts", "epochs", "findings"):
        assert services.store.database.row(f"SELECT run FROM {table}") is None  # noqa: S608
    assert call("predict", checkpoint=saved, source="iris")["count"] == 150


def test_over_the_quota_nothing_starts_and_nothing_is_deleted(services, call, refuse, trained):
    run = trained(epochs=2)
    ended(services, run)
    object.__setattr__(services.workspace, "disk_quota", 1e-6)
    error = refuse("train", model="latest", train_loader="latest")
    assert error["code"] == "over_quota"
    assert error["next_call"] == {"tool": "delete_run", "arguments": {"run": run, "confirm": True}}
    assert services.workspace.run_dir(run).exists()
    object.__setattr__(services.workspace, "disk_quota", 10.0)
    trained(epochs=1)
