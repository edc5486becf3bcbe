"""The rows of a run are looked at once for each data set, and a fault in looking harms no run."""

import json

import pytest

from tests.factories import add_run
from trainwell import data
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace
from trainwell.worker import data_facts


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path)


@pytest.fixture
def store(workspace):
    opened = Store.open(workspace)
    yield opened
    opened.database.close()


def looked(workspace, store, run):
    """The facts of a new run on iris."""
    prepared = data.prepare(workspace, {"source": "iris"})
    add_run(store, run, data=prepared)
    parts = [data.load_split(workspace, prepared, split) for split in ("train", "validation")]
    data_facts.look(workspace, store, run, prepared, *parts)
    return store.history.facts(run), workspace.data_dir(prepared.handle) / data_facts.FILE


def test_facts_are_kept_beside_the_data_and_used_again(workspace, store):
    first, file = looked(workspace, store, "run_a_000001")
    assert first["data.columns"] == 4
    assert json.loads(file.read_text()) == first

    file.write_text(json.dumps({"data.columns": 5}))
    assert looked(workspace, store, "run_b_000001")[0] == {"data.columns": 5}


def test_a_damaged_file_is_found_anew_and_rows_that_cannot_be_read_cost_no_run(workspace, store, monkeypatch):
    first, file = looked(workspace, store, "run_a_000001")
    file.write_text("{")
    assert looked(workspace, store, "run_b_000001")[0] == first

    def broken(*_, **__):
        raise ValueError("rows")

    file.unlink()
    monkeypatch.setattr(data_facts, "gather", broken)
    assert looked(workspace, store, "run_c_000001")[0] == {}
