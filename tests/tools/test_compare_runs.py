"""Repeats, hypotheses and comparisons through the front door, with real trainings."""

import pytest

from tests.waiting import ended


@pytest.fixture
def train(call, services):
    """Train on a set and wait for the end: `train("iris", lr=0.1)` gives the answer of train."""
    built = {}

    def training(source, **arguments):
        if source not in built:
            data = call("prepare_data", source=source)["data"]
            model = call("build_model", data=data, options={"hidden_dims": [16]})["model"]
            built[source] = {"model": model, "train_loader": data}
        answer = call("train", **built[source], **arguments)
        for run in answer.get("repeats", [answer["run"]]):
            ended(services, run)
        return answer

    return training


def test_repeats_measure_the_noise_and_a_hypothesis_is_judged_by_it(call, train, services):
    base = train("digits", epochs=4, lr=2e-4, repeats=3, seed=5)
    assert len(base["repeats"]) == 3
    assert base["run"] == base["repeats"][0]
    assert [services.store.runs.spec(run).config.seed for run in base["repeats"]] == [5, 6, 7]
    seen = call("get_run", run=base["repeats"][2])
    assert (seen["repeats"]["runs"], seen["repeats"]["done"]) == (3, 3)
    assert seen["repeats"]["spread"] > 0
    bold = train("digits", epochs=4, lr=0.03, repeats=2, hypothesis="four epochs need a higher rate")["run"]
    experiment = call("get_run", run=bold)["experiment"]
    assert experiment["parent"] in base["repeats"]
    assert experiment["changed"] == {"lr": [2e-4, 0.03]}
    assert (experiment["held"], experiment["method"]) == ("yes", "spread over seeds")
    timid = train("digits", epochs=4, lr=1e-5, batch_size=64, hypothesis="slow is safe", parent=bold)
    assert timid["warnings"][0].startswith("several_changes")
    compared = call("compare_runs", runs=[base["run"], bold, timid["run"]], plot=True)
    assert [one["run"] for one in compared["ranked"]] == [bold, base["run"], timid["run"]]
    assert compared["ranked"][1]["seeds"] == 3
    assert [(one["run"], one["against"], one["held"]) for one in compared["effects"]] == [
        (bold, base["run"], "yes"), (timid["run"], bold, "no"),
    ]  # fmt: skip
    assert compared["differences"]["lr"] == {base["run"]: 2e-4, bold: 0.03, timid["run"]: 1e-5}
    assert (services.workspace.root / compared["picture"]).read_bytes().startswith(b"\x89PNG")
    again = train("digits", epochs=4, lr=1e-5, batch_size=64, parent=bold)
    assert again["warnings"][0].startswith("tried_before")
    assert timid["run"] in again["warnings"][0]


def test_of_other_metrics_the_validation_rows_are_drawn_again(call, train):
    one = train("diabetes", epochs=6)["run"]
    other = train("diabetes", epochs=6, lr=0.003)["run"]
    compared = call("compare_runs", runs=[one, other])
    assert compared["metric"] == "val_r2"
    effect = compared["effects"][0]
    assert effect["method"] == "validation rows"
    assert effect["interval"][0] < effect["difference"] < effect["interval"][1]
    assert "train(repeats=3)" in compared["warnings"][-1]


def test_what_cannot_be_compared_is_refused(call, train, refuse):
    one, other = train("iris", epochs=1)["run"], train("diabetes", epochs=1)["run"]
    assert refuse("compare_runs", runs=[one])["code"] == "one_run"
    assert refuse("compare_runs", runs=[one, other])["code"] == "tasks_differ"
    assert refuse("compare_runs", runs=[one, "run_none"])["argument"] == "runs/1"
    third = train("iris", epochs=1, lr=0.1)["run"]
    error = refuse("compare_runs", runs=[one, third], metric="val_r2")
    assert (error["code"], error["allowed"]) == (
        "unknown_metric",
        ["val_accuracy", "val_balanced_accuracy", "val_loss"],
    )
    assert refuse("train", model="latest", train_loader="latest", parent="run_none")["argument"] == "parent"


def test_one_key_is_one_group(call, train):
    first = train("iris", epochs=1, repeats=2, idempotency_key="k")
    second = train("iris", epochs=1, repeats=2, idempotency_key="k")
    assert second["repeats"] == first["repeats"]
    assert len(call("list_runs")["runs"]) == 2
