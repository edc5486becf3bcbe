"""An attempt that fails is repaired by the next one: injected faults of real types, in the real worker."""

import math

import pytest
import torch

from trainwell.contract.findings import Finding
from trainwell.runs.places import Places
from trainwell.runs.queue import claim_next
from trainwell.tools.services import Services
from trainwell.worker import recorder, training_process, weights

torch.set_num_threads(1)
FRESH = weights.fresh


@pytest.fixture
def attempt(services, monkeypatch):
    """Carry out the next attempt here instead of in a process of its own, and start nothing else."""
    monkeypatch.setattr(Services, "start_waiting", lambda _: [])
    monkeypatch.setattr(training_process, "log_to", lambda _: None)
    monkeypatch.setattr(training_process, "limit_memory", lambda: None)
    monkeypatch.setattr(training_process, "offer_to_the_kernel", lambda: None)
    monkeypatch.setattr(training_process, "move_on", lambda *_: None)

    def carry_out():
        for row in services.store.runs.in_states(("retrying",)):
            services.store.runs.update(row["handle"], not_before=0.0)
        run, number = claim_next(services.store, Places(1))
        request = {**services.workspace.to_request(), "arguments": {"run": run, "attempt": number}}
        training_process.main(request)
        return services.store.runs.get(run)

    return carry_out


def submit(call, **arguments):
    data = call("prepare_data", source="iris")["data"]
    model = call("build_model", data=data, options={"hidden_dims": [16], "batch_norm": False, "dropout": 0})["model"]
    given = {"epochs": 4, "batch_size": 32, "deterministic": True, "precision": "fp32", **arguments}
    return call("train", model=model, train_loader=data, **given)["run"]


def memory_for(rows):
    """A network on a device that has no memory for more than so many rows at once."""

    def fresh(spec):
        module = FRESH(spec)

        def full(_module, inputs):
            if module.training and len(inputs[0]) > rows:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

        module.register_forward_pre_hook(full)
        return module

    return fresh


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_effective_one(call, services, attempt, monkeypatch):
    whole = submit(call)
    assert attempt()["state"] == "completed"
    run = submit(call, name="small device")
    monkeypatch.setattr(weights, "fresh", memory_for(8))
    assert attempt()["state"] == "completed"
    (only,) = services.store.history.attempts(run)
    assert (only.cause, only.changes) == (None, {"micro_batch_divisor": 4})
    curves = [[one.train_loss for one in services.store.history.epochs(one)] for one in (whole, run)]
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)
    assert services.store.runs.get(run)["step"] == services.store.runs.get(whole)["step"]


def test_a_device_that_is_too_small_for_one_row_fails_in_the_end_and_diagnose_says_why(call, attempt, monkeypatch):
    run = submit(call)
    monkeypatch.setattr(weights, "fresh", memory_for(0))
    assert [attempt()["state"] for _ in range(3)] == ["retrying", "retrying", "failed"]
    seen = call("get_run", run=run)
    assert seen["findings"][0]["code"] == "out_of_memory"
    found = call("diagnose", run=run)["findings"][0]
    assert found["code"] == "out_of_memory"
    assert found["fixes"][0]["next_call"]["tool"] in {"train", "build_model"}


def poisoned_for(lr_above):
    """A network whose loss becomes NaN at its third step while the rate is too high."""

    def fresh(spec):
        module = FRESH(spec)
        steps = []

        def poison(_module, _inputs, output):
            if module.training:
                steps.append(1)
            return output * math.nan if module.training and len(steps) >= 3 and lr_above[0] else output

        module.register_forward_hook(poison)
        return module

    return fresh


def test_a_loss_that_is_nan_goes_back_lowers_the_rate_clips_and_is_never_silent(call, services, attempt, monkeypatch):
    run = submit(call, lr=0.1, grad_clip=0)
    bad = [True]
    monkeypatch.setattr(weights, "fresh", poisoned_for(bad))
    assert attempt()["state"] == "retrying"
    assert services.store.history.attempts(run)[0].cause == "non_finite_loss"
    bad[0] = False
    row = attempt()
    assert row["state"] == "completed"
    assert math.isfinite(row["best_score"])
    changes = call("get_run", run=run)["attempts"][1]["changes"]
    assert changes == {"lr": pytest.approx(0.01), "grad_clip": 1.0}


def test_an_error_of_ours_fails_the_run_at_once_with_its_cause(call, attempt, monkeypatch):
    run = submit(call)

    def broken(_spec):
        raise ZeroDivisionError("this is a fault of ours")

    monkeypatch.setattr(weights, "fresh", broken)
    assert attempt()["state"] == "failed"
    seen = call("get_run", run=run)
    assert "ZeroDivisionError" in seen["reason"]
    assert seen["next_call"]["tool"] == "diagnose"


def test_a_worker_that_was_given_up_before_it_began_does_nothing(call, services, attempt):
    run = submit(call)
    claim_next(services.store, Places(1))
    services.store.runs.update(run, attempt=7)
    request = {**services.workspace.to_request(), "arguments": {"run": run, "attempt": 1}}
    training_process.main(request)
    assert services.store.history.epochs(run) == []
    assert services.store.runs.get(run)["state"] == "running"


def test_a_finding_may_end_a_run(call, attempt, monkeypatch):
    run = submit(call, epochs=400, lr=1.0, optimizer="sgd", scheduler="constant", on_finding="stop", early_stopping=0)
    monkeypatch.setattr(training_process.Recorder, "judge", critical)
    assert (attempt()["state"], call("get_run", run=run)["reason"]) == ("stopped", "finding: divergence")


def critical(self):
    self.alarm = Finding(
        code="divergence", severity="critical", symptom="It diverges.", cause="A rate.", confidence=1.0, evidence={}
    )


@pytest.fixture
def always_judge(monkeypatch):
    """Judge after every epoch, so that tests do not depend on how long one takes."""
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(recorder, "JUDGE_SECONDS", 0.0)


@pytest.fixture
def sick(call):
    """Submit a run on digits whose rate is far too high: `sick(on_finding="stop")`."""

    def submitted(**arguments):
        data = call("prepare_data", source="digits")["data"]
        options = {"hidden_dims": [32], "batch_norm": False, "dropout": 0}
        model = call("build_model", data=data, architecture="mlp", options=options)["model"]
        given = {"lr": 1.0, "optimizer": "sgd", "scheduler": "constant", "grad_clip": 0, "early_stopping": 0}
        given |= {"epochs": 40, "batch_size": 128, "precision": "fp32", **arguments}
        return call("train", model=model, train_loader=data, **given)["run"]

    return submitted


@pytest.mark.usefixtures("always_judge")
def test_a_sure_critical_finding_ends_a_run_that_is_asked_to_stop(call, services, attempt, sick):
    run = sick(on_finding="stop")
    row = attempt()
    assert (row["state"], row["outcome"]) == ("stopped", "finding")
    assert row["epoch"] < 40
    seen = call("get_run", run=run)
    assert seen["reason"] == f"finding: {seen['findings'][0]['code']}"
    assert "train" in services.store.history.findings(run)[0].fixes[0].patch


@pytest.mark.usefixtures("always_judge")
def test_a_run_repairs_itself_and_its_story_says_how(call, services, attempt, sick):
    run = sick(on_finding="repair")
    row = attempt()
    assert (row["state"], row["epoch"], row["step"]) == ("retrying", 0, 0)
    assert services.store.history.epochs(run) == []
    row = attempt()
    first, second = services.store.history.attempts(run)[:2]
    assert (first.outcome, first.cause) == ("repaired", "learning_rate_too_high")
    assert "Repair 1 of 2: lr" in (first.message or "")
    assert second.changes["lr"] < 1.0
    assert (row["state"], row["epoch"]) == ("completed", 40)
    assert row["best_score"] > 0.8
    assert call("get_run", run=run)["attempts"][0]["outcome"] == "repaired"


@pytest.mark.usefixtures("always_judge")
def test_a_run_is_repaired_only_as_often_as_the_policy_allows(call, attempt, sick):
    run = sick(on_finding="repair", max_attempts=1)
    assert attempt()["state"] == "stopped"
    assert call("get_run", run=run)["reason"].startswith("finding")


def test_a_run_that_starts_from_a_checkpoint_starts_from_its_weights(call, services, attempt):
    run = submit(call, epochs=30, lr=0.01)
    attempt()
    saved = call("save_checkpoint", run=run)["checkpoint"]
    again = submit(call, epochs=1, lr=1e-6, checkpoint=saved)
    attempt()
    first = services.store.history.epochs(again)[0].val_loss
    assert first == pytest.approx(services.store.runs.get(run)["best_metrics"]["val_loss"], rel=0.02)
