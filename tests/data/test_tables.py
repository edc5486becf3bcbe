"""Tables through the front doors, with real sets and with files as people write them."""

from __future__ import annotations

import datetime as dt
import json
import random
import subprocess
import sys
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from sklearn import datasets

from trainwell import data
from trainwell.data.table import read
from trainwell.data.table.knots import PIECES, fit_knots
from trainwell.store.workspace import Workspace

LOADERS = {
    "digits": datasets.load_digits,
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
}


def write(workspace: Workspace, name: str, text: str) -> str:
    (workspace.root / name).write_text(text, encoding="utf-8", newline="")
    return name


def people(count: int = 200, separator: str = ",") -> str:
    """A table as people have: a number, a category, a yes or no, a date, gaps, and a label that follows from them."""
    rng = random.Random(3)
    lines = [separator.join(["age", "city", "member", "joined", "label"])]
    for number in range(count):
        age, city = rng.gauss(40, 12), rng.choice(["Bern", "Basel", "Chur"])
        member, day = rng.choice(["yes", "no"]), f"2021-{rng.randrange(1, 13):02d}-{rng.randrange(1, 28):02d}"
        label = "old" if age + (10 if city == "Bern" else 0) > 42 else "young"
        cells = [f"{age:.2f}" if number % 17 else "", city if number % 23 else "NA", member, day, label]
        lines.append(separator.join(cells))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", sorted(LOADERS))
def test_a_shipped_set_holds_what_scikit_learn_loads(workspace, name):
    bunch = LOADERS[name]()
    prepared = data.prepare(workspace, {"source": name})
    labels = np.concatenate([data.load_split(workspace, prepared, split).target for split in prepared.splits])
    rows = np.concatenate([data.load_split(workspace, prepared, split).rows for split in prepared.splits])
    assert sorted(rows) == list(range(len(bunch.target)))
    truth = [str(bunch.target_names[number]) for number in bunch.target]
    assert [prepared.classes[number] for number in labels] == [truth[row] for row in rows]
    assert prepared.encoding["order"] == [str(column) for column in bunch.feature_names]
    raw = pl.read_parquet(workspace.data_dir(prepared.handle) / "raw_test.parquet")
    test = data.load_split(workspace, prepared, "test")
    np.testing.assert_allclose(raw.drop("target").to_numpy(), bunch.data[test.rows])


def test_the_diabetes_set_is_raw_and_its_target_standardised_by_the_training_part(workspace):
    bunch = datasets.load_diabetes(scaled=False)
    prepared = data.prepare(workspace, {"source": "diabetes"})
    train = data.load_split(workspace, prepared, "train")
    assert prepared.task == "regression"
    np.testing.assert_allclose(
        train.target * prepared.target_std + prepared.target_mean, bunch.target[train.rows], rtol=1e-5
    )
    assert abs(train.target.mean()) < 1e-5
    assert abs(train.target.std() - 1) < 1e-5
    validation = data.load_split(workspace, prepared, "validation")
    residual = bunch.target[validation.rows] - bunch.target[train.rows].mean()
    assert prepared.baseline.metric == "val_rmse"
    assert prepared.baseline.value == pytest.approx(np.sqrt(np.mean(residual**2)))


def test_preprocessing_is_fitted_on_the_training_part_alone(workspace):
    table = "x,y\n" + "".join(f"{number},{'ab'[number % 2]}\n" for number in range(100))
    first = data.prepare(workspace, {"source": write(workspace, "a.csv", table), "target": "y", "columns": ["x"]})
    held = data.load_split(workspace, first, "test").rows
    lines = table.splitlines()
    for row in held:
        lines[row + 1] = f"{10**6 + int(row)},{'ab'[int(row) % 2]}"
    second = data.prepare(
        workspace, {"source": write(workspace, "b.csv", "\n".join(lines)), "target": "y", "columns": ["x"]}
    )
    assert list(data.load_split(workspace, second, "test").rows) == list(held)
    assert second.encoding["columns"] == first.encoding["columns"]


def test_every_class_has_its_share_in_every_split(workspace):
    prepared = data.prepare(workspace, {"source": "digits"})
    for split, size in prepared.splits.items():
        shares = np.bincount(data.load_split(workspace, prepared, split).target, minlength=10) / size
        np.testing.assert_allclose(shares, np.array(prepared.class_counts) / 1797, atol=1 / size + 1e-3)


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "diabetes"])
def test_raw_rows_are_encoded_as_they_were_for_training(workspace, name):
    prepared = data.prepare(workspace, {"source": name})
    test = data.load_split(workspace, prepared, "test")
    source = data.raw_source(workspace, prepared, "test")
    from_file = data.encode(prepared, source=source)
    raw = pl.read_parquet(source.path)
    as_objects = data.encode(prepared, rows=raw.to_dicts())
    as_lists = data.encode(prepared, rows=[list(row) for row in raw.drop("target").rows()])
    np.testing.assert_array_equal(from_file.inputs[0], test.inputs[0])
    np.testing.assert_array_equal(from_file.target, test.target)
    np.testing.assert_array_equal(as_objects.inputs[0], test.inputs[0])
    np.testing.assert_array_equal(as_lists.inputs[0], test.inputs[0])
    assert as_lists.target is None


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("tsv", "\t"), ("csv", ";"), ("txt", "|")])
def test_every_separator_gives_the_same_arrays(workspace, suffix, separator):
    prepared = data.prepare(
        workspace, {"source": write(workspace, f"people.{suffix}", people(separator=separator)), "target": "label"}
    )
    kinds = {entry["name"]: entry["as"] for entry in prepared.encoding["columns"]}
    assert kinds == {"age": "number", "city": "category", "member": "boolean", "joined": "date"}
    assert any("separated by" in note for note in prepared.notes) == (separator != ",")
    reference = data.prepare(workspace, {"source": write(workspace, "reference.csv", people()), "target": "label"})
    np.testing.assert_array_equal(
        data.load_split(workspace, prepared, "train").inputs[0],
        data.load_split(workspace, reference, "train").inputs[0],
    )


def test_parquet_json_lines_and_inline_rows_agree_with_csv(workspace):
    frame = pl.read_csv(people().encode(), null_values=["NA", ""], try_parse_dates=True)
    frame = frame.with_columns(pl.col("member") == "yes")
    frame.write_parquet(workspace.root / "people.parquet")
    frame.with_columns(pl.col("joined").cast(pl.String)).write_ndjson(workspace.root / "people.jsonl")
    rows = frame.with_columns(pl.col("joined").cast(pl.String)).to_dicts()
    write(workspace, "people.csv", people())
    calls = [{"source": f"people.{suffix}"} for suffix in ("csv", "parquet", "jsonl")] + [{"rows": rows}]
    arrays = []
    for call in calls:
        prepared = data.prepare(workspace, {**call, "target": "label"})
        arrays.append(data.load_split(workspace, prepared, "train").inputs[0])
    for other in arrays[1:]:
        np.testing.assert_array_equal(arrays[0], other)


def test_numbers_as_people_write_them_are_read_and_said(workspace):
    lines = ["price;share;zip;when;y"]
    lines += [f"1.{n:03d},50;{n}%;0{n % 7}11;{n % 28 + 1:02d}.03.2024 08:00;{'ab'[n % 2]}" for n in range(100, 160)]
    prepared = data.prepare(workspace, {"source": write(workspace, "eu.csv", "\n".join(lines)), "target": "y"})
    columns = {entry["name"]: entry for entry in prepared.encoding["columns"]}
    assert columns["price"]["median"] == pytest.approx(1129.5 + 0.5, abs=15)
    assert 100 <= columns["share"]["median"] <= 160
    assert columns["zip"]["as"] == "category"
    assert columns["when"]["reading"]["format"] == "%d.%m.%Y %H:%M"
    assert any("decimal point" in note for note in prepared.notes)
    when = "12.03.2024 08:00"
    typed = data.encode(prepared, rows=[{"price": 1129.5, "share": 129, "zip": "0311", "when": when}])
    text = data.encode(prepared, rows=[{"price": "1.129,50", "share": "129%", "zip": "0311", "when": when}])
    np.testing.assert_array_equal(typed.inputs[0], text.inputs[0])


def test_missing_and_unseen_values_stay_finite_and_are_told(workspace):
    prepared = data.prepare(workspace, {"source": write(workspace, "people.csv", people()), "target": "label"})
    row = {"age": None, "city": "Zug", "member": None, "joined": None}
    encoded = data.encode(prepared, rows=[row, {**row, "age": 1e300, "city": "Bern", "member": "yes"}])
    assert np.isfinite(encoded.inputs[0]).all()
    assert np.abs(encoded.inputs[0]).max() <= 5
    assert any("Zug" in note for note in encoded.notes)
    names = prepared.encoding["inputs"]
    assert encoded.inputs[0][0, names.index("age is missing")] == 1
    assert encoded.inputs[0][1, names.index("city = Bern")] == 1


def test_outliers_and_heavy_tails_leave_the_bulk_of_a_column_apart(workspace):
    rng = np.random.default_rng(0)
    spiked = rng.normal(size=600)
    spiked[:2] = 1e9
    heavy = np.exp(rng.normal(size=600) * 3)
    lines = ["spiked,heavy,y"] + [f"{a},{b},{'ab'[i % 2]}" for i, (a, b) in enumerate(zip(spiked, heavy, strict=True))]
    prepared = data.prepare(workspace, {"source": write(workspace, "t.csv", "\n".join(lines)), "target": "y"})
    train = data.load_split(workspace, prepared, "train").inputs[0]
    quartiles = np.quantile(train, [0.25, 0.75], axis=0)
    assert (quartiles[1] - quartiles[0] > 0.8).all()
    assert np.abs(train).max() <= 5


def test_inspecting_is_short_and_names_a_call_that_works(workspace):
    sources = [*data.SHIPPED, write(workspace, "people.csv", people())]
    header = ",".join(f"a long column name {n}" for n in range(400))
    lines = [",".join(str((n * k) % 7 + k % 5) for n in range(400)) for k in range(30)]
    sources.append(write(workspace, "wide.csv", "\n".join([header, *lines])))
    for source in sources:
        seen = data.inspect(workspace, {"source": source})
        assert len(json.dumps(seen, separators=(",", ":"), allow_nan=False)) < 2048
        call = seen["next_call"]
        assert call["tool"] == "prepare_data"
        assert data.prepare(workspace, call["arguments"]).handle.startswith("data_")


def test_inspecting_counts_columns_gaps_and_classes(workspace):
    seen = data.inspect(workspace, {"source": write(workspace, "people.csv", people()), "target": "label"})
    assert (seen["kind"], seen["rows"], seen["task"], seen["classes"]) == ("tabular", 200, "classification", 2)
    assert seen["columns"]["categorical"] == {"count": 2, "first": ["city", "label"]}
    assert seen["missing"] == {"age": 12, "city": 9}
    assert sum(seen["class_counts"].values()) == 200


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ("7".format, "constant_column"),
        (str, "id_column"),
        (lambda n: f"user-{n:04d}", "id_column"),
        (lambda n: "oops" if n == 150 else str(n * 0.37), "mixed_types"),
        (lambda n: "" if n % 3 else str(n * 0.37), "missing_values"),
        (lambda n: "1e400" if n == 3 else str(n * 0.37), "infinite_values"),
        (lambda n: f"c{n // 2}", "high_cardinality"),
        (lambda n: str(n % 2 + 0.25), "leakage_suspect"),
        (lambda n: f"this is a sentence with number {n} that nobody should one-hot", "text_column"),
    ],
)
def test_a_suspicious_column_is_warned_of_when_inspected_and_when_prepared(workspace, column, code):
    rng = random.Random(0)
    lines = ["x,z,w,c,y"]
    lines += [f"{rng.gauss(0, 1)},{rng.gauss(0, 1)},{n % 7},{column(n)},{'ab'[n % 2]}" for n in range(200)]
    source = write(workspace, "s.csv", "\n".join(lines))
    seen = data.inspect(workspace, {"source": source, "target": "y"})
    prepared = data.prepare(workspace, {"source": source, "target": "y"})
    assert (code, "c") in [(entry["code"], entry.get("column")) for entry in seen["warnings"]]
    assert (code, "c") in [(entry.code, entry.column) for entry in prepared.warnings]


def test_the_real_sets_raise_no_false_alarm(workspace):
    for name in ("digits", "breast_cancer", "wine", "diabetes"):
        codes = {entry.code for entry in data.prepare(workspace, {"source": name}).warnings}
        assert codes <= {"constant_column", "tiny_validation_set"}


def test_imbalance_copies_and_rare_classes_are_warned_of(workspace):
    lines = ["x,y"] + [f"{n % 40 * 0.7},{'rare' if n == 5 else 'a' if n % 20 else 'b'}" for n in range(400)]
    prepared = data.prepare(workspace, {"source": write(workspace, "s.csv", "\n".join(lines)), "target": "y"})
    codes = {entry.code for entry in prepared.warnings}
    assert {"class_imbalance", "duplicate_rows", "duplicates_across_splits", "rare_class"} <= codes
    rare = prepared.classes.index("rare")
    assert rare in data.load_split(workspace, prepared, "train").target


def test_columns_choose_what_is_used_even_an_identifier(workspace):
    lines = ["id,x,z,y"] + [f"{n},{n % 7},{n % 3},{'ab'[n % 2]}" for n in range(60)]
    source = write(workspace, "s.csv", "\n".join(lines))
    chosen = data.prepare(workspace, {"source": source, "target": "y", "columns": ["id", "x"]})
    assert [entry["name"] for entry in chosen.encoding["columns"]] == ["id", "x"]
    dropped = data.prepare(workspace, {"source": source, "target": "y", "drop_columns": ["z"]})
    assert [entry["name"] for entry in dropped.encoding["columns"]] == ["x"]


def test_a_workspace_file_wins_over_a_shipped_name(workspace):
    write(workspace, "iris", people())
    assert data.inspect(workspace, {"source": "iris"})["rows"] == 200


def test_the_task_follows_the_target_and_can_be_set(workspace):
    lines = ["x,few,many"] + [f"{n * 0.3},{n % 5},{n * n}" for n in range(60)]
    source = write(workspace, "s.csv", "\n".join(lines))
    tasks = {
        (target, task): data.prepare(workspace, {"source": source, "target": target, "task": task}).task
        for target, task in [("few", "auto"), ("few", "regression"), ("many", "auto")]
    }
    assert list(tasks.values()) == ["classification", "regression", "regression"]


def test_importing_data_and_loading_prepared_arrays_need_neither_polars_nor_torch(workspace):
    handle = data.prepare(workspace, {"source": "iris"}).handle
    code = (
        "import sys, pathlib; from trainwell import data; from trainwell.store.workspace import Workspace\n"
        f"w = Workspace.open(pathlib.Path({str(workspace.root)!r}))\n"
        f"p = data.load_prepared(w, {handle!r}); a = data.load_split(w, p, 'train')\n"
        "assert len(a.target) == p.splits['train']\n"
        "assert not {'polars', 'torch', 'sklearn', 'mcp'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_type_of_parquet_is_read_or_left_out_and_said(workspace):
    count = 60
    when = [dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=7 * n) for n in range(count)]
    frame = pl.DataFrame(
        {
            "decimal": pl.Series([Decimal(n) / 7 for n in range(count)], dtype=pl.Decimal(20, 4)),
            "small": pl.Series([n % 11 for n in range(count)], dtype=pl.UInt8),
            "half": pl.Series([n * 0.3 for n in range(count)], dtype=pl.Float32),
            "level": pl.Series(["low", "mid", "high"] * 20, dtype=pl.Enum(["low", "mid", "high"])),
            "zoned": pl.Series(when),
            "clock": pl.Series([moment.time() for moment in when]),
            "lasted": pl.Series([dt.timedelta(minutes=n) for n in range(count)]),
            "tags": pl.Series([["a", "b"]] * count),
            "blob": pl.Series([b"\x00"] * count),
            "nothing": pl.Series([None] * count, dtype=pl.Null),
            "y": pl.Series([n % 2 == 0 for n in range(count)]),
        }
    )
    frame.write_parquet(workspace.root / "t.parquet")
    prepared = data.prepare(workspace, {"source": "t.parquet", "target": "y"})
    kinds = {entry["name"]: entry["as"] for entry in prepared.encoding["columns"]}
    assert kinds == {
        "decimal": "number", "small": "number", "half": "number", "level": "category", "zoned": "date",
        "clock": "number", "lasted": "number",
    }  # fmt: skip
    assert {entry.column for entry in prepared.warnings if entry.column} == {"tags", "blob", "nothing"}
    assert prepared.classes == ("false", "true")
    test = data.load_split(workspace, prepared, "test")
    encoded = data.encode(prepared, source=data.raw_source(workspace, prepared, "test"))
    np.testing.assert_array_equal(encoded.inputs[0], test.inputs[0])
    np.testing.assert_array_equal(encoded.target, test.target)


def test_a_large_file_is_inspected_by_some_of_its_rows_and_counted_whole(workspace, monkeypatch):
    monkeypatch.setattr(read, "LARGE_FILE_BYTES", 1000)
    monkeypatch.setattr(read, "SAMPLE_ROWS", 50)
    write(workspace, "people.csv", people())
    frame = pl.read_csv(people().encode())
    frame.write_parquet(workspace.root / "people.parquet")
    frame.write_ndjson(workspace.root / "people.jsonl")
    for suffix in ("csv", "parquet", "jsonl"):
        seen = data.inspect(workspace, {"source": f"people.{suffix}", "target": "label"})
        assert seen["rows"] == 200
        assert sum(seen["class_counts"].values()) == 50
        assert any("Looked at 50 of" in note for note in seen["notes"])
        assert sum(data.prepare(workspace, {"source": f"people.{suffix}", "target": "label"}).splits.values()) == 200


def test_rows_of_a_file_keep_their_numbers_and_their_usable_targets(workspace):
    prepared = data.prepare(workspace, {"source": write(workspace, "people.csv", people()), "target": "label"})
    lines = people().splitlines()[:8]
    lines[3] = ""
    lines[4] = lines[4].rsplit(",", 1)[0] + ","
    lines[5] = lines[5].rsplit(",", 1)[0] + ",ancient"
    source = data.open_source(workspace, write(workspace, "more.csv", "\n".join(lines) + "\n\n"), None)
    encoded = data.encode(prepared, source=source)
    assert encoded.rows.tolist() == [0, 1, 3, 4, 5, 6]
    assert (encoded.target == -1).tolist() == [False, False, True, True, False, False]
    assert any("2 rows" in note for note in encoded.notes)


def test_other_prepared_data_is_encoded_with_its_own_row_numbers(workspace):
    wine, other = (data.prepare(workspace, {"source": "wine", "seed": seed}) for seed in (0, 1))
    encoded = data.encode(wine, source=data.raw_source(workspace, other, "test"))
    test = data.load_split(workspace, other, "test")
    np.testing.assert_array_equal(encoded.rows, test.rows)
    np.testing.assert_array_equal(encoded.target, test.target)


def test_numbers_have_knots_where_their_rows_and_their_rare_values_are_and_nothing_else_has(workspace):
    random = np.random.default_rng(0)
    rare = np.where(random.random(600) < 0.05, random.integers(1, 5, 600) * 1000, 0)
    frame = pl.DataFrame({
        "size": random.normal(size=600), "gain": rare, "kind": random.choice(["a", "b", "c"], 600),
        "flag": random.choice(["yes", "no"], 600), "target": random.normal(size=600),
    })  # fmt: skip
    frame.write_csv(workspace.root / "knots.csv")
    prepared = data.prepare(workspace, {"source": "knots.csv", "target": "target"})
    names, knots = prepared.encoding["inputs"], prepared.inputs[0].knots
    assert [name for name, some in zip(names, knots, strict=True) if some] == ["size", "gain"]
    train = data.load_split(workspace, prepared, "train").inputs[0]
    size, gain = (train[:, names.index(name)] for name in ("size", "gain"))
    shares = np.histogram(size, knots[names.index("size")])[0] / len(size)
    assert shares.max() < 0.1
    np.testing.assert_allclose(knots[names.index("gain")], np.unique(gain), rtol=1e-4)


def test_each_rare_amount_beside_a_usual_one_has_a_knot_of_its_own():
    amounts = np.concatenate([np.zeros(300), np.arange(1, 101) / 20]).astype(np.float32)
    evenly = np.repeat(np.arange(100) / 20, 4).astype(np.float32)
    gain, size = fit_knots([{"as": "number", "missing": False}] * 2, np.stack([amounts, evenly], axis=1))
    np.testing.assert_allclose(gain, np.unique(amounts), rtol=1e-4)
    assert len(size) <= PIECES + 2
