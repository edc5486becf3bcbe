"""From files on disk to predictions on raw rows, through the real tools and real workers."""

import os
import signal

import pytest

from tests.waiting import ended, until


@pytest.fixture
def trained(services, call):
    """Train to the end and give the run: `trained(data, "cnn", options={...}, epochs=3)`."""

    def training(data, architecture="auto", options=None, **arguments):
        model = call("build_model", data=data, architecture=architecture, options=options or {})["model"]
        run = call("train", model=model, train_loader=data, **arguments)["run"]
        assert ended(services, run)["state"] == "completed", call("get_run", run=run)
        return run

    return training


@pytest.fixture
def resumes(services, call):
    """Kill the worker after its first checkpoint; the run must go on from there and end.

    The arguments must make a run of a few seconds: a checkpoint is written every two.
    """

    def killing(data, architecture, options=None, **arguments):
        model = call("build_model", data=data, architecture=architecture, options=options or {})["model"]
        run = call("train", model=model, train_loader=data, early_stopping=0, **arguments)["run"]
        folder = services.workspace.run_dir(run) / "checkpoints"
        until(lambda: list(folder.glob("step-*/manifest.json")), what="a checkpoint")
        os.kill(services.store.runs.get(run)["owner"]["pid"], signal.SIGKILL)
        row = ended(services, run)
        attempts = services.store.history.attempts(run)
        assert (row["state"], attempts[0].cause) == ("completed", "process_died")
        assert attempts[-1].resumed_from_step > 0
        assert [one.epoch for one in services.store.history.epochs(run)] == list(range(1, row["epoch"] + 1))
        return run

    return killing
