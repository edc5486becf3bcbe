import itertools
import json
import math
from dataclasses import fields, replace

import pytest
import torch

from tests.training.jobs import Arrays, diabetes, digits, job, network, spec, weights
from trainwell.contract.errors import TrainwellError
from trainwell.contract.trace import EpochRecord
from trainwell.training import checkpoint, saving
from trainwell.training import fit as engine
from trainwell.training.errors import NonFiniteLoss
from trainwell.training.fit import fit

DIGITS = digits()


@pytest.fixture
def always_look(monkeypatch):
    """Ask the outside world after every step, so that tests count steps instead of seconds."""
    monkeypatch.setattr(engine, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(engine, "PROGRESS_SECONDS", 0.0)


@pytest.fixture
def always_save(monkeypatch):
    """Write a checkpoint at the end of every epoch."""
    monkeypatch.setattr(saving.Saver, "due", lambda saver: saver.wait() or True)


def stop_after(calls):
    """A should_stop that says so the n-th time it is asked."""
    counter = itertools.count(1)
    return lambda: "stop_requested" if next(counter) >= calls else None


def last_state(folder):
    found = checkpoint.read_checkpoint(checkpoint.newest_good(folder / "checkpoints"))
    return {**found.weights, **found.optimizer}


def test_it_learns_digits_and_records_every_epoch(tmp_path):
    module, records = network(width=128), []
    run = spec(epochs=15, lr=0.005, batch_size=32)
    outcome = fit(job(tmp_path, module, DIGITS, run, on_epoch=records.append))

    assert outcome.reason == "completed"
    assert (outcome.epochs, outcome.steps) == (15, 15 * 19)
    assert outcome.best_score >= 0.93
    assert [record.epoch for record in records] == list(range(1, 16))
    assert records[-1].train_loss < 0.1 * records[0].train_loss
    measured = {field.name for field in fields(EpochRecord) if getattr(records[3], field.name) is not None}
    assert measured == {field.name for field in fields(EpochRecord)} - {
        "val_r2", "val_rmse", "val_f1", "gpu_memory", "loss_scale",
    }  # fmt: skip
    assert records[-1].train_accuracy > records[0].train_accuracy
    assert records[-1].train_accuracy >= records[-1].val_accuracy - 0.02
    assert 1e-5 < records[3].update_ratio < 0.2
    assert records[3].grad_norm_max >= records[3].grad_norm > 0


def test_the_module_is_left_with_the_best_weights_and_they_are_on_disk(tmp_path):
    module, records = network(), []
    outcome = fit(job(tmp_path, module, DIGITS, spec(epochs=8, lr=0.02, scheduler="constant"), on_epoch=records.append))
    best, state = checkpoint.read_best(tmp_path / "checkpoints")
    with torch.no_grad():
        right = module.eval()(torch.from_numpy(DIGITS[1].inputs[0])).argmax(1).numpy() == DIGITS[1].target

    assert outcome.best_score == max(record.val_accuracy for record in records) == right.mean()
    assert state["epoch"] == outcome.best_epoch
    assert state["metrics"] == outcome.best_metrics
    assert all(torch.equal(best[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_stopped_at_any_step_and_resumed_ends_with_the_same_bits(tmp_path, always_look, optimizer):
    run = spec(epochs=4, deterministic=True, optimizer=optimizer)
    make = lambda: network(dropout=0.3, batch_norm=True)  # noqa: E731
    whole, pieces, records = tmp_path / "whole", tmp_path / "pieces", {}
    expected = fit(job(whole, make(), DIGITS, run))
    for attempt in range(20):
        stop = stop_after(7) if attempt < 6 else lambda: None
        outcome = fit(
            job(pieces, make(), DIGITS, run, should_stop=stop, on_epoch=lambda r: records.__setitem__(r.epoch, r))
        )
        if outcome.reason == "completed":
            break

    assert attempt >= 4
    assert outcome.steps == expected.steps
    assert outcome.best_metrics == expected.best_metrics
    assert sorted(records) == [1, 2, 3, 4]
    one, other = last_state(whole), last_state(pieces)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_killed_run_goes_on_from_its_checkpoint_to_the_same_bits(tmp_path, always_save):
    class Killed(BaseException):
        pass

    def kill(record):
        if record.epoch == 3:
            raise Killed

    run = spec(epochs=5, deterministic=True, scheduler="plateau", early_stopping=4)
    make = lambda: network(dropout=0.3, batch_norm=True)  # noqa: E731
    fit(job(tmp_path / "whole", make(), DIGITS, run))
    with pytest.raises(Killed):
        fit(job(tmp_path / "killed", make(), DIGITS, run, on_epoch=kill))
    outcome = fit(job(tmp_path / "killed", make(), DIGITS, run))

    assert outcome.resumed_from_step == 20
    one, other = last_state(tmp_path / "whole"), last_state(tmp_path / "killed")
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_damaged_newest_checkpoint_costs_one_epoch_and_no_bit(tmp_path, always_save):
    run = spec(epochs=4, deterministic=True)
    fit(job(tmp_path / "whole", network(dropout=0.3), DIGITS, run))
    fit(job(tmp_path / "bad", network(dropout=0.3), DIGITS, run))
    newest = checkpoint.newest_good(tmp_path / "bad" / "checkpoints")
    (newest / "optimizer.safetensors").write_bytes(b"torn")
    told = []
    outcome = fit(job(tmp_path / "bad", network(dropout=0.3), DIGITS, run, log=told.append))

    assert outcome.resumed_from_step == 30
    assert any("damaged" in text for text in told)
    one, other = last_state(tmp_path / "whole"), last_state(tmp_path / "bad")
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = fit(job(tmp_path, network(), DIGITS, spec(epochs=2)))
    again = fit(job(tmp_path, network(seed=5), DIGITS, spec(epochs=2), on_epoch=lambda _: pytest.fail("trained")))

    assert replace(again, resumed_from_step=0, decisions=first.decisions) == first


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path):
    def trained(folder, seed):
        module = network(dropout=0.3)
        fit(job(tmp_path / folder, module, DIGITS, spec(epochs=2, seed=seed, deterministic=True)))
        return weights(module)

    assert torch.equal(trained("a", 1), trained("b", 1))
    assert not torch.equal(trained("c", 1), trained("d", 2))


def test_smaller_micro_batches_after_running_out_of_memory_give_the_same_curve(tmp_path):
    def curve(folder, **options):
        records = []
        fit(job(tmp_path / folder, network(), DIGITS, spec(epochs=4), on_epoch=records.append, **options))
        return [record.train_loss for record in records]

    plain = curve("plain")
    assert curve("cut", adjustments={"micro_batch_divisor": 8}) == pytest.approx(plain, rel=1e-3)


def test_adjustments_of_a_retry_take_the_place_of_the_config(tmp_path):
    records = []
    run = spec(epochs=1, lr=0.5, scheduler="constant", warmup=0.0, optimizer="sgd", grad_clip=0.0)
    changes = {"lr": 0.001, "grad_clip": 0.01}
    fit(job(tmp_path, network(), DIGITS, run, adjustments=changes, on_epoch=records.append))

    assert records[0].lr == 0.001
    assert records[0].update_ratio < 1e-4


def poisoned(row, value):
    x = DIGITS[0].inputs[0].copy()
    x[row, 10] = value
    return Arrays((x,), DIGITS[0].target), DIGITS[1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_raised_and_never_reaches_a_weight(tmp_path, value):
    module = network()
    before = weights(module)
    with pytest.raises(NonFiniteLoss) as error:
        fit(job(tmp_path, module, poisoned(17, value), spec(epochs=3)))

    assert (error.value.epoch, error.value.what) == (1, "train_loss")
    assert torch.equal(weights(module), before)
    assert checkpoint.newest_good(tmp_path / "checkpoints") is None


def test_a_rate_that_diverges_ends_in_an_error_with_a_good_checkpoint_behind(tmp_path, always_save):
    run = spec(epochs=30, lr=0.9, optimizer="sgd", grad_clip=0.0, scheduler="constant", warmup=0.9, task="regression",
               classes=0, features=10)  # fmt: skip
    with pytest.raises(NonFiniteLoss):
        fit(job(tmp_path, network(10, 1), diabetes(), run))
    best, _ = checkpoint.read_best(tmp_path / "checkpoints")
    last, _ = checkpoint.read_last(tmp_path / "checkpoints")

    assert all(torch.isfinite(tensor).all() for tensor in (*best.values(), *last.values()))


def test_a_validation_loss_that_is_not_finite_is_raised(tmp_path):
    train, validation = DIGITS
    bad = validation.inputs[0].copy()
    bad[0, 0] = math.nan
    with pytest.raises(NonFiniteLoss) as error:
        fit(job(tmp_path, network(), (train, Arrays((bad,), validation.target)), spec(epochs=3)))

    assert error.value.what == "val_loss"


def test_under_a_constant_rate_it_stops_as_soon_as_validation_gets_no_better(tmp_path):
    train, validation = digits(train=80)
    run = spec(epochs=200, lr=0.01, early_stopping=5, batch_size=32, scheduler="constant")
    outcome = fit(job(tmp_path, network(width=256), (train, validation), run))

    assert outcome.reason == "early_stopping"
    assert outcome.epochs == max(outcome.best_epoch, 10) + 5


def test_out_of_patience_it_lets_the_rate_come_down_before_it_ends(tmp_path):
    train, validation = digits(train=80)
    records = []
    run = spec(epochs=200, lr=0.01, early_stopping=5, batch_size=32, warmup=0.05)
    outcome = fit(job(tmp_path, network(width=256), (train, validation), run, on_epoch=records.append))
    rates = [record.lr for record in records]
    began = outcome.epochs * 5 // 6  # a fifth of the epochs before it

    assert outcome.reason == "early_stopping"
    assert outcome.epochs < 150
    assert rates[began - 1] > 0.004
    assert rates[began:] == sorted(rates[began:], reverse=True)
    assert rates[-1] < 0.5 * rates[began - 1]


def test_it_ends_in_good_order_when_the_time_is_over(tmp_path, always_look):
    run = spec(epochs=1000, max_minutes=0.001)
    outcome = fit(job(tmp_path, network(), DIGITS, run))

    assert outcome.reason == "time_limit"
    assert outcome.epochs < 1000
    assert checkpoint.read_best(tmp_path / "checkpoints")[0]


def test_stopped_in_its_first_epoch_it_still_has_weights_to_give(tmp_path, always_look):
    records = []
    stop = stop_after(4)
    outcome = fit(job(tmp_path, network(), DIGITS, should_stop=stop, on_epoch=records.append))

    assert (outcome.reason, outcome.epochs, outcome.best_epoch) == ("stop_requested", 0, 0)
    assert records == []
    assert outcome.steps > 0
    assert checkpoint.read_best(tmp_path / "checkpoints")[1]["metrics"] == outcome.best_metrics
    assert 0 <= outcome.best_score <= 1


def test_a_worker_whose_run_was_taken_over_writes_nothing_more(tmp_path, always_look):
    stop = iter([None, None, None, "superseded"])
    outcome = fit(job(tmp_path, network(), DIGITS, should_stop=lambda: next(stop)))

    assert outcome.reason == "superseded"
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_progress_and_the_first_step_are_told(tmp_path, always_look):
    told, first = [], []
    options = {"on_progress": lambda *position: told.append(position), "on_first_step": lambda: first.append(1)}
    fit(job(tmp_path, network(), DIGITS, spec(epochs=2), **options))

    assert first == [1]
    assert told == [(step, 20, 1 + (step - 1) // 10) for step in range(1, 21)]


def test_regression_is_reported_in_original_units(tmp_path):
    records = []
    run = spec(task="regression", classes=0, features=10, epochs=30, lr=0.01)
    outcome = fit(job(tmp_path, network(10, 1), diabetes(), run, on_epoch=records.append))

    assert outcome.best_score > 0.3
    last = records[-1]
    assert last.val_rmse == pytest.approx(77.0 * math.sqrt(last.val_loss))
    assert last.val_accuracy is None


def test_everything_in_a_saved_state_is_json_without_nan(tmp_path, always_look):
    fit(job(tmp_path, network(), DIGITS, should_stop=stop_after(5)))
    path = checkpoint.newest_good(tmp_path / "checkpoints")

    state = json.loads((path / "state.json").read_bytes(), parse_constant=pytest.fail)
    assert state["within"] == state["step"] > 0
    assert state["threads"] == 1


def test_other_data_and_other_networks_are_not_gone_on_with(tmp_path, always_look):
    run = spec()
    fit(job(tmp_path, network(), DIGITS, run, should_stop=stop_after(4)))
    other = run.model_copy(update={"data": run.data.model_copy(update={"fingerprint": "1" * 64})})
    cases = [(other, network(), "data_changed"), (run, network(width=33), "checkpoint_mismatch")]
    cases += [
        (spec(optimizer="sgd"), network(), "checkpoint_mismatch"),
        (spec(seed=1), network(), "checkpoint_mismatch"),
    ]
    for wrong, module, code in cases:
        with pytest.raises(TrainwellError) as error:
            fit(job(tmp_path, module, DIGITS, wrong))
        assert error.value.code == code


def test_a_network_without_parameters_is_refused(tmp_path):
    with pytest.raises(TrainwellError) as error:
        fit(job(tmp_path, torch.nn.Flatten(), DIGITS))
    assert error.value.code == "nothing_to_train"


@pytest.mark.parametrize("options", [{"class_weights": "balanced"}, {"label_smoothing": 0.1}, {"accumulate": 4}])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_options_train_too(tmp_path, options, precision):
    outcome = fit(job(tmp_path, network(), DIGITS, spec(epochs=6, lr=0.01, precision=precision, **options)))

    assert outcome.best_score > 0.8


def test_training_needs_no_import_of_the_compiler(tmp_path):
    """torch._dynamo takes 2.4 CPU seconds to import; a first step must not wait for it."""
    import subprocess
    import sys

    code = (
        "import sys, pathlib; from tests.training.jobs import *; from trainwell.training.fit import fit;"
        f"fit(job(pathlib.Path({str(tmp_path)!r}), network(), digits(), spec(epochs=1)));"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
