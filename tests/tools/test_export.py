"""Exports and reproductions through the front door, of runs that were really trained."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.waiting import ended


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A busy machine is not a fault."""
    monkeypatch.setattr("trainwell.tools.services.PATIENCE_SECONDS", 600.0)


@pytest.fixture
def trained(call, services):
    data = call("prepare_data", source="iris")["data"]
    model = call("build_model", data=data, options={"hidden_dims": [8]})["model"]

    def training(**arguments):
        run = call("train", model=model, train_loader=data, **{"epochs": 12, **arguments})["run"]
        assert ended(services, run)["state"] == "completed"
        return run

    return training


def test_a_run_and_a_checkpoint_are_exported_with_a_card_that_holds_the_metrics(call, services, trained, refuse):
    run = trained()
    told = call("export_model", run=run, format="safetensors", path="out/iris.safetensors")
    assert told["real_rows"]
    assert told["largest_difference"] <= 1e-6
    assert [services.workspace.root / file for file in told["files"]] == [
        services.workspace.root / "out" / f"iris.safetensors{suffix}" for suffix in ("", ".json", ".md")
    ]
    card = (services.workspace.root / "out/iris.safetensors.md").read_text(encoding="utf-8")
    accuracy = call("evaluate", run=run)["metrics"]["accuracy"]
    assert f"| accuracy | {accuracy:.4g} |" in card
    checkpoint = call("load_checkpoint", path="out/iris.safetensors")["checkpoint"]
    again = call("export_model", checkpoint=checkpoint, format="torch_export")
    assert again["path"].endswith(".pt2")
    assert again["largest_difference"] <= 1e-5
    assert refuse("export_model", run=run, format="safetensors", path="out/iris.safetensors")["code"] == "file_exists"
    assert refuse("export_model", run=run, format="onnx", path="iris.pt2")["code"] == "unknown_format"
    assert refuse("export_model", run=run, format="onnx", path="../iris.onnx")["code"] == "path_outside_workspace"


@pytest.mark.slow
def test_an_onnx_file_predicts_what_the_run_predicts(call, services, trained):
    import onnxruntime

    run = trained()
    told = call("export_model", run=run, format="onnx", path="iris.onnx")
    assert told["expects"]["inputs"] == {"x": "(rows, 4) float32"}
    session = onnxruntime.InferenceSession(
        str(services.workspace.root / "iris.onnx"), providers=["CPUExecutionProvider"]
    )
    folder = services.workspace.data_dir(services.store.runs.get(run)["data"])
    x, y = (np.load(folder / f"test_{name}.npy", allow_pickle=False) for name in ("x", "target"))
    share = float((session.run(None, {"x": x})[0].argmax(1) == y).mean())
    assert share == pytest.approx(call("evaluate", run=run)["metrics"]["accuracy"], abs=1e-4)


SETTINGS = [
    ("digits", {"epochs": 6}),
    ("breast_cancer", {"epochs": 20, "class_weights": "balanced", "early_stopping": 2, "scheduler": "cosine"}),
    ("diabetes", {"epochs": 8, "ema": 0.9, "accumulate": 2, "optimizer": "sgd", "augment": ["mixup"]}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "settings"), SETTINGS)
def test_a_script_trains_the_same_without_trainwell(call, services, source, settings):
    data = call("prepare_data", source=source)["data"]
    model = call("build_model", data=data, options={"hidden_dims": [16]})["model"]
    run = call("train", model=model, train_loader=data, deterministic=True, **settings)["run"]
    best = ended(services, run)["best_metrics"]
    told = call("export_model", run=run, format="script", path="again.py")
    assert told["notes"] == []
    text = (services.workspace.root / "again.py").read_text(encoding="utf-8")
    assert "import trainwell" not in text
    assert "from trainwell" not in text
    command = [sys.executable, "-I", "again.py", "--out", "again.npz"]
    done = subprocess.run(command, cwd=services.workspace.root, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["best_epoch"] == services.store.runs.get(run)["best_epoch"]
    for name, value in best.items():
        assert found[name] == pytest.approx(value, rel=1e-3), name
    tested = call("evaluate", run=run)["metrics"]
    name = "accuracy" if "accuracy" in tested else "r2"
    assert found[f"test_{name}"] == pytest.approx(tested[name], abs=0.01)
    assert set(np.load(services.workspace.root / "again.npz", allow_pickle=False).files)


def test_what_a_script_cannot_say_is_told_and_stands_in_it(call, services, trained):
    run = trained(optimizer="muon", swa=0.2)
    told = call("export_model", run=run, format="script")
    assert [note.split(" ")[0] for note in told["notes"]] == ["muon", "swa"]
    text = (services.workspace.root / told["path"]).read_text(encoding="utf-8")
    assert all(note in text for note in told["notes"])


def test_a_deterministic_run_is_reproduced_bit_for_bit(call, services, trained, refuse):
    run = trained(deterministic=True, seed=3)
    first = call("reproduce", run=run)
    assert (first["run"], first["seed"]) == (run, 3)
    assert first["data"]["sha256"] == services.store.runs.spec(run).data.fingerprint
    ended(services, first["again"])
    told = call("reproduce", run=run)
    assert told["again"] == first["again"]
    assert told["identical"] is True
    assert told["weights"]["best"]["sha256"][0] == told["weights"]["best"]["sha256"][1]
    assert told["metrics"]["largest_difference"] == 0
    assert told["environment"]["differs"] == {}
    assert {"torch", "python", "numpy", "threads", "device"} <= set(told["environment"]["of_both"])
    assert call("get_run", run=first["again"])["reproduces"] == run


def test_what_changed_meanwhile_is_told_by_how_much(call, services, trained):
    run = trained(deterministic=True)
    again = call("reproduce", run=run)["again"]
    ended(services, again)
    other = trained(deterministic=True, seed=1)
    services.store.runs.update(again, reproduces=None)
    services.store.runs.update(other, reproduces=run)
    told = call("reproduce", run=run)
    assert (told["again"], told["identical"]) == (other, False)
    assert told["weights"]["best"]["largest_difference"] > 0
    assert told["metrics"]["largest_difference"] > 0
    assert "not" in told["summary"].splitlines()[0]


def test_only_a_whole_run_from_its_beginning_is_reproduced(call, services, trained, refuse):
    run = trained()
    child = call("resume_run", run=run, epochs=14)["run"]
    ended(services, child)
    error = refuse("reproduce", run=child)
    assert (error["code"], error["next_call"]["arguments"]) == ("goes_on_from_another", {"run": run})
    services.store.runs.update(run, state="stopped")
    assert refuse("reproduce", run=run)["code"] == "run_not_completed"
