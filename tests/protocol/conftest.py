"""The real server in memory, over a store with a few made-up rows: nothing is trained here."""

import math

import pytest

from tests.factories import add_run, model_spec, prepared_data
from trainwell.contract.trace import EpochRecord
from trainwell.protocol.server import build_server

RUN = "run_toy_000001"


@pytest.fixture
def stored(services):
    """Services over a store with one running run, its model and data, and a checkpoint."""
    store = services.store
    store.artifacts.put_data(prepared_data())
    store.artifacts.put_model(model_spec())
    spec = add_run(store, RUN)
    store.runs.update(RUN, state="running", epoch=2)
    epochs = [EpochRecord(1, 10, train_loss=0.7, val_loss=0.6), EpochRecord(2, 20, train_loss=math.nan, val_loss=0.5)]
    store.history.put_epochs(RUN, epochs)
    card = {"run": RUN, "which": "best", "epoch": 2, "step": 20, "metrics": {}, "config": {},
            "model": spec.model.model_dump(mode="json"), "data": spec.data.model_dump(mode="json")}  # fmt: skip
    store.artifacts.put_checkpoint("toy.safetensors", card)
    folder = services.workspace.run_dir(RUN)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("attempt 1 begins\n", encoding="utf-8")
    return services


@pytest.fixture
def server(stored):
    return build_server(stored)
