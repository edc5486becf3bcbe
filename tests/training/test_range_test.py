import json
import time
from types import SimpleNamespace

import pytest

from trainwell.contract.errors import TrainwellError
from trainwell.reports.range_test import draw_range_test
from trainwell.training import range_test
from trainwell.training.range_test import Ramp, judge, mean_curve

RATES = [10 ** (-5 + step / 20) for step in range(101)]


def valley(lowest_at, *, until=101, diverged=True):
    """A loss that falls towards a rate and rises behind it."""
    place = min(range(101), key=lambda step: abs(RATES[step] - lowest_at))
    losses = [2.0 - 1.5 * max(0.0, 1 - abs(step - place) / 40) for step in range(until)]
    return Ramp(RATES[:until], losses, diverged)


def test_a_tenth_of_the_rate_of_the_lowest_loss_is_suggested_the_median_over_ramps():
    found = judge([valley(0.01), valley(0.02), valley(0.5)])

    assert found["lr"] == pytest.approx(0.002, rel=0.1)
    assert found["lowest_at"] == pytest.approx(0.02, rel=0.1)
    assert found["diverges_at"] == pytest.approx(1.0)


def test_the_manifests_limits_hold_for_the_suggestion():
    assert judge([valley(0.01)], (1e-6, 1e-4))["lr"] == 1e-4


def test_a_loss_that_no_rate_moves_gives_no_suggestion():
    assert judge([Ramp(RATES, [2.0] * 101, diverged=False)]) == {"lr": None, "lowest_at": None, "diverges_at": None}


def test_ramps_that_ended_early_do_not_hide_the_others():
    rates, losses = mean_curve([valley(0.01, until=60), valley(0.01)])

    assert (len(rates), len(losses)) == (101, 101)
    assert losses == pytest.approx(valley(0.01).losses)


def test_the_picture_is_drawn_even_of_nothing(tmp_path):
    for number, (losses, lr) in enumerate([(valley(0.01).losses, 0.001), ([float("inf")] * 101, None)]):
        path = draw_range_test(RATES, losses, tmp_path / f"{number}.png", title="$x", suggested=lr)
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def digits(call):
    data = call("prepare_data", source="digits")["data"]
    return {"model": call("build_model", data=data, options={"hidden_dims": [64]})["model"], "train_loader": data}


def test_the_suggested_rate_trains_digits_as_well_as_any(call, digits, services):
    told = call("find_lr", **digits, plot=True)
    scores = {lr: call("train", **digits, lr=lr, epochs=12, wait_seconds=25)["run"] for lr in (told["lr"], 3e-4, 0.5)}
    best = {lr: call("get_run", run=run, wait_seconds=20)["best"] for lr, run in scores.items()}

    assert 1e-3 <= told["lr"] <= 2e-2
    assert json.loads(json.dumps(told["next_call"]))["arguments"]["lr"] == told["lr"]
    assert (services.workspace.root / told["picture"]).exists()
    assert told["curve"][0][1] == pytest.approx(2.3, abs=0.3)
    found = {lr: one["val_accuracy"] if "val_accuracy" in one else one["score"] for lr, one in best.items()}
    assert found[told["lr"]] > 0.95
    assert found[told["lr"]] >= max(found.values()) - 0.01


def test_other_optimizers_have_other_rates_and_given_arguments_go_on_to_train(call, digits):
    told = call("find_lr", **digits, optimizer="sgd", batch_size=64)

    assert 0.01 <= told["lr"] <= 0.5
    assert told["next_call"]["arguments"] == {**digits, "optimizer": "sgd", "batch_size": 64, "lr": told["lr"]}


def test_nothing_of_a_range_test_stays_in_the_store(call, digits):
    call("find_lr", **digits, seconds=2)

    assert call("list_runs")["runs"] == []


def test_models_of_other_shapes_are_refused(refuse, call, digits):
    other = call("prepare_data", source="iris")["data"]
    for tool in ("find_lr", "profile"):
        assert refuse(tool, model=digits["model"], train_loader=other)["code"] == "shapes_differ"


def test_too_little_time_is_said(monkeypatch):
    config = SimpleNamespace(optimizer="adamw")
    slow = SimpleNamespace(spec=SimpleNamespace(config=config), stepper=lambda: None, endless=lambda: iter([()] * 10))
    monkeypatch.setattr(range_test, "seconds_of", lambda *_: 1.0)
    with pytest.raises(TrainwellError) as error:
        range_test._ramps(slow, until=time.perf_counter() + 5, seconds=5)
    assert (error.value.code, error.value.argument) == ("too_little_time", "seconds")
