"""Every format of several families: the file is written, read back and run, with one row and with many."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.factories import model_spec, prepared_data, train_config
from trainwell import architectures
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Shapes, TensorSpec
from trainwell.data.parts import SplitArrays
from trainwell.evaluation import exporting
from trainwell.evaluation.exporting import onnx
from trainwell.tools.export_model import SUFFIXES
from trainwell.training.portable import read_file

NUMBERS = TensorSpec(name="x", shape=(12,))
BENT = TensorSpec(name="x", shape=(12,), knots=((-1.0, -0.5, 0.0, 1.5), (), *[(-1.0, 0.0, 1.0)] * 10))
CATEGORIES = TensorSpec(name="categories", shape=(2,), dtype="int64", role="categories", sizes=(70, 90))
PICTURES = TensorSpec(name="image", shape=(1, 8, 8), dtype="uint8", role="image", mean=(33.0,), std=(60.0,))
STEPS = TensorSpec(name="series", shape=(24, 3), role="sequence", sizes=(1,))
LENGTH = TensorSpec(name="length", shape=(), dtype="int64", role="length")
TOKENS = TensorSpec(name="tokens", shape=(16,), dtype="int32", role="tokens", sizes=(100,))
STACK = {"layers": [{"type": "Linear", "out_features": 16}, "ReLU", {"residual": ["BatchNorm1d", "GELU"]}]}
STACK_OF_PICTURES = {
    "layers": [
        {"type": "Conv2d", "out_channels": 4, "kernel_size": 3}, "BatchNorm2d", "ReLU", {"branch": [[], ["Tanh"]]},
        {"type": "MaxPool2d", "kernel_size": 2}, {"type": "Linear", "out_features": 8}, "ReLU",
    ]
}  # fmt: skip
OUTPUTS = {"classification": 3, "regression": 1, "forecasting": 6, "reconstruction": 64}

FAMILIES = [
    ("onnx", "mlp", (NUMBERS, CATEGORIES), "classification", {}),
    ("onnx", "cnn", (PICTURES,), "classification", {}),
    ("onnx", "gru", (STEPS,), "classification", {}),
    ("onnx", "transformer", (TOKENS, LENGTH), "classification", {}),
    ("onnx", "tabular", (NUMBERS,), "regression", {}),
    ("onnx", "tabular", (BENT, CATEGORIES), "classification", {}),
    ("script", "tabular", (BENT,), "regression", {}),
    ("torch_export", "tabular", (BENT,), "classification", {}),
    ("torch_export", "resnet", (PICTURES,), "classification", {}),
    ("torch_export", "vit", (PICTURES,), "classification", {}),
    ("torch_export", "lstm", (STEPS,), "forecasting", {}),
    ("torch_export", "tcn", (STEPS,), "forecasting", {}),
    ("torch_export", "autoencoder", (PICTURES,), "reconstruction", {}),
    ("torch_export", "layers", (NUMBERS,), "classification", STACK),
    ("torch_export", "bag", (TOKENS, LENGTH), "classification", {}),
    ("safetensors", "transformer", (STEPS,), "forecasting", {}),
    ("safetensors", "gru", (TOKENS, LENGTH), "classification", {}),
    ("script", "gru", (STEPS,), "forecasting", {}),
    ("script", "transformer", (TOKENS, LENGTH), "classification", {}),
    ("script", "resnet", (PICTURES,), "classification", {}),
    ("script", "layers", (PICTURES,), "classification", STACK_OF_PICTURES),
]


def trained(architecture, inputs, task, options):
    """A network with batch norm's statistics of its own, as training leaves it."""
    shapes = Shapes(inputs=inputs, num_outputs=OUTPUTS[task], task=task)
    torch.manual_seed(0)
    module = architectures.build(architecture, options, shapes)
    target_shape = {"forecasting": (6, 1), "reconstruction": (64,)}.get(task, ())
    data = prepared_data(
        inputs=inputs, task=task, classes=("a", "b", "c") if task == "classification" else (), target_shape=target_shape
    )
    model = model_spec(
        architecture=architecture, options=architectures.resolve(architecture, options, shapes), shapes=shapes
    )
    card = {
        "run": "run_toy_000001", "which": "best", "epoch": 3, "step": 30, "metrics": {"val_loss": 0.5},
        "model": model.model_dump(mode="json"), "data": data.model_dump(mode="json"),
        "config": train_config().model_dump(mode="json"),
    }  # fmt: skip
    return exporting.Trained(module, model, data, card)


def rows_of(inputs, count=9):
    draw = np.random.default_rng(1)
    made = {
        "features": lambda spec: draw.standard_normal((count, *spec.shape)).astype("float32"),
        "sequence": lambda spec: draw.standard_normal((count, *spec.shape)).astype("float32"),
        "categories": lambda spec: draw.integers(0, 60, (count, *spec.shape)),
        "image": lambda spec: draw.integers(0, 256, (count, *spec.shape)).astype("uint8"),
        "tokens": lambda spec: draw.integers(0, 100, (count, *spec.shape)).astype("int32"),
        "length": lambda spec: draw.integers(1, 17, count),
    }
    return SplitArrays(tuple(made[spec.role](spec) for spec in inputs), np.zeros(count, np.int64), np.arange(count))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "architecture", "inputs", "task", "options"), FAMILIES)
def test_a_file_says_what_the_network_says(tmp_path, kind, architecture, inputs, task, options):
    what, path = trained(architecture, inputs, task, options), tmp_path / f"network{SUFFIXES[kind]}"
    told = exporting.export(kind, what, rows_of(inputs), path, report=None)
    assert told["largest_difference"] <= 1e-5
    assert told["real_rows"]
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(told["files"])
    card = path.with_name(f"{path.name}.md").read_text(encoding="utf-8")
    assert "Licence: unknown" in card
    assert what.data.fingerprint in card
    encoding = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in encoding["inputs"]] == [spec.name for spec in inputs]


def test_what_depends_on_values_is_refused_and_leaves_nothing(tmp_path):
    what = trained("gru", (TOKENS, LENGTH), "classification", {})
    with pytest.raises(TrainwellError) as refused:
        exporting.export("torch_export", what, rows_of((TOKENS, LENGTH)), tmp_path / "gru.pt2", report=None)
    assert refused.value.code == "not_exportable"
    assert refused.value.allowed == ["safetensors", "script"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_says_something_else_is_not_kept(tmp_path, monkeypatch):
    what = trained("mlp", (NUMBERS,), "classification", {})
    monkeypatch.setattr(
        "trainwell.evaluation.exporting.safetensors.read_file",
        lambda path: ({name: tensor + 0.1 for name, tensor in read_file(path)[0].items()}, {}),
    )
    with pytest.raises(TrainwellError) as refused:
        exporting.export("safetensors", what, rows_of((NUMBERS,)), tmp_path / "a.safetensors", report=None)
    assert refused.value.code == "export_differs"
    assert list(tmp_path.iterdir()) == []


def test_onnx_without_its_extra_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    what = trained("mlp", (NUMBERS,), "classification", {})
    with pytest.raises(TrainwellError) as refused:
        exporting.export("onnx", what, None, tmp_path / "a.onnx", report=None)
    assert refused.value.code == "extra_missing"
    assert "trainwell[export]" in refused.value.hint


def test_without_the_data_random_rows_are_compared_and_that_is_said(tmp_path):
    inputs = (NUMBERS, CATEGORIES)
    told = exporting.export(
        "safetensors", trained("mlp", inputs, "classification", {}), None, tmp_path / "a", report=None
    )
    assert not told["real_rows"]
    assert told["largest_difference"] <= 1e-6
    assert "random rows" in (tmp_path / "a.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_pt2_file_runs_in_a_process_that_knows_torch_alone(tmp_path):
    path = tmp_path / "a.pt2"
    what = trained("mlp", (NUMBERS,), "classification", {})
    exporting.export("torch_export", what, rows_of((NUMBERS,)), path, report=None)
    program = (
        "import sys, torch; network = torch.export.load(sys.argv[1]).module(); "
        "print(network(torch.zeros(5, 12)).sum().item()); assert 'trainwell' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program, str(path)], capture_output=True, text=True, check=True)
    with torch.no_grad():
        assert float(done.stdout) == pytest.approx(what.module(torch.zeros(5, 12)).sum().item(), abs=1e-5)
