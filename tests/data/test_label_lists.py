"""Several labels a row, and inputs that are their own target."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from trainwell import data
from trainwell.contract.errors import TrainwellError

NAMES = ["art", "news", "sport"]
X = np.random.default_rng(0).normal(size=(240, 3))
TRUE = (X > [[0.0, 0.2, -0.3]]).astype(np.float32)


def lists():
    return [[name for name, flag in zip(NAMES, row, strict=True) if flag] for row in TRUE]


def write(workspace, form):
    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    if form == "columns":
        words = [("0", "1"), ("no", "yes"), ("false", "true")]
        flags = {name: [words[k][int(v)] for v in TRUE[:, k]] for k, name in enumerate(NAMES)}
        frame.with_columns(**{name: pl.Series(cells) for name, cells in flags.items()}).write_csv(
            workspace.root / "t.csv"
        )
        return {"source": "t.csv", "targets": NAMES}
    if form == "parquet":
        frame.with_columns(tags=pl.Series(lists())).write_parquet(workspace.root / "t.parquet")
        return {"source": "t.parquet", "target": "tags"}
    join = {"json": json.dumps, "; ": "; ".join, "|": "|".join, ",": ",".join}[form]
    frame.with_columns(tags=pl.Series([join(row) for row in lists()])).write_csv(workspace.root / "t.csv")
    return {"source": "t.csv", "target": "tags", **({"task": "multilabel"} if form == "," else {})}


@pytest.mark.parametrize("form", ["columns", "parquet", "json", "; ", "|", ","])
def test_labels_are_read_in_every_form_and_raw_rows_give_them_again(workspace, form):
    prepared = data.prepare(workspace, write(workspace, form))
    assert (prepared.task, prepared.classes, prepared.target_shape) == ("multilabel", tuple(NAMES), (3,))
    for split in prepared.splits:
        arrays = data.load_split(workspace, prepared, split)
        np.testing.assert_array_equal(arrays.target, TRUE[arrays.rows])
    assert arrays.target.dtype == np.float32
    encoded = data.encode(prepared, source=data.raw_source(workspace, prepared, "test"))
    np.testing.assert_array_equal(encoded.target, arrays.target)
    np.testing.assert_array_equal(encoded.inputs[0], arrays.inputs[0])
    whole = TRUE if form in {"columns", "parquet", "json"} else TRUE[TRUE.any(axis=1)]
    assert prepared.class_counts == tuple(whole.sum(axis=0).astype(int))
    assert data.encode(prepared, rows=[{"a": 1, "b": 0, "c": None}]).target is None


def test_the_baseline_is_the_best_constant_answer(workspace):
    prepared = data.prepare(workspace, write(workspace, "columns"))
    train, validation = (data.load_split(workspace, prepared, split).target for split in ("train", "validation"))
    answers = [np.array([n >> k & 1 for k in range(3)]) for n in range(1, 8)]
    scores = [
        [2 * (answer * flags).sum() / (answer.sum() * len(flags) + flags.sum()) for flags in (train, validation)]
        for answer in answers
    ]
    assert prepared.baseline.metric == "val_f1"
    assert prepared.baseline.value == pytest.approx(max(scores)[1])


def test_labels_that_are_missing_in_raw_rows_are_not_a_number(workspace):
    prepared = data.prepare(workspace, write(workspace, "json"))
    (workspace.root / "more.csv").write_text('a,b,c,tags\n1,2,3,\n1,2,3,"[""news"", ""other""]"\n')
    encoded = data.encode(prepared, source=data.open_source(workspace, "more.csv", None))
    assert np.isnan(encoded.target[0]).all()
    assert encoded.target[1].tolist() == [0, 1, 0]
    assert any("1 row" in note for note in encoded.notes)


@pytest.mark.parametrize(
    ("arguments", "code", "argument"),
    [
        ({"targets": ["a", "b"]}, "not_a_label", "targets"),
        ({"targets": NAMES, "task": "regression"}, "several_targets", "targets"),
        ({"targets": NAMES, "target": "a"}, "exclusive_arguments", "targets"),
        ({"targets": ["art", "nwes"]}, "missing_column", "targets"),
        ({"target": "art", "task": "multilabel"}, "not_multilabel", "target"),
        ({"task": "reconstruction", "target": "a"}, "exclusive_arguments", "target"),
    ],
)
def test_a_target_that_makes_no_labels_is_refused(workspace, arguments, code, argument):
    write(workspace, "columns")
    with pytest.raises(TrainwellError) as caught:
        data.prepare(workspace, {"source": "t.csv", **arguments})
    assert (caught.value.code, caught.value.argument) == (code, argument)


def test_classes_with_a_separator_in_their_name_stay_classes(workspace):
    rows = [f"{n % 7},{['salt; pepper', 'sugar', 'a|b'][n % 3]}" for n in range(90)]
    (workspace.root / "t.csv").write_text("\n".join(["x,y", *rows]))
    assert data.prepare(workspace, {"source": "t.csv", "target": "y"}).task == "classification"


def test_reconstruction_has_the_inputs_as_target_without_a_second_copy(workspace):
    prepared = data.prepare(workspace, {"source": "iris", "task": "reconstruction"})
    assert (prepared.task, prepared.target_shape, prepared.num_outputs) == ("reconstruction", (4,), 4)
    assert prepared.baseline.metric == "val_r2"
    assert -0.2 < prepared.baseline.value <= 0
    folder = workspace.data_dir(prepared.handle)
    assert (folder / "train_x.npy").samefile(folder / "train_target.npy")
    encoded = data.encode(prepared, source=data.raw_source(workspace, prepared, "test"))
    np.testing.assert_array_equal(encoded.target, data.load_split(workspace, prepared, "test").inputs[0])


def test_a_column_of_many_levels_becomes_numbers_that_unseen_ones_share_with_rare_ones(workspace):
    rng = np.random.default_rng(1)
    cities = [f"city {n}" for n in rng.integers(0, 150, 3000)]
    cities[:2] = ["once", "only once"]
    lines = ["city,x,y"] + [f"{city},{rng.normal():.3f},{'ab'[hash(city) % 7 > 3]}" for city in cities]
    (workspace.root / "t.csv").write_text("\n".join(lines))
    prepared = data.prepare(workspace, {"source": "t.csv", "target": "y"})
    x, categories = prepared.inputs
    assert (x.shape, categories.shape, categories.role, categories.dtype) == ((1,), (1,), "categories", "int64")
    train = data.load_split(workspace, prepared, "train").inputs[1]
    assert 140 <= categories.sizes[0] <= 151
    assert train.min() == 0
    assert train.max() == categories.sizes[0] - 1
    encoded = data.encode(prepared, rows=[{"city": "Zug", "x": 0}, {"city": None, "x": 0}, {"city": cities[9], "x": 0}])
    assert encoded.inputs[1][:2].tolist() == [[0], [0]]
    levels = prepared.encoding["columns"][0]["levels"]
    assert levels[int(encoded.inputs[1][2, 0]) - 1] == cities[9]
