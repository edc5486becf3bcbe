"""Predictions come in evaluation mode, in batches, in the words and units of the data."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.evaluation.networks import Echo
from tests.factories import prepared_data
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TensorSpec
from trainwell.evaluation import outputs as room
from trainwell.evaluation.outputs import outputs
from trainwell.evaluation.predict import predict

TWO = (TensorSpec(name="x", shape=(2,)),)
CLASSES = prepared_data(classes=("cat", "dog"), inputs=TWO)
VALUES = prepared_data(
    task="regression", classes=(), inputs=(TensorSpec(name="x", shape=(1,)),), target_mean=10.0, target_std=2.0
)


def test_classes_are_told_by_name_with_probabilities():
    told = predict(Echo(), CLASSES, [np.array([[2.0, 0.0], [0.0, 1.0]], dtype=np.float32)])

    assert told.predictions == ["cat", "dog"]
    assert told.confidence == [0.8808, 0.7311]
    assert told.columns["prediction"] == ["cat", "dog"]
    assert told.columns["probability_cat"] == pytest.approx([0.8808, 0.2689], abs=1e-4)
    assert told.columns["probability_dog"] == pytest.approx([0.1192, 0.7311], abs=1e-4)
    assert told.not_finite == 0


def test_values_are_told_in_the_units_of_the_target():
    told = predict(Echo(), VALUES, [np.array([[-1.0], [0.5]], dtype=np.float32)])

    assert told.predictions == told.columns["prediction"] == [8.0, 11.0]
    assert told.not_finite == 0


def test_outputs_that_are_not_finite_become_none():
    rows = np.array([[np.nan, 0.0], [0.0, -np.inf], [0.0, 1.0]], dtype=np.float32)
    told = predict(Echo(), CLASSES, [rows])

    assert told.predictions == [None, None, "dog"]
    assert told.confidence == [None, None, 0.7311]
    assert told.not_finite == 2
    values = predict(Echo(), VALUES, [rows[:, :1]])
    assert (values.predictions, values.not_finite) == ([None, 10.0, 10.0], 1)


def test_no_rows_give_no_predictions():
    told = predict(Echo(), CLASSES, [np.zeros((0, 2), dtype=np.float32)])

    assert told.predictions == []
    assert len(told.columns["probability_dog"]) == 0


def test_large_logits_do_not_overflow():
    told = predict(Echo(), CLASSES, [np.array([[1e30, -1e30]], dtype=np.float32)])

    assert [told.columns[f"probability_{name}"].tolist() for name in ("cat", "dog")] == [[1.0], [0.0]]


def test_batches_give_what_one_pass_gives_and_the_mode_comes_back(monkeypatch):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2)).train()
    rows = np.random.default_rng(0).normal(size=(101, 2)).astype(np.float32)
    whole = np.concatenate(list(outputs(module, [rows])))
    monkeypatch.setattr(room, "MOST_ROWS", 10)
    batches = list(outputs(module, [rows]))

    assert [len(batch) for batch in batches] == [10] * 10 + [1]
    assert np.concatenate(batches) == pytest.approx(whole, abs=1e-6)
    assert module.training
    assert not torch.is_inference_mode_enabled()


def test_wide_rows_come_in_small_batches():
    batches = outputs(Echo(), [np.zeros((3, 5_000_000), dtype=np.float32)])

    assert [len(batch) for batch in batches] == [1, 1, 1]


def test_read_only_memory_is_taken(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(2, dtype=np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r", allow_pickle=False)

    assert predict(Echo(), CLASSES, [mapped]).predictions == ["cat", "dog"]


@pytest.mark.parametrize("inputs", [[], [np.zeros((1, 3))], [np.zeros((1, 2)), np.zeros((1, 2))]])
def test_inputs_of_another_shape_are_refused(inputs):
    with pytest.raises(TrainwellError) as caught:
        predict(Echo(), CLASSES, inputs)

    assert caught.value.code == "wrong_input_shape"
