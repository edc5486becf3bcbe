"""Splits: nothing twice, nothing lost, groups whole, time in order, the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwell import data
from trainwell.contract.errors import TrainwellError
from trainwell.data.splits import split_rows

PARTS = ("train", "validation", "test")
CASES = settings(max_examples=60, deadline=None, derandomize=True)
counts = st.integers(10, 300)
fractions = st.floats(0.02, 0.4)
seeds = st.integers(0, 2**32 - 1)


def labels(count: int, most: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, most, count)


def cut(count, strata=None, validation=0.15, test=0.2, seed=0, **more):
    return split_rows(count, strata, validation_fraction=validation, test_fraction=test, seed=seed, **more)


def together(parts):
    return np.sort(np.concatenate([parts[name] for name in PARTS])).tolist()


@CASES
@given(counts, st.integers(1, 8), fractions, fractions, seeds)
def test_every_row_is_in_one_part_and_the_seed_decides(count, kinds, validation, test, seed):
    for strata in (None, labels(count, kinds, seed)):
        parts = cut(count, strata, validation, test, seed)
        assert together(parts) == list(range(count))
        assert len(parts["test"]) == max(1, round(count * test))
        assert len(parts["validation"]) == max(1, round(count * validation))
        again = cut(count, strata, validation, test, seed)
        assert all(np.array_equal(parts[name], again[name]) for name in PARTS)


@CASES
@given(counts, st.integers(3, 60), fractions, fractions, seeds)
def test_groups_stay_whole_and_sizes_come_near_the_fractions(count, number, validation, test, seed):
    groups = labels(count, number, seed)
    groups[:3] = [0, 1, 2]
    parts = cut(count, labels(count, 3, seed + 1), validation, test, seed, groups=groups)
    assert together(parts) == list(range(count))
    of_part = {name: set(groups[parts[name]].tolist()) for name in PARTS}
    assert sum(map(len, of_part.values())) == len(set(groups.tolist()))
    largest = np.bincount(groups).max()
    wanted = {"test": test, "validation": validation, "train": 1 - test - validation}
    for name, share in wanted.items():
        assert abs(len(parts[name]) - share * count) <= 2 * largest


@CASES
@given(st.integers(12, 300), st.integers(3, 60), fractions, fractions, seeds)
def test_time_goes_forward_and_equal_times_stay_together(count, number, validation, test, seed):
    times = labels(count, number, seed)
    times[:3] = [0, 1, 2]
    times[3] = -1
    parts = cut(count, None, validation, test, seed, order=times)
    assert together(parts) == [row for row in range(count) if times[row] >= 0]
    assert times[parts["train"]].max() < times[parts["validation"]].min()
    assert times[parts["validation"]].max() < times[parts["test"]].min()


@CASES
@given(st.integers(30, 300), st.sets(st.sampled_from(["validation", "test"]), min_size=1), seeds)
def test_given_parts_are_kept_as_they_are_and_the_rest_is_cut(count, names, seed):
    rows = np.random.default_rng(seed).permutation(count)
    whole = {name: np.sort(rows[4 * place : 4 * place + 4]) for place, name in enumerate(sorted(names))}
    for more in ({}, {"groups": labels(count, 9, seed)}, {"order": labels(count, 9, seed)}):
        parts = cut(count, None, seed=seed, given=whole, **more)
        assert together(parts) == list(range(count))
        assert all(np.array_equal(parts[name], whole[name]) for name in names)


def test_many_groups_come_close_and_keep_the_classes_alike():
    groups, classes = np.arange(3000) // 10, (np.arange(3000) // 10) % 3
    parts = cut(3000, classes, groups=groups)
    assert [len(parts[name]) for name in PARTS] == [1950, 450, 600]
    for name in PARTS:
        np.testing.assert_allclose(np.bincount(classes[parts[name]]) / len(parts[name]), 1 / 3, atol=0.08)


PATIENTS = "patient,day,x,y\n" + "".join(
    f"p{n % 30},2024-{n // 28 % 12 + 1:02d}-{n % 28 + 1:02d},{n * 7 % 11},{'ab'[n * 7 % 11 > 5]}\n" for n in range(300)
)


@pytest.fixture
def patients(workspace):
    (workspace.root / "p.csv").write_text(PATIENTS)
    return {"source": "p.csv", "target": "y"}


def raw(workspace, prepared, name):
    """A column of the source by split."""
    lines = [line.split(",") for line in PATIENTS.splitlines()]
    place = lines[0].index(name)
    return {part: [lines[row + 1][place] for row in data.load_split(workspace, prepared, part).rows] for part in PARTS}


def test_a_split_by_group_leaves_the_group_out_of_the_inputs_unless_asked_for(workspace, patients):
    prepared = data.prepare(workspace, {**patients, "split": "group", "split_by": "patient"})
    seen = [set(values) for values in raw(workspace, prepared, "patient").values()]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 30
    assert "patient" not in [entry["name"] for entry in prepared.encoding["columns"]]
    assert any("Split by group" in note for note in prepared.notes)
    asked = data.prepare(workspace, {**patients, "split_by": "patient", "columns": ["patient", "x"]})
    assert [entry["name"] for entry in asked.encoding["columns"]] == ["patient", "x"]


def test_a_date_splits_by_time_by_itself(workspace, patients):
    prepared = data.prepare(workspace, {**patients, "split_by": "day"})
    days = raw(workspace, prepared, "day")
    assert max(days["train"]) < min(days["validation"]) <= max(days["validation"]) < min(days["test"])
    assert any(max(days["train"]) in note for note in prepared.notes)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"split": "group"}, "missing_argument"),
        ({"split": "time"}, "missing_argument"),
        ({"split_by": "patinet"}, "missing_column"),
        ({"split": "random", "split_by": "day"}, "exclusive_arguments"),
        ({"split": "time", "split_by": "patient"}, "not_a_time"),
        ({"split": "group", "split_by": "y"}, "too_few_groups"),
        ({"split": "time", "split_by": "x", "columns": ["patient"], "source": "two.csv"}, "too_few_times"),
    ],
)
def test_a_split_that_cannot_be_made_names_its_argument(workspace, patients, arguments, code):
    two = "patient,x,y\n" + "".join(f"p{n % 9},{n % 2},{'ab'[n % 3 > 1]}\n" for n in range(40))
    (workspace.root / "two.csv").write_text(two)
    with pytest.raises(TrainwellError) as caught:
        data.prepare(workspace, {**patients, **arguments})
    assert (caught.value.code, caught.value.argument) == (code, "split_by")
    assert not list((workspace.state / "data").glob("data_*"))


def test_rows_without_a_time_are_left_out_and_told(workspace, patients):
    lines = PATIENTS.splitlines()
    lines[5] = "p1,,3,a"
    (workspace.root / "p.csv").write_text("\n".join(lines))
    prepared = data.prepare(workspace, {**patients, "split_by": "day"})
    assert sum(prepared.splits.values()) == 299
    assert "time_missing" in [entry.code for entry in prepared.warnings]


def test_given_files_are_the_parts_and_copies_across_them_are_found(workspace, patients):
    lines = PATIENTS.splitlines()
    (workspace.root / "p.csv").write_text("\n".join(lines[:201]))
    (workspace.root / "v.csv").write_text("\n".join([lines[0], *lines[201:251]]))
    (workspace.root / "t.csv").write_text("\n".join([lines[0], lines[1], *lines[251:]]))
    both = data.prepare(workspace, {**patients, "validation_source": "v.csv", "test_source": "t.csv"})
    assert both.splits == {"train": 200, "validation": 50, "test": 51}
    assert data.load_split(workspace, both, "test").rows.tolist() == list(range(51))
    assert any("1 test rows have the same inputs" in entry.message for entry in both.warnings)
    test = data.load_split(workspace, both, "test")
    encoded = data.encode(both, source=data.open_source(workspace, "t.csv", None))
    np.testing.assert_array_equal(encoded.inputs[0], test.inputs[0])
    np.testing.assert_array_equal(encoded.target, test.target)
    one = data.prepare(workspace, {**patients, "test_source": "t.csv"})
    assert one.splits == {"train": 170, "validation": 30, "test": 51}


def test_a_given_file_must_have_the_columns_that_are_used(workspace, patients):
    for name, text, column in [("a.csv", "patient,day,y\np1,2024-01-01,a\n", '"x"'), ("b.csv", "x\n1\n", '"y"')]:
        (workspace.root / name).write_text(text)
        with pytest.raises(TrainwellError) as caught:
            data.prepare(workspace, {**patients, "test_source": name})
        assert (caught.value.code, caught.value.argument) == ("missing_column", "test_source")
        assert column in caught.value.message
    with pytest.raises(TrainwellError) as caught:
        data.prepare(workspace, {**patients, "validation_source": "nowhere.csv"})
    assert caught.value.argument == "validation_source"


def test_a_class_that_only_a_given_file_holds_is_told(workspace, patients):
    (workspace.root / "t.csv").write_text("patient,day,x,y\np1,2024-01-01,3,a\np1,2024-01-02,3,strange\n")
    prepared = data.prepare(workspace, {**patients, "test_source": "t.csv"})
    assert prepared.classes == ("a", "b", "strange")
    assert "class_not_trained" in [entry.code for entry in prepared.warnings]
