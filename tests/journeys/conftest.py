"""From files on disk to predictions on raw rows, through the real tools and real workers."""

import json

import pytest

from tests.waiting import ended


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
def resumes(injected_workers, services, call):
    """A worker that is killed after its first checkpoint; the run must go on from there and end."""

    def killing(data, architecture, options=None, **arguments):
        model = call("build_model", data=data, architecture=architecture, options=options or {})["model"]
        faults = [{"fault": "save_often", "wait": True, "attempts": [1]}, {"fault": "die_when_saved", "attempts": [1]}]
        (services.workspace.root / "faults.json").write_text(json.dumps(faults))
        run = call("train", model=model, train_loader=data, early_stopping=0, **arguments)["run"]
        row = ended(services, run)
        attempts = services.store.history.attempts(run)
        assert (row["state"], [one.cause for one in attempts]) == ("completed", ["process_died", None])
        assert attempts[-1].resumed_from_step > 0
        assert [one.epoch for one in services.store.history.epochs(run)] == list(range(1, row["epoch"] + 1))
        return run

    return killing
