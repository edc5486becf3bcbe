"""Rows 23 and 25: a DataLoader of the caller's own program whose worker process hangs, raises, or is killed."""

import json
import subprocess
import sys
import textwrap

import pytest

from trainwell.store.store import Store
from trainwell.store.workspace import Workspace

# What a lost worker looks like depends on what it did when it was lost: torch says so, or its pipe is cut.
LOST = ("loader_failed", "io_error")
SCRIPT = """
    import json, os, signal, sys, time
    from pathlib import Path
    import torch
    from torch.utils.data import DataLoader, Dataset
    import trainwell

    READ = Path("read")  # how often the row was read: by the sample, by epoch 1, by epoch 2, ...

    class Rows(Dataset):
        def __init__(self, armed):
            self.armed = armed
        def __len__(self):
            return 96
        def __getitem__(self, index):
            if index == 40 and self.armed:
                read = READ.read_text() + "x" if READ.exists() else "x"
                READ.write_text(read)
                if len(read) == 3 or (len(read) > 3 and sys.argv[2] == "always"):
                    if sys.argv[1] == "hangs":
                        time.sleep(3600)
                    elif sys.argv[1] == "is_killed":
                        os.kill(os.getpid(), signal.SIGKILL)
                    else:
                        int("row 40 of some file")
            row = torch.randn(4, generator=torch.Generator().manual_seed(index))
            return row, int(row[0] > 0)

    loader = DataLoader(Rows(True), batch_size=16, num_workers=1, timeout=3)
    judged = DataLoader(Rows(False), batch_size=16)
    try:
        run = trainwell.train(torch.nn.Linear(4, 2), loader, val_loader=judged, epochs=3, stream=True, workspace=".",
                              verbose=False, early_stopping=0)
        print(json.dumps({"state": run.state}))
    except Exception as error:
        print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""


@pytest.mark.parametrize("harm", ["hangs", "is_killed"])
def test_a_loader_that_loses_its_worker_once_is_read_again_and_the_run_goes_on(tmp_path, harm):
    told, row, attempts = run_script(tmp_path, harm, "once")
    assert told == {"state": "completed"}
    first, second = (one.cause for one in attempts)
    assert first in LOST
    assert second is None
    assert (row["epoch"], row["step"]) == (3, 18)


def test_a_loader_that_loses_its_worker_each_time_fails_with_its_cause(tmp_path):
    told, row, attempts = run_script(tmp_path, "is_killed", "always")
    assert told["error"]
    assert row["state"] == "failed"
    assert row["cause"] in LOST
    assert len(attempts) == 3


def test_an_error_within_a_loader_is_told_with_its_row_and_not_tried_again(tmp_path):
    told, row, attempts = run_script(tmp_path, "raises", "always")
    assert "row 40 of some file" in told["text"]
    assert (row["state"], len(attempts)) == ("failed", 1)


def run_script(folder, *arguments):
    path = folder / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, str(path), *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout, done.stderr[-2000:]
    store = Store.open(Workspace.open(folder))
    [row] = store.runs.in_states(("completed", "failed"))
    attempts = store.history.attempts(row["handle"])
    store.database.close()
    return json.loads(done.stdout.splitlines()[-1]), row, attempts
