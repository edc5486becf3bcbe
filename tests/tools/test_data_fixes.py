"""A fix that changes the rows is carried out to a new run, and is not weighed against the old rows."""

import csv

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tests.waiting import ended


@pytest.mark.slow
def test_a_column_that_gives_the_answer_away_is_left_out_by_applying_the_fix(call, refuse, services):
    x, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    with (services.workspace.root / "leak.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*(f"c{place}" for place in range(5)), "code", "target"])
        table.writerows([*x[place, :5].tolist(), 7 * y[place] + 3, y[place]] for place in order)
    data = call("prepare_data", source="leak.csv", target="target", kind="tabular")["data"]
    model = call("build_model", data=data, architecture="mlp", options={"hidden_dims": [16]})["model"]
    run = call("train", model=model, train_loader=data, epochs=6)["run"]
    ended(services, run)

    found = call("diagnose", run=run)["findings"][0]
    assert (found["code"], found["fixes"][0]["patch"]) == (
        "target_leakage", {"prepare_data": {"drop_columns": ["code"]}},
    )  # fmt: skip
    assert found["evidence"]["column"] == '"code"'
    assert refuse("diagnose", run=run, verify=True, fix="target_leakage")["code"] == "other_rows"

    started = call("diagnose", run=run, apply=True)["started"]
    ended(services, started)
    assert services.store.runs.get(started)["parent"] == run
    assert services.store.runs.spec(started).data.inputs[0].shape == (5,)
    assert services.store.runs.get(started)["best_score"] < services.store.runs.get(run)["best_score"]
    assert [one["code"] for one in call("diagnose", run=started)["findings"] if one["severity"] != "info"] == []
