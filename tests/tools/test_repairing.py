"""diagnose with apply: the run that a fix describes is started, as a child of the sick one."""

import os
import signal

import pytest

import trainwell
from tests.python.models import loader, simple
from tests.waiting import ended, until
from trainwell.diagnosis.repair import train_fix
from trainwell.diagnosis.rules import learning_rate_too_high

FAR_TOO_HIGH = {"lr": 1.0, "optimizer": "sgd", "scheduler": "constant", "grad_clip": 0, "early_stopping": 0}


@pytest.fixture
def digits(call):
    return call("prepare_data", source="digits")["data"]


@pytest.fixture
def trained(call, services, digits):
    """Train an MLP on digits to its end: `trained(lr=1)` gives the handle."""

    def training(options=None, **arguments):
        given = {"hidden_dims": [32], "batch_norm": False, "dropout": 0, **(options or {})}
        model = call("build_model", data=digits, architecture="mlp", options=given)["model"]
        run = call("train", model=model, train_loader=digits, **{"epochs": 8, "batch_size": 64, **arguments})["run"]
        ended(services, run)
        return run

    return training


def test_the_first_fix_is_applied_and_helps(call, services, trained):
    sick = trained(**FAR_TOO_HIGH)
    answer = call("diagnose", run=sick, apply=True)

    assert answer["applied"] == answer["findings"][0]["code"]
    assert answer["next_call"] == {"tool": "get_run", "arguments": {"run": answer["started"], "wait_seconds": 20}}
    child = ended(services, answer["started"])
    assert (child["parent"], child["state"]) == (sick, "completed")
    assert services.store.runs.spec(child["handle"]).config.lr < 0.5
    assert child["best_score"] > services.store.runs.get(sick)["best_score"] + 0.1
    assert call("get_run", run=child["handle"])["parent"] == sick


def test_a_fix_is_chosen_by_name_or_number_and_a_key_starts_one_run_only(call, refuse, services, trained):
    sick = trained(**FAR_TOO_HIGH)
    assert refuse("diagnose", run=sick, apply=True, fix="nonsense")["code"] == "unknown_fix"
    names = refuse("diagnose", run=sick, apply=True, fix="99")["allowed"]
    second = call("diagnose", run=sick, apply=True, fix=names[1], idempotency_key="once")
    again = call("diagnose", run=sick, apply=True, fix="2", idempotency_key="once")

    assert second["applied"] == again["applied"] == names[1]
    assert second["started"] == again["started"]
    assert len(call("list_runs")["runs"]) == 2
    ended(services, second["started"])


def test_a_fix_of_the_network_builds_it_first(call, services, trained):
    sick = trained({"hidden_dims": [1]}, epochs=30, lr=0.01)
    answer = call("diagnose", run=sick, apply=True)

    (patch,) = [
        fix["patch"]
        for finding in answer["findings"]
        for fix in finding["fixes"][:1]
        if finding["code"] == answer["applied"]
    ]
    built = services.store.runs.spec(answer["started"]).model
    assert built.options["hidden_dims"] == patch["build_model"]["options"]["hidden_dims"] != [1]
    assert ended(services, answer["started"])["state"] == "completed"


def test_what_cannot_be_repaired_is_refused_and_leaves_nothing(call, refuse, trained):
    healthy = trained(epochs=12, lr=0.003)
    assert refuse("diagnose", run=healthy, apply=True)["code"] == "nothing_to_fix"
    assert refuse("diagnose", symptoms="the loss is NaN", apply=True)["code"] == "run_needed"
    assert refuse("diagnose", run=healthy, fix="1")["code"] == "fix_without_use"
    assert len(call("list_runs")["runs"]) == 1


def test_a_run_of_a_python_program_is_mended_there(refuse, tmp_path):
    run = trainwell.train(simple(), loader(), workspace=tmp_path, verbose=False, epochs=4, lr=1e-6)
    assert refuse("diagnose", run=run.handle, apply=True)["code"] == "python_network"


def test_a_row_with_infinity_is_named_and_no_rate_is_tried_against_it(call, tmp_path):
    rows = loader()
    rows.dataset.tensors[0][3, 1] = float("inf")
    with pytest.raises(ArithmeticError):
        trainwell.train(simple(), rows, workspace=tmp_path, verbose=False, epochs=4)
    (found,) = [
        one for one in call("diagnose", run="latest")["findings"] if "non_finite_loss" in (one["code"], *one["also"])
    ]

    evidence = found["evidence"]
    assert (evidence["likely_cause"], evidence["rows"], evidence["tensor"]) == ("data", [3], "input")
    assert evidence["layer"]
    assert "row 3" in found["cause"]
    assert found["fixes"] == []
    assert len(call("get_run", run="latest")["attempts"]) == 1


def verified(call, run, **arguments):
    """Ask until the twins have ended."""
    arguments = {"budget_seconds": 600, **arguments}  # a busy machine is slow
    answer = call("diagnose", run=run, verify=True, **arguments)
    while answer["verification"]["state"] != "over":
        assert answer["next_call"]["tool"] == "diagnose"
        answer = call("diagnose", **answer["next_call"]["arguments"])
    return answer


def proofs(answer):
    return {
        (finding["code"], number): fix["proof"]
        for finding in answer["findings"]
        for number, fix in enumerate(finding["fixes"])
        if "proof" in fix
    }


@pytest.mark.slow
def test_a_lower_rate_is_proven_though_a_twin_is_killed_told_by_get_run_and_applied_once(call, services, trained):
    sick = trained(**FAR_TOO_HIGH)
    begun = call("diagnose", run=sick, verify=True)
    assert (begun["verification"]["state"], begun["verification"]["start"]) == ("running", "seed")
    assert [row["run"] for row in call("list_runs")["runs"]] == [sick]
    assert services.find("run", "latest", "run") == sick

    def carried():
        services.start_waiting()
        return [row["owner"]["pid"] for row in services.store.runs.twins(sick) if (row["owner"] or {}).get("pid")]

    os.kill(until(carried, what="a twin at work")[0], signal.SIGKILL)
    answer = verified(call, sick)
    (first, *_) = answer["findings"][0]["fixes"]
    proof = first["proof"]
    assert (proof["verdict"], proof["metric"]) == ("proven", "val_accuracy")
    assert proof["difference"] == pytest.approx(proof["with_fix"] - proof["without"])
    assert proof["difference"] > max(0.1, proof["spread"])
    assert "lr" in first["patch"]["train"]
    assert services.store.runs.twins(sick) == []
    assert {path.name for path in (services.workspace.state / "runs").iterdir()} == {sick}
    assert "(proven: val_accuracy" in call("get_run", run=sick)["findings"][0]["fix"]

    begun, again = (call("diagnose", run=sick, verify=True, apply=True) for _ in range(2))
    assert begun["started"] == again["started"]
    assert ended(services, begun["started"])["best_score"] > 0.8


@pytest.mark.slow
def test_a_fix_that_does_not_help_is_said_to_have_not_helped_and_the_next_is_taken(
    call, services, trained, monkeypatch
):
    plain = learning_rate_too_high.check

    def with_a_useless_fix_first(trace):
        found = plain(trace)
        useless = train_fix(trace, {"early_stopping": 500}, reason="Wait longer.", expected="Nothing.")
        return found and found.model_copy(update={"fixes": (useless, *found.fixes[:1])})

    sick = trained(**FAR_TOO_HIGH)
    monkeypatch.setattr(learning_rate_too_high, "check", with_a_useless_fix_first)
    answer = verified(call, sick, apply=True)

    useless, lower = (fix["proof"] for fix in answer["findings"][0]["fixes"])
    assert (useless["verdict"], useless["difference"]) == ("no_help", 0.0)
    assert "did not help" in answer["summary"]
    assert lower["verdict"] == "proven"
    assert answer["applied"] == "learning_rate_too_high/2"
    assert ended(services, answer["started"])["parent"] == sick
    alone = verified(call, sick, fix="1", apply=True)
    assert "started" not in alone
    assert "nothing was started" in alone["summary"]


def test_a_verification_ends_with_stop_and_with_the_run_and_a_budget_must_suffice(call, refuse, services, trained):
    sick = trained(**FAR_TOO_HIGH)
    call("diagnose", run=sick, verify=True, fix="1")
    assert services.store.runs.twins(sick)
    assert "cancelled" in call("stop_run", run=sick)["summary"]
    assert services.store.runs.twins(sick) == []

    pace = services.store.runs.get(sick)["pace"]
    services.store.runs.update(sick, pace=10.0)
    error = refuse("diagnose", run=sick, verify=True)
    assert error["code"] == "budget_too_small"
    assert error["next_call"]["arguments"]["budget_seconds"] > 60
    services.store.runs.update(sick, pace=pace)

    call("diagnose", run=sick, verify=True, fix="1")
    call("delete_run", run=sick, confirm=True)
    assert services.store.runs.twins(sick) == []
    assert services.store.queue.carried() == []
    until(lambda: not list((services.workspace.state / "runs").glob("run_twin*")), what="the end of their folders")


@pytest.mark.slow
def test_twins_of_a_run_that_broke_late_go_on_from_its_last_sound_checkpoint(injected_workers, call, services):
    (services.workspace.root / "faults.json").write_text('[{"fault": "save_often", "wait": true}]')
    data = call("prepare_data", source="diabetes")["data"]
    options = {"hidden_dims": [512] * 6, "batch_norm": False, "dropout": 0}
    model = call("build_model", data=data, architecture="mlp", options=options)["model"]
    rising = {"lr": 1.0, "optimizer": "sgd", "scheduler": "constant", "warmup": 0.9, "grad_clip": 0, "max_attempts": 1}
    sick = call("train", model=model, train_loader=data, epochs=60, early_stopping=0, **rising)["run"]
    row = ended(services, sick)
    assert (row["state"], row["cause"]) == ("failed", "non_finite_loss")
    assert row["epoch"] >= 2

    begun = call("diagnose", run=sick, verify=True, budget_seconds=600)
    start = begun["verification"]["start"]
    epoch = int(start.removeprefix("checkpoint of epoch "))
    assert 0 < epoch <= row["epoch"]
    step = row["plan"]["steps_per_epoch"] * epoch
    waiting = services.store.runs.twins(sick)[-1]["handle"]
    saved = services.workspace.run_dir(waiting) / "checkpoints"
    assert [path.name for path in saved.iterdir()] == [f"step-{step:08d}"]

    tried = {str(one["patch"]): one["proof"] for one in verified(call, sick)["findings"][0]["fixes"]}
    clip = tried["{'train': {'grad_clip': 1.0}}"]
    assert clip["verdict"] == "proven", tried
    assert "failed without it, 0 with it" in clip["told"]
