"""What an agent sees of a run."""

import json
import math
import time

import pytest

from tests.factories import add_run
from trainwell.contract.findings import Finding, Fix
from trainwell.contract.trace import EpochRecord
from trainwell.runs.lifecycle import move
from trainwell.runs.liveness import a_claim, my_identity
from trainwell.runs.view import next_step, summary, view
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace

RUN = "run_toy_000001"


@pytest.fixture
def store(tmp_path):
    opened = Store.open(Workspace.open(tmp_path))
    add_run(opened)
    return opened


def test_a_nan_metric_is_null_with_a_note_and_the_answer_is_json(store):
    store.history.put_epochs(RUN, [EpochRecord(epoch=3, step=9, train_loss=math.nan, val_loss=math.inf, lr=0.1)])
    seen = view(store, RUN)
    assert seen.metrics == {"train_loss": None, "val_loss": None, "val_accuracy": None, "gpu_memory": None, "lr": 0.1}
    assert seen.notes == [
        "train_loss is NaN at epoch 3 (null in metrics).",
        "val_loss is infinity at epoch 3 (null in metrics).",
    ]
    json.dumps(seen.model_dump(), allow_nan=False)


def test_findings_are_pushed_three_at_most_the_critical_call_first(store):
    call = {"tool": "train", "arguments": {"lr": 0.1}}
    fix = Fix(reason="Lower it.", patch={"train": {"lr": 0.1}}, expected="It falls.", next_call=call)
    found = [
        Finding(
            code=f"rule_{number}",
            severity="critical",
            symptom="It rises.",
            cause="c",
            confidence=0.9,
            evidence={},
            fixes=(fix,),
        )
        for number in range(5)
    ]
    store.history.set_findings(RUN, found)
    seen = view(store, RUN)
    assert [one.code for one in seen.findings] == ["rule_0", "rule_1", "rule_2"]
    assert "It rises. Fix: Lower it." in summary(seen, "val_accuracy")
    assert next_step(seen)["tool"] == "get_run"
    move(store, RUN, "running", owner=a_claim(), started_at=time.time())
    move(store, RUN, "failed", cause="non_finite_loss", message="NaN", ended_at=time.time())
    assert next_step(view(store, RUN)) == call


def test_a_run_without_a_word_for_long_is_called_stalled(store):
    move(store, RUN, "running", started_at=time.time() - 500, owner=my_identity(), heartbeat=time.monotonic() - 400)
    assert any("No word" in note for note in view(store, RUN).notes)
