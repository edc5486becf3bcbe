"""Class weights belong to classes, and with them it is the balanced accuracy that chooses, compares and proves."""

import numpy as np
import pytest

from tests.tools.test_repairing import proofs, verified
from tests.waiting import ended

ROWS, RARE = 300, 25


@pytest.fixture
def unequal(call, services):
    """A table of 300 rows, 180 of them to train on, of which one in twelve is a yes that no column gives away."""
    random = np.random.default_rng(3)
    yes = random.permutation(ROWS) < RARE
    columns = random.normal(size=(ROWS, 4)) + 0.8 * yes[:, None]
    lines = ["a,b,c,d,answer", *(
        ",".join([*(f"{value:.4f}" for value in row), "yes" if one else "no"])
        for row, one in zip(columns, yes, strict=True)
    )]  # fmt: skip
    (services.workspace.root / "unequal.csv").write_text("\n".join(lines), encoding="utf-8")
    return call(
        "prepare_data", source="unequal.csv", target="answer", validation_fraction=0.2, test_fraction=0.2
    )["data"]  # fmt: skip


@pytest.fixture
def trained(call, services, unequal):
    def training(**arguments):
        options = {"hidden_dims": [16], "batch_norm": False, "dropout": 0}
        model = call("build_model", data=unequal, architecture="mlp", options=options)["model"]
        given = {"epochs": 30, "lr": 0.003, "early_stopping": 0, **arguments}
        run = call("train", model=model, train_loader=unequal, **given)["run"]
        assert ended(services, run)["state"] == "completed"
        return run

    return training


def test_class_weights_are_refused_where_there_are_no_classes(call, refuse):
    data = call("prepare_data", source="diabetes")["data"]
    model = call("build_model", data=data)["model"]
    error = refuse("train", model=model, train_loader=data, class_weights="balanced")
    assert (error["code"], error["argument"], error["allowed"]) == ("no_classes", "class_weights", "none")
    assert error["next_call"]["arguments"] == {"model": model, "train_loader": data}
    assert call("list_runs")["runs"] == []


def test_the_weights_that_are_kept_find_the_rare_class(call, services, trained):
    run = trained(class_weights="balanced", seed=1)
    row, epochs = services.store.runs.get(run), services.store.history.epochs(run)
    kept = epochs[row["best_epoch"] - 1]

    assert kept.recalls[1] >= 0.7
    assert kept.val_accuracy < max(one.val_accuracy for one in epochs)  # by which another epoch would have won
    assert row["best_score"] == row["best_metrics"]["val_balanced_accuracy"] == pytest.approx(np.mean(kept.recalls))
    told = call("get_run", run=run)
    assert "best val_balanced_accuracy 0." in told["summary"]
    assert {"val_accuracy", "val_balanced_accuracy"} <= told["metrics"].keys() & told["best"].keys()
    judged = call("evaluate", run=run, split="validation")["metrics"]
    assert judged["balanced_accuracy"] == pytest.approx(row["best_score"], abs=1e-3)


def test_runs_with_and_without_weights_are_compared_by_what_both_have_recorded(call, services, trained):
    plain, weighted = (
        trained(),
        trained(class_weights="balanced", parent="latest", hypothesis="The rare class is found."),
    )
    told = call("get_run", run=plain)
    assert "best val_accuracy 0." in told["summary"]
    assert "val_balanced_accuracy" not in told["metrics"].keys() | told["best"].keys()

    compared = call("compare_runs", runs=[plain, weighted])
    assert (compared["metric"], compared["ranked"][0]["run"]) == ("val_balanced_accuracy", weighted)
    assert compared["ranked"][0]["interval"][0] < compared["ranked"][0]["score"] < compared["ranked"][0]["interval"][1]
    assert call("compare_runs", runs=[plain, weighted], metric="val_accuracy")["ranked"][0]["run"] == plain
    experiment = call("get_run", run=weighted)["experiment"]
    assert (experiment["metric"], experiment["difference"] > 0.1) == ("val_balanced_accuracy", True)


@pytest.mark.slow
def test_the_repair_of_unequal_classes_is_proven_by_the_score_that_it_is_for(call, trained):
    sick = trained()
    answer = verified(call, sick, fix="class_imbalance/1")
    proof = proofs(answer)["class_imbalance", 0]
    assert (proof["verdict"], proof["metric"]) == ("proven", "val_balanced_accuracy")
    assert proof["without"] < 0.6 < proof["with_fix"]
