"""NumPy files through the front doors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import datasets

from trainwell import data
from trainwell.contract.errors import TrainwellError

DIGITS = datasets.load_digits()


@pytest.mark.parametrize(
    ("inputs", "target"), [("X", "y"), ("data", "target"), ("images", "labels"), ("x_train", "y_train")]
)
def test_inputs_and_target_are_found_by_name(workspace, inputs, target):
    np.savez(workspace.root / "d.npz", **{inputs: DIGITS.data, target: DIGITS.target})
    prepared = data.prepare(workspace, {"source": "d.npz"})
    train = data.load_split(workspace, prepared, "train")
    assert (prepared.kind, prepared.task, len(prepared.classes)) == ("arrays", "classification", 10)
    np.testing.assert_array_equal(train.target, DIGITS.target[train.rows])
    assert prepared.inputs[0].shape == train.inputs[0].shape[1:]


def test_the_target_array_can_be_named(workspace):
    np.savez(workspace.root / "d.npz", X=DIGITS.data, y=DIGITS.target, even=DIGITS.target % 2)
    prepared = data.prepare(workspace, {"source": "d.npz", "target": "even"})
    assert prepared.classes == ("0", "1")


def test_images_of_bytes_keep_their_shape_and_are_scaled_as_a_whole(workspace):
    images = (DIGITS.images * 15).astype(np.uint8)
    np.savez_compressed(workspace.root / "d.npz", X=images, y=DIGITS.target)
    prepared = data.prepare(workspace, {"source": "d.npz", "kind": "arrays"})
    train = data.load_split(workspace, prepared, "train").inputs[0]
    assert prepared.inputs[0].shape == (8, 8)
    assert train.dtype == np.float32
    assert abs(float(train.mean())) < 1e-3
    assert abs(float(train.std()) - 1) < 1e-3


def test_flat_numbers_are_scaled_by_column_and_gaps_filled(workspace):
    values = datasets.load_breast_cancer().data.copy()
    values[::9, 3] = np.nan
    values[5, 4] = np.inf
    np.savez(workspace.root / "d.npz", X=values, y=datasets.load_breast_cancer().target)
    prepared = data.prepare(workspace, {"source": "d.npz"})
    train = data.load_split(workspace, prepared, "train").inputs[0]
    assert np.isfinite(train).all()
    assert prepared.inputs[0].shape[0] >= 31
    assert {"missing_values", "infinite_values"} <= {entry.code for entry in prepared.warnings}


def test_a_single_array_has_its_target_in_the_last_column_or_the_one_named(workspace):
    table = np.column_stack([DIGITS.data, DIGITS.target])
    np.save(workspace.root / "d.npy", table)
    guessed = data.prepare(workspace, {"source": "d.npy"})
    named = data.prepare(workspace, {"source": "d.npy", "target": "64"})
    for prepared in (guessed, named):
        test = data.load_split(workspace, prepared, "test")
        np.testing.assert_array_equal(test.target, DIGITS.target[test.rows])
    assert any("last column" in note for note in guessed.notes)


@pytest.mark.parametrize(
    ("arrays", "arguments", "code"),
    [
        ({"": np.random.default_rng(0).normal(size=(50, 4))}, {}, "missing_target"),
        ({"": np.zeros((50, 4, 4))}, {}, "missing_target"),
        ({"": np.zeros((50, 4))}, {"target": "4"}, "missing_column"),
        ({"X": np.zeros((50, 4)), "other": np.zeros(50)}, {}, "missing_target"),
        ({"X": np.zeros((50, 4)), "y": np.arange(50) % 2}, {"target": "z"}, "missing_column"),
        ({"a": np.zeros((50, 4)), "b": np.zeros((50, 2)), "y": np.arange(50) % 2}, {}, "no_inputs"),
        ({"X": np.ones((50, 4)), "y": np.arange(40) % 2}, {}, "wrong_shape"),
        ({"X": np.ones((50, 4)), "y": np.ones((50, 3)) * 0.5}, {}, "wrong_shape"),
        ({"X": np.ones((50, 4)), "y": np.arange(50) % 2}, {}, "constant_inputs"),
        ({"X": np.ones((50, 4), complex), "y": np.arange(50) % 2}, {}, "array_type"),
        ({"X": np.zeros((0, 4)), "y": np.zeros(0)}, {}, "too_few_rows"),
        ({"X": np.eye(50), "y": np.ones(50)}, {}, "constant_target"),
        ({"X": np.eye(50), "y": np.full(50, np.inf)}, {}, "target_infinite"),
        ({"X": np.eye(50), "y": np.array(["a"] * 50)}, {}, "one_class"),
    ],
)
def test_arrays_that_cannot_be_learnt_from_are_refused_with_their_own_code(workspace, arrays, arguments, code):
    if "" in arrays:
        np.save(workspace.root / "d.npy", arrays[""])
    else:
        np.savez(workspace.root / "d.npz", **arrays)
    name = "d.npy" if "" in arrays else "d.npz"
    with pytest.raises(TrainwellError) as caught:
        data.prepare(workspace, {"source": name, **arguments})
    assert caught.value.code == code
    assert list((workspace.state / "data").iterdir()) == []


def test_labels_may_be_text_one_hot_or_missing(workspace):
    names = np.array(["zero", "one"])[DIGITS.target % 2]
    names[3] = ""
    np.savez(workspace.root / "text.npz", X=DIGITS.data, y=names)
    np.savez(workspace.root / "hot.npz", X=DIGITS.data, y=np.eye(10)[DIGITS.target])
    text = data.prepare(workspace, {"source": "text.npz"})
    assert text.classes == ("one", "zero")
    assert sum(text.splits.values()) == 1796
    hot = data.load_split(workspace, data.prepare(workspace, {"source": "hot.npz"}), "train")
    np.testing.assert_array_equal(hot.target, DIGITS.target[hot.rows])


def test_raw_arrays_are_encoded_as_they_were_for_training(workspace):
    np.savez(workspace.root / "images.npz", X=DIGITS.images, y=DIGITS.target)
    np.savez(workspace.root / "flat.npz", X=DIGITS.data, y=DIGITS.target * 0.5 + 0.1)
    np.save(workspace.root / "table.npy", np.column_stack([DIGITS.data, DIGITS.target]))
    for name in ("images.npz", "flat.npz", "table.npy"):
        prepared = data.prepare(workspace, {"source": name, "kind": "arrays"})
        test = data.load_split(workspace, prepared, "test")
        source = data.raw_source(workspace, prepared, "test")
        encoded = data.encode(prepared, source=source)
        np.testing.assert_array_equal(encoded.inputs[0], test.inputs[0])
        np.testing.assert_allclose(encoded.target, test.target)
        raw = (DIGITS.images if name == "images.npz" else DIGITS.data)[test.rows[:3]]
        inline = data.encode(prepared, rows=raw.tolist())
        np.testing.assert_allclose(inline.inputs[0], test.inputs[0][:3], rtol=1e-5, atol=1e-6)
        with pytest.raises(TrainwellError, match="shape"):
            data.encode(prepared, rows=[[1.0, 2.0]])


def test_inspecting_arrays_is_short_and_names_a_call_that_works(workspace):
    np.savez(workspace.root / "d.npz", X=DIGITS.data, y=DIGITS.target)
    np.save(workspace.root / "d.npy", np.column_stack([DIGITS.data, DIGITS.target]))
    for name in ("d.npz", "d.npy"):
        seen = data.inspect(workspace, {"source": name})
        assert len(json.dumps(seen, allow_nan=False)) < 2048
        assert data.prepare(workspace, seen["next_call"]["arguments"]).kind == "arrays"


def test_a_cut_archive_is_refused(workspace):
    np.savez(workspace.root / "d.npz", X=DIGITS.images, y=DIGITS.target)
    whole = (workspace.root / "d.npz").read_bytes()
    for length in range(100, len(whole), len(whole) // 7):
        (workspace.root / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(TrainwellError) as caught:
            data.prepare(workspace, {"source": "cut.npz"})
        assert caught.value.code == "array_unreadable"


def test_columns_of_zeros_and_ones_are_labels_of_which_any_number_applies(workspace):
    flags = np.stack([DIGITS.target % 2, DIGITS.target > 4, DIGITS.target % 3 == 0], axis=1).astype(np.int64)
    np.savez(workspace.root / "d.npz", X=DIGITS.data, y=flags)
    prepared = data.prepare(workspace, {"source": "d.npz"})
    test = data.load_split(workspace, prepared, "test")
    assert (prepared.kind, prepared.task, prepared.target_shape) == ("arrays", "multilabel", (3,))
    np.testing.assert_array_equal(test.target, flags[test.rows])
    encoded = data.encode(prepared, source=data.raw_source(workspace, prepared, "test"))
    np.testing.assert_array_equal(encoded.target, test.target)


def test_an_array_of_groups_splits_them_whole_and_given_files_are_refused(workspace):
    person = np.arange(len(DIGITS.target)) // 40
    np.savez(workspace.root / "d.npz", X=DIGITS.data, y=DIGITS.target, person=person)
    prepared = data.prepare(workspace, {"source": "d.npz", "split_by": "person"})
    parts = [set(person[data.load_split(workspace, prepared, split).rows]) for split in ("train", "validation", "test")]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]
    for refused in ({"test_source": "d.npz"}, {"targets": ["y"]}):
        with pytest.raises(TrainwellError) as caught:
            data.prepare(workspace, {"source": "d.npz", **refused})
        assert (caught.value.code, caught.value.argument) == ("not_for_this_kind", next(iter(refused)))
