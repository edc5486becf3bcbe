"""Rows 14-16: a disk that fills up, and one that may not be written; a real small file system where root may mount."""

import json
import os
import subprocess
import sys

import pytest

from tests.faults.machinery import Place, kill, strays


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of its own: `small_disk(megabytes)`."""
    mounted = []

    def mounting(megabytes, options="rw"):
        folder = tmp_path / "disk"
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,{options}", "none", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mounting
    for folder in mounted:
        for pid in strays(folder):
            kill(pid)
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_run_keeps_its_checkpoint_and_says_so(small_disk, quick):
    place = Place(small_disk(12), quick)
    data = place.call("prepare_data", source="digits")["data"]
    model = place.call("build_model", data=data, options={"hidden_dims": [64]})["model"]
    made = {"train_loader": data, "model": model}
    place.faults({"fault": "save_often"}, {"fault": "fill", "epoch": 4, "leave": 60_000})
    run = place.train(made, epochs=100)
    row = place.ended(run)
    filling = place.root / "filling"
    assert filling.exists()
    filling.unlink()
    assert (row["state"], row["cause"]) == ("failed", "disk_full"), row["message"]
    assert place.call("evaluate", run=run)["metrics"]["accuracy"] > 0.1
    place.sound(run, epochs=False)
    place.close()


def test_a_full_disk_is_told_at_submit_in_words(small_disk, quick):
    place = Place(small_disk(8), quick)
    made = place.prepare()
    with (place.root / "filling").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    error = place.refuse("prepare_data", source="iris")
    assert error["code"] in {"disk_full", "io_error"}, error
    (place.root / "filling").unlink()
    run = place.train(made, epochs=2)
    assert place.ended(run)["state"] == "completed"
    place.sound(run)
    place.close()


def refused_words(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def system_info(folder):
    return [sys.executable, "-m", "trainwell", "--workspace", str(folder), "call", "list_runs", json.dumps({})]


def test_a_read_only_file_system_is_refused_at_start(small_disk):
    folder = small_disk(1, "ro")
    assert "workspace_not_writable" in refused_words(system_info(folder))


def test_a_folder_of_somebody_else_is_refused_at_start(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)
    become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    reach = subprocess.run([*become, sys.executable, "-c", "import trainwell"], capture_output=True, check=False)
    if reach.returncode or subprocess.run([*become, "ls", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("the other user reaches neither this interpreter nor the folder")
    assert "workspace_not_writable" in refused_words([*become, *system_info(folder)])
