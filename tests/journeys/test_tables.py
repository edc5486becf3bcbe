"""Tables through the front door: several labels, groups that stay together, given files."""

import numpy as np
import polars as pl
from sklearn import datasets


def write(services, name, frame):
    frame.write_csv(services.workspace.root / name)


def test_several_labels_a_row_are_learnt_from_one_column_that_lists_them(call, refuse, trained, services):
    bunch = datasets.load_wine()
    strong, pale = bunch.data[:, 0] > 13, bunch.data[:, 9] < 4
    tags = [";".join([f"kind {kind}", *["strong"] * int(a), *["pale"] * int(b)])
            for kind, a, b in zip(bunch.target, strong, pale, strict=True)]  # fmt: skip
    frame = pl.DataFrame(bunch.data, schema=[str(name) for name in bunch.feature_names])
    write(services, "wine.csv", frame.with_columns(tags=pl.Series(tags)))
    prepared = call("prepare_data", source="wine.csv", target="tags")
    assert (prepared["task"], prepared["baseline"]["metric"]) == ("multilabel", "val_f1")
    run = trained(prepared["data"], "mlp", epochs=40)
    best = call("get_run", run=run)["best"]
    assert best["val_f1"] > max(0.85, prepared["baseline"]["value"] + 0.1)
    assert refuse("prepare_data", source="wine.csv", targets=["alcohol", "hue"])["code"] == "not_a_label"


def test_groups_stay_together_and_raw_rows_are_predicted(call, refuse, trained, services):
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 40, 600)
    x = rng.normal(size=(600, 3)) + rng.normal(size=(40, 3))[patients]
    frame = pl.DataFrame(x, schema=["a", "b", "c"]).with_columns(
        patient=pl.Series([f"p{n}" for n in patients]), sick=pl.Series(np.where(x[:, 0] + x[:, 1] > 0, "yes", "no"))
    )
    write(services, "p.csv", frame)
    told = call("inspect_data", source="p.csv", target="sick")["next_call"]["arguments"]
    assert (told["split"], told["split_by"]) == ("group", "patient")
    data = call("prepare_data", **told)["data"]
    run = trained(data, "mlp", epochs=30)
    assert call("evaluate", run=run)["metrics"]["accuracy"] > 0.9
    rows = [{"a": 2, "b": 2, "c": 0}, {"a": -2, "b": -1, "c": 0}]
    assert call("predict", run=run, rows=rows)["predictions"] == ["true", "false"]
    assert refuse("prepare_data", source="p.csv", target="sick", split="group")["argument"] == "split_by"


def test_given_files_are_what_is_validated_and_tested_on(call, refuse, trained, services):
    bunch = datasets.load_breast_cancer()
    names = [str(name) for name in bunch.feature_names]
    frame = pl.DataFrame(bunch.data, schema=names).with_columns(kind=pl.Series(bunch.target_names[bunch.target]))
    frame = frame.sample(fraction=1, shuffle=True, seed=0)
    for name, part in (("train.csv", frame[:369]), ("val.csv", frame[369:469]), ("test.csv", frame[469:])):
        write(services, name, part)
    prepared = call(
        "prepare_data", source="train.csv", target="kind", validation_source="val.csv", test_source="test.csv"
    )
    assert prepared["splits"] == {"train": 369, "validation": 100, "test": 100}
    run = trained(prepared["data"], "mlp", epochs=30)
    told = call("evaluate", run=run)
    assert told["metrics"]["accuracy"] > 0.93
    assert told["rows"] == 100
    predicted = call("predict", run=run, source="test.csv")["predictions"]
    agreed = np.mean([one == other for one, other in zip(predicted, frame[469:]["kind"], strict=False)])
    assert agreed > 0.9
    write(services, "lacking.csv", frame[:20].drop("kind"))
    refusal = refuse("prepare_data", source="train.csv", target="kind", test_source="lacking.csv")
    assert (refusal["code"], refusal["argument"]) == ("missing_column", "test_source")
