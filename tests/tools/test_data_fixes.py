"""A fix that changes the rows is carried out to a new run, and is not weighed against the old rows."""

import pytest
from sklearn.datasets import load_wine

from tests.waiting import ended


@pytest.mark.slow
def test_class_numbers_that_were_learnt_as_a_quantity_are_classes_after_the_fix(call, refuse, services):
    load_wine(as_frame=True).frame.sample(frac=1, random_state=0).to_csv(
        services.workspace.root / "wine.csv", index=False
    )
    data = call("prepare_data", source="wine.csv", target="target", task="regression")["data"]
    model = call("build_model", data=data, architecture="mlp", options={"hidden_dims": [16]})["model"]
    run = call("train", model=model, train_loader=data, epochs=6)["run"]
    ended(services, run)

    found = call("diagnose", run=run)["findings"][0]
    assert (found["code"], found["fixes"][0]["patch"]) == (
        "wrong_target_encoding", {"prepare_data": {"task": "classification"}},
    )  # fmt: skip
    assert refuse("diagnose", run=run, verify=True, fix="wrong_target_encoding")["code"] == "other_rows"

    started = call("diagnose", run=run, apply=True)["started"]
    ended(services, started)
    assert services.store.runs.get(started)["parent"] == run
    assert services.store.runs.spec(started).data.task == "classification"
    assert "wrong_target_encoding" not in [one["code"] for one in call("diagnose", run=started)["findings"]]
