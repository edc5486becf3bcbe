"""Prepared data is made once, whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from trainwell import data
from trainwell.contract.errors import TrainwellError
from trainwell.data import cache, hashes
from trainwell.data.kinds import tabular

PREPARE = (
    "import sys, pathlib; from trainwell import data; from trainwell.store.workspace import Workspace\n"
    "w = Workspace.open(pathlib.Path(sys.argv[1])); sys.stdin.readline()\n"
    "sys.stdout.write(data.prepare(w, {'source': 'digits'}).handle)"
)
# Dies between the last array and the rename.
KILLED = (
    "import os, sys, pathlib; from trainwell import data; from trainwell.data import cache\n"
    "from trainwell.store.workspace import Workspace\n"
    "cache._publish = lambda *arguments: os.kill(os.getpid(), 9)\n"
    "data.prepare(Workspace.open(pathlib.Path(sys.argv[1])), {'source': 'iris'})"
)


def folders(workspace):
    return sorted(entry.name for entry in (workspace.state / "data").iterdir())


def test_the_same_call_reads_nothing_twice_and_gives_the_same_handle(workspace, monkeypatch):
    first = data.prepare(workspace, {"source": "iris"})
    monkeypatch.setattr(tabular, "prepare", None)
    assert data.prepare(workspace, {"source": "iris"}) == first
    assert data.load_prepared(workspace, first.handle) == first


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"test_fraction": 0.3}, {"split": "random"}, {"drop_columns": ["ash"]}]
)
def test_other_arguments_give_other_data(workspace, change):
    first = data.prepare(workspace, {"source": "wine"})
    assert data.prepare(workspace, {"source": "wine", **change}).handle != first.handle


def test_other_content_of_the_same_name_gives_other_data(workspace):
    handles = set()
    for last in "ab":
        rows = "".join(f"{n * 0.7},{'ab'[n % 2]}\n" for n in range(40))
        (workspace.root / "t.csv").write_text(f"x,y\n{rows}1,{last}\n")
        handles.add(data.prepare(workspace, {"source": "t.csv", "target": "y"}).handle)
    assert len(handles) == 2


def test_the_same_seed_gives_the_same_arrays_bit_for_bit(workspace):
    first = data.prepare(workspace, {"source": "digits"})
    before = data.load_split(workspace, first, "train").inputs[0].tobytes()
    shutil.rmtree(workspace.data_dir(first.handle))
    again = data.prepare(workspace, {"source": "digits"})
    assert data.load_split(workspace, again, "train").inputs[0].tobytes() == before


def test_two_processes_that_prepare_the_same_at_once_both_succeed(workspace):
    workers = [
        subprocess.Popen([sys.executable, "-c", PREPARE, str(workspace.root)], stdin=-1, stdout=-1, text=True)
        for _ in range(3)
    ]
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    handles = {worker.communicate(timeout=240)[0] for worker in workers}
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert folders(workspace) == sorted(handles)
    assert len(handles) == 1


def test_the_loser_of_a_race_takes_what_the_winner_made(workspace, monkeypatch):
    publish = cache._publish

    def late(*arguments):
        monkeypatch.setattr(cache, "_publish", publish)
        data.prepare(workspace, {"source": "iris"})
        return publish(*arguments)

    monkeypatch.setattr(cache, "_publish", late)
    assert folders(workspace) == []
    handle = data.prepare(workspace, {"source": "iris"}).handle
    assert folders(workspace) == [handle]


def test_what_a_killed_process_left_is_swept_and_a_living_one_is_not(workspace):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(workspace.root)], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert len(folders(workspace)) == 1
    mine = cache._temporary(workspace.state / "data")
    mine.mkdir()
    assert len(folders(workspace)) == 2
    handle = data.prepare(workspace, {"source": "iris"}).handle
    assert folders(workspace) == sorted([mine.name, handle])


@pytest.mark.parametrize("number", range(12))
def test_a_write_that_fails_anywhere_leaves_nothing_behind(workspace, monkeypatch, number):
    calls = iter(range(1000))
    sync = os.fsync

    def fsync(descriptor):
        if next(calls) == number:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(TrainwellError) as caught:
        data.prepare(workspace, {"source": "iris"})
    assert caught.value.code == "disk_full"
    assert folders(workspace) == []


def test_a_damaged_folder_is_made_anew(workspace):
    prepared = data.prepare(workspace, {"source": "iris"})
    expected = np.array(data.load_split(workspace, prepared, "train").inputs[0])
    for damage in ("train_x.npy", "meta.json"):
        path = workspace.data_dir(prepared.handle) / damage
        path.write_bytes(path.read_bytes()[:50])
        with pytest.raises(TrainwellError) as caught:
            data.load_split(workspace, data.load_prepared(workspace, prepared.handle), "train")
        assert caught.value.code == "data_damaged"
        again = data.prepare(workspace, {"source": "iris"})
        assert again == prepared
        np.testing.assert_array_equal(data.load_split(workspace, again, "train").inputs[0], expected)


def test_two_contents_whose_handles_would_collide_get_longer_ones(workspace, monkeypatch):
    monkeypatch.setattr(cache, "fingerprint_of", lambda content, _: "a" * 8 + content)
    monkeypatch.setattr("trainwell.data.doors.fingerprint_of", cache.fingerprint_of)
    handles = []
    for last in "ab":
        rows = "".join(f"{n * 0.7},{'ab'[n % 2]}\n" for n in range(40))
        (workspace.root / "t.csv").write_text(f"x,y\n{rows}1,{last}\n")
        handles.append(data.prepare(workspace, {"source": "t.csv", "target": "y"}).handle)
    assert handles[0] == "data_t_aaaaaa"
    assert handles[1].startswith("data_t_aaaaaaaa")
    assert [data.load_prepared(workspace, handle).handle for handle in handles] == handles


def test_unknown_handles_and_splits_are_named(workspace):
    with pytest.raises(TrainwellError) as caught:
        data.load_prepared(workspace, "data_iris_000000")
    assert caught.value.code == "unknown_handle"
    with pytest.raises(TrainwellError):
        data.load_prepared(workspace, "../../etc")
    prepared = data.prepare(workspace, {"source": "iris"})
    with pytest.raises(TrainwellError) as caught:
        data.load_split(workspace, prepared, "tset")
    assert caught.value.code == "data_damaged"


def test_loaded_arrays_may_be_written_to_without_touching_the_file(workspace):
    prepared = data.prepare(workspace, {"source": "iris"})
    arrays = data.load_split(workspace, prepared, "train")
    kept = float(arrays.inputs[0][0, 0])
    arrays.inputs[0][0, 0] = 99
    assert float(data.load_split(workspace, prepared, "train").inputs[0][0, 0]) == kept


def test_a_large_file_is_hashed_once_and_again_when_it_changes(workspace, monkeypatch):
    read = []
    real = hashes.content_hash
    monkeypatch.setattr(hashes, "content_hash", lambda source: (read.append(source.name), real(source))[1])
    monkeypatch.setattr(hashes, "_WORTH_BYTES", 0)
    path = workspace.root / "t.csv"
    path.write_text("x,y\n" + "".join(f"{n},{'ab'[n % 3 > 0]}\n" for n in range(90)))
    call = {"source": "t.csv", "target": "y", "columns": ["x"]}
    fresh = data.prepare(workspace, call)
    data.prepare(workspace, call)
    assert len(read) == 2  # it changed just now: another change might look the same
    monkeypatch.setattr(hashes, "_UNSETTLED_SECONDS", -1.0)
    assert [data.prepare(workspace, call).handle for _ in range(3)] == [fresh.handle] * 3
    assert len(read) == 3
    before = path.stat()
    path.write_text(path.read_text().replace("89,b", "88,b"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time of change
    assert data.prepare(workspace, call).handle != fresh.handle
    assert len(read) == 4


def test_a_damaged_memory_of_hashes_is_made_anew(workspace, monkeypatch):
    monkeypatch.setattr(hashes, "_WORTH_BYTES", 0)
    monkeypatch.setattr(hashes, "_UNSETTLED_SECONDS", -1.0)
    (workspace.root / "t.csv").write_text("x,y\n" + "".join(f"{n},{'ab'[n % 3 > 0]}\n" for n in range(90)))
    call = {"source": "t.csv", "target": "y", "columns": ["x"]}
    handle = data.prepare(workspace, call).handle
    (memory,) = (workspace.state / "hashes").iterdir()
    for text in ("", "[]", '{"state": 1}', "\x00"):
        memory.write_text(text)
        assert data.prepare(workspace, call).handle == handle
