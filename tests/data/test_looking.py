"""What inspecting says of a table beyond its columns: doubts about cells and labels, and the split to ask for."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from sklearn import datasets

from trainwell import data
from trainwell.data.table import read

FLIPPED = ["iris", "wine", "digits", "breast_cancer"]


def seen(workspace, frame, **arguments):
    frame.write_csv(workspace.root / "t.csv")
    return data.inspect(workspace, {"source": "t.csv", **arguments})


def warned(answer, code):
    return [entry["message"] for entry in answer["warnings"] if entry["code"] == code]


@pytest.mark.parametrize("name", FLIPPED)
def test_wrong_labels_are_suspected_and_clean_sets_are_not(workspace, name):
    clean = data.inspect(workspace, {"source": name})
    assert {entry["code"] for entry in clean["warnings"]} <= {"constant_column", "duplicate_rows"}
    bunch = getattr(datasets, f"load_{name}")()
    labels, rng = bunch.target.copy(), np.random.default_rng(0)
    wrong = rng.choice(len(labels), len(labels) // 20, replace=False)
    labels[wrong] = (labels[wrong] + 1) % (labels.max() + 1)
    frame = pl.DataFrame(bunch.data, schema=[str(column) for column in bunch.feature_names])
    answer = seen(workspace, frame.with_columns(label=pl.Series([f"c{label}" for label in labels])))
    (message,) = warned(answer, "label_errors")
    suspects = int(message.split()[0])
    assert 0.5 * len(wrong) <= suspects <= 1.3 * len(wrong)
    first = int(message.split("first line ")[1].split(",")[0]) - 2
    assert first in wrong


def test_labels_that_the_inputs_do_not_tell_are_not_judged(workspace):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(rng.normal(size=(800, 4)), schema=list("abcd"))
    answer = seen(workspace, frame.with_columns(label=pl.Series(rng.choice(["x", "y"], 800))))
    assert not warned(answer, "label_errors")


def test_outliers_and_codes_for_missing_are_told_and_long_tails_are_not(workspace):
    rng = np.random.default_rng(0)
    lonely, code, tail = rng.normal(size=500), rng.uniform(18, 80, 500), np.exp(2 * rng.normal(size=500))
    lonely[[17, 300]], code[::25] = [900.0, -700.0], -999
    frame = pl.DataFrame({"lonely": lonely, "age": code, "income_": tail, "label": rng.choice(["x", "y"], 500)})
    messages = warned(seen(workspace, frame), "outliers")
    assert len(messages) == 2
    assert any('"lonely": 2 values' in message and "line 19" in message for message in messages)
    assert any('"age": -999 occurs 20 times' in message for message in messages)


def test_groups_and_times_that_are_plain_to_see_go_into_the_next_call(workspace):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=400), "label": rng.choice(["a", "b"], 400)})
    groups = frame.with_columns(patient_id=pl.Series(rng.integers(0, 40, 400)))
    call = seen(workspace, groups)["next_call"]["arguments"]
    assert call == {"source": "t.csv", "target": "label", "split": "group", "split_by": "patient_id"}
    assert data.prepare(workspace, call).splits["train"] > 200
    days = np.datetime64("2024-01-01") + np.sort(rng.integers(0, 300, 400)).astype("m8[D]")
    call = seen(workspace, frame.with_columns(when=pl.Series(days)))["next_call"]["arguments"]
    assert (call["split"], call["split_by"]) == ("time", "when")
    assert data.prepare(workspace, call).splits["train"] > 200
    rng.shuffle(days)
    assert "split" not in seen(workspace, frame.with_columns(when=pl.Series(days)))["next_call"]["arguments"]


def test_a_large_sorted_file_is_looked_at_in_several_places(workspace, monkeypatch):
    monkeypatch.setattr(read, "LARGE_FILE_BYTES", 1000)
    monkeypatch.setattr(read, "SAMPLE_ROWS", 100)
    frame = pl.DataFrame({"x": np.arange(4000) * 0.37, "label": ["a"] * 2000 + ["b"] * 2000})
    answer = seen(workspace, frame, target="label")
    assert (answer["rows"], answer["classes"]) == (4000, 2)
    assert set(answer["class_counts"]) == {"a", "b"}
    frame.write_parquet(workspace.root / "t.parquet", row_group_size=500)
    again = data.inspect(workspace, {"source": "t.parquet", "target": "label"})
    assert (again["rows"], again["classes"]) == (4000, 2)
    quoted = frame.with_columns(note=pl.lit('said "hi",\nand left'))
    answer = seen(workspace, quoted, target="x")
    assert len(json.dumps(answer)) < 2048
