"""The search for better settings, through the front door."""

import os
import signal

import pytest

from tests.waiting import ended, until
from trainwell.worker.tuning import best_trial

SMALL = {"hidden_dims": [8], "dropout": 0.0}


@pytest.fixture
def given(call):
    """A model and data: `given("mlp")`."""

    def building(architecture, options=None):
        data = call("prepare_data", source="iris")["data"]
        model = call("build_model", data=data, architecture=architecture, options=options or SMALL)["model"]
        return {"model": model, "train_loader": data}

    return building


def trials(services, run):
    return services.store.runs.get(run)["plan"]["tuning"]["trials"]


def test_the_best_of_a_search_is_a_run_like_any_other(given, call, services):
    asked = given("mlp")
    space = {"lr": {"low": 0.0005, "high": 0.05}, "hidden_dims": [[8], [16]], "epochs": [8]}
    told = call("tune", **asked, trials=12, space=space)
    assert told["space"]["lr"] == {"low": 0.0005, "high": 0.05, "log": True}
    row = ended(services, told["run"])
    assert row["state"] == "completed", call("get_run", run=told["run"])

    seen = call("get_run", run=told["run"])
    best = best_trial(trials(services, told["run"]))
    assert (seen["tuning"]["over"], seen["tuning"]["trials"]) == (True, 12)
    assert seen["tuning"]["best"] == best["values"]
    spec = services.store.runs.spec(told["run"])
    assert (spec.config.lr, spec.config.epochs, row["epoch"]) == (best["values"]["lr"], 8, 8)
    assert list(spec.model.options["hidden_dims"]) == best["values"]["hidden_dims"]
    assert call("evaluate", run=told["run"])["rows"] == 30
    # What it says of itself is what train takes to do it again.
    again = {name: value for name, value in row["arguments"].items() if name != "hidden_dims"}
    assert call("train", **again)["expected"]["total_steps"] == row["step"]


def test_the_first_trial_is_what_would_have_been_taken_without_a_search(given, call, services):
    asked = given("mlp")
    run = call("tune", **asked, trials=2, space={"lr": {"low": 1e-4, "high": 0.1}, "weight_decay": [0.01, 0.1]})["run"]
    ended(services, run)
    usual = call("train", **asked, epochs=1)["run"]
    ended(services, usual)
    assert trials(services, run)[0]["values"]["lr"] == services.store.runs.spec(usual).config.lr


@pytest.mark.slow
def test_a_search_is_stopped_and_taken_up_again_and_survives_a_kill(given, call, services):
    space = {"lr": {"low": 1e-4, "high": 0.1}, "epochs": [6]}
    run = call("tune", **given("tabular", {**SMALL, "members": 2}), space=space, trials=500, budget_minutes=60)["run"]
    until(lambda: trials(services, run), what="a trial")
    call("stop_run", run=run)
    assert ended(services, run)["state"] == "stopped"
    seen = call("get_run", run=run)
    assert seen["tuning"]["best"] is not None
    assert seen["next_call"]["tool"] == "resume_run"

    before = len(trials(services, run))
    call("resume_run", run=run)
    until(lambda: len(trials(services, run)) > before, what="another trial")
    os.kill(services.store.runs.get(run)["owner"]["pid"], signal.SIGKILL)
    killed_at = len(trials(services, run))

    def goes_on():
        services.start_waiting()
        return len(trials(services, run)) > killed_at

    until(goes_on, what="a trial behind the kill")
    kept = trials(services, run)
    assert [one["state"] for one in kept].count("failed") == 0
    call("stop_run", run=run)
    assert ended(services, run)["state"] == "stopped"


@pytest.mark.slow
def test_hopeless_trials_are_cut_short(given, call, services):
    # A rate of a millionth learns nothing in 10 epochs; the median does.
    space = {"lr": [0.02, 1e-6], "epochs": [10]}
    run = call("tune", **given("tabular", {**SMALL, "members": 2}), space=space, trials=14)["run"]
    assert ended(services, run)["state"] == "completed"
    cut = [one for one in trials(services, run) if one["state"] == "pruned"]
    assert all(one["values"]["lr"] == 1e-6 and len(one["scores"]) < 10 for one in cut)
    assert cut
    assert not (services.workspace.run_dir(run) / "trial").exists()


@pytest.mark.parametrize(
    ("space", "place"),
    [
        ({}, "space"),
        ({"lr": 0.1}, "space/lr"),
        ({"lr": []}, "space/lr"),
        ({"lr": {"low": 0.1, "high": 0.01}}, "space/lr"),
        ({"lr": {"low": 0.001, "high": 5}}, "space/lr"),
        ({"dropout": {"low": 0, "high": 2}}, "space/dropout"),
        ({"optimizer": ["adamw", "adam"]}, "space/optimizer"),
        ({"dropuot": [0.1]}, "space/dropuot"),
        ({"seed": [1, 2]}, "space/seed"),
        ({"lr": {"low": 0, "high": 1, "log": True}}, "space/lr"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_its_place(space, place, given, refuse, services):
    error = refuse("tune", **given("mlp"), space=space)
    assert error["argument"] == place
    assert services.store.runs.all_handles() == set()
