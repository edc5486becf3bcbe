"""What is left over is found, and mended only when that is asked for."""

import subprocess
import sys

import pytest

from tests.factories import add_run, run_spec
from trainwell.contract.trace import AttemptRecord, EpochRecord
from trainwell.runs.lifecycle import move
from trainwell.runs.liveness import identity_of
from trainwell.runs.mending import look_over
from trainwell.runs.places import Places
from trainwell.runs.queue import claim_next
from trainwell.runs.record import keep
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace

RUN = "run_toy_000001"


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path)


@pytest.fixture
def store(workspace):
    return Store.open(workspace)


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identity_of(process.pid)
    process.communicate(b"\n")
    return identity


def mended(workspace):
    """What is told without and with --repair, and again behind it."""
    before, done, after = (
        [(fault.told, fault.mended) for fault in look_over(workspace, repair=repair)] for repair in (False, True, False)
    )
    return before, done, after


def test_a_sound_workspace_has_no_faults(workspace, store):
    add_run(store)
    assert mended(workspace) == ([], [], [])


def test_a_lease_of_a_dead_worker_and_its_temporary_files_are_cleared_away(workspace, store):
    add_run(store)
    claim_next(store, Places(1))
    gone = dead_process()
    store.runs.update(RUN, owner=gone)
    folder = workspace.run_dir(RUN) / "checkpoints"
    folder.mkdir(parents=True)
    leftover = workspace.state / "data" / f".tmp-{gone['pid']}-data_toy"
    leftover.mkdir()
    kept = folder / f".tmp-{identity_of(1)['pid']}-step-00000005"
    kept.mkdir()
    before, done, after = mended(workspace)
    assert len(before) == len(done) == 2
    assert [mend for _, mend in before + done] == [False, False, True, True]
    assert done[0][0] == f"the worker of {RUN} is gone, now retrying"
    assert after == []
    assert not leftover.exists()
    assert [path.name for path in folder.iterdir()] == [kept.name]


def test_a_folder_without_a_row_is_entered_again_and_one_without_a_record_is_told(workspace, store):
    add_run(store)
    claim_next(store, Places(1))
    store.history.put_attempt(RUN, AttemptRecord(1, 5.0, outcome="completed"))
    store.history.put_epochs(RUN, [EpochRecord(epoch=1, step=4)])
    move(store, RUN, "completed", best_score=0.5)
    keep(workspace, store, RUN)
    before_row, epochs = store.runs.get(RUN), store.history.epochs(RUN)
    store.runs.delete(RUN)
    workspace.run_dir("run_toy_00000x").mkdir()
    before, done, after = mended(workspace)
    assert (len(before), [mend for _, mend in done], len(after)) == (2, [True, False], 1)
    row = store.runs.get(RUN)
    same = ("state", "spec", "arguments", "plan", "best_score", "created_at")
    assert {name: row[name] for name in same} == {name: before_row[name] for name in same}
    assert store.history.epochs(RUN) == epochs
    assert store.artifacts.model(run_spec().model.handle) == run_spec().model


def test_a_run_that_has_lost_its_folder_is_told(workspace, store):
    add_run(store)
    store.runs.update(RUN, step=3)
    assert mended(workspace)[2] == [(f"{RUN} has lost its folder: its weights are gone", False)]


def test_a_damaged_store_is_set_aside_and_rebuilt_from_the_folders(workspace, store):
    for number in range(3):
        add_run(store, f"run_toy_00000{number}")
        keep(workspace, store, f"run_toy_00000{number}")
    (workspace.run_dir(RUN) / "checkpoints" / "step-00000007").mkdir(parents=True)
    store.database.close()
    workspace.database.write_bytes(b"no database at all" * 4096)
    before, done, after = mended(workspace)
    assert len(before) == 1
    assert "damaged" in before[0][0]
    assert len(done) == 4
    assert all(mend for _, mend in done)
    assert after == []
    assert workspace.database.with_name("store.sqlite.damaged-1").stat().st_size > 0
    row = Store.open(workspace).runs.get(RUN)
    assert (row["state"], row["outcome"], row["step"]) == ("stopped", "entered_again", 7)


def test_the_rows_on_sound_pages_of_a_damaged_store_are_saved(workspace, store):
    with store.database.transaction():
        for number in range(200):
            add_run(store, f"run_toy_{number:06}")
    store.database.close()
    content = bytearray(workspace.database.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    workspace.database.write_bytes(content)
    list(look_over(workspace, repair=True))
    saved = Store.open(workspace).runs.all_handles()
    assert len(saved) > 100
    assert {"run_toy_000000", "run_toy_000199"} <= saved
