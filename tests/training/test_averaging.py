import itertools
import math

import pytest
import torch
from torch import nn

from tests.factories import train_config
from tests.training.jobs import digits, job, network, spec
from trainwell.training import averaging, checkpoint, optimizers
from trainwell.training.averaging import Ema, Swa
from trainwell.training.fit import fit
from trainwell.training.kept import Kept

DIGITS = digits()


def test_an_exponential_average_forgets_the_start_of_a_short_run():
    weight = torch.zeros(1)
    ema = Ema({"w": weight}, 0.999)
    for step in range(100):
        weight.fill_(0.0 if step < 50 else 1.0)
        ema.after_step()

    assert 0.99 < ema.values()["w"].item() < 1.0


def test_an_exponential_average_looks_back_as_far_as_its_decay_says():
    weight = torch.zeros(1)
    ema = Ema({"w": weight}, 0.9)
    for _ in range(200):
        ema.after_step()
    weight.fill_(1.0)
    for _ in range(5):
        ema.after_step()

    assert ema.values()["w"].item() == pytest.approx(1 - 0.9**5)


def test_the_last_epochs_are_averaged_evenly():
    weight = torch.zeros(2)
    swa = Swa({"w": weight}, first=3)
    for epoch, value in enumerate((7.0, 9.0, 1.0, 2.0, 6.0), 1):
        weight.fill_(value)
        swa.after_epoch(epoch)
        assert bool(swa.values()) == (epoch >= 3)

    assert swa.values()["w"].tolist() == pytest.approx([3.0, 3.0])


def test_counters_are_not_averaged():
    module = nn.BatchNorm1d(3)
    ema = Ema(module.state_dict(), 0.9)
    ema.after_step()

    assert "num_batches_tracked" not in ema.values()
    assert "running_var" in ema.values()


def test_what_stands_in_leaves_no_trace():
    module = network(batch_norm=True)
    kept = Kept(module)
    before = [tensor.clone() for tensor in kept.live]
    with kept.standing_in({"0.weight": torch.ones_like(module[0].weight)}):
        assert (module[0].weight == 1).all()
        module.train()(torch.randn(8, 64))

    assert all(torch.equal(a, b) for a, b in zip(before, kept.live, strict=True))


@pytest.mark.parametrize(
    ("config", "kind", "told"),
    [
        ({}, None, []),
        ({"ema": 0.99}, "Ema", []),
        ({"swa": 0.25, "ema": 0.99}, "Swa", ["swa", "ema off"]),
        ({"optimizer": "schedule_free", "ema": 0.99, "swa": 0.2}, "OfOptimizer", ["ema off", "swa off"]),
    ],
)
def test_one_average_is_taken_and_the_others_are_told_off(config, kind, told):
    config = train_config(epochs=8, **config)
    module = network()
    optimizer = optimizers.make(config.optimizer, module, weight_decay=0.0, fused=True)
    average = averaging.make(config, module, optimizer)

    assert (None if average is None else type(average).__name__) == kind
    words = averaging.told(config)
    assert all(word.startswith(start) for word, start in zip(words, told, strict=True))


AVERAGES = [{"ema": 0.95}, {"swa": 0.5}, {"optimizer": "schedule_free"}]


@pytest.mark.parametrize("config", AVERAGES)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_what_is_judged_and_kept_is_the_average_and_the_training_goes_on_without_it(tmp_path, config, batch_norm):
    module, records = network(batch_norm=batch_norm), []
    run = spec(epochs=6, lr=0.01, scheduler="constant", **config)
    outcome = fit(job(tmp_path, module, DIGITS, run, on_epoch=records.append))
    best, _ = checkpoint.read_best(tmp_path / "checkpoints")
    last, _ = checkpoint.read_last(tmp_path / "checkpoints")
    with torch.no_grad():
        right = module.eval()(torch.from_numpy(DIGITS[1].inputs[0])).argmax(1).numpy() == DIGITS[1].target

    # Of epochs whose accuracy is as good as the highest, the one of the lowest loss is kept.
    assert outcome.best_score == right.mean() > 0.8
    assert outcome.best_score >= max(record.val_accuracy for record in records) - 0.02
    assert not torch.equal(best["0.weight"], last["0.weight"])
    if batch_norm and "ema" not in config:
        with torch.no_grad():
            hidden = module[0](torch.from_numpy(DIGITS[0].inputs[0]))
        torch.testing.assert_close(best["1.running_mean"], hidden.mean(0), rtol=0.1, atol=0.05)


def test_swa_holds_the_rate_and_the_patience(tmp_path):
    records = []
    run = spec(epochs=8, lr=0.01, swa=0.5, early_stopping=1)
    outcome = fit(job(tmp_path, network(), DIGITS, run, on_epoch=records.append))

    assert outcome.reason == "completed"
    assert len({record.lr for record in records[4:]}) == 1
    assert records[-1].lr > 0.003
    assert any(word.startswith("early_stopping off") for word in outcome.decisions)


def test_schedule_free_trains_at_a_constant_rate_and_says_so(tmp_path):
    records = []
    run = spec(epochs=10, lr=0.01, optimizer="schedule_free", scheduler="onecycle")
    outcome = fit(job(tmp_path, network(), DIGITS, run, on_epoch=records.append))

    assert records[-1].lr == 0.01
    assert any("constant" in word for word in outcome.decisions)
    assert outcome.best_score > 0.9


@pytest.mark.parametrize("config", [*AVERAGES, {"optimizer": "muon", "ema": 0.95}])
def test_a_skipped_step_poisons_no_average(tmp_path, config):
    module, records, calls = network(), [], itertools.count()
    module[0].weight.register_hook(lambda gradient: gradient * (math.inf if next(calls) % 7 == 3 else 1.0))
    outcome = fit(job(tmp_path, module, DIGITS, spec(epochs=5, **config), on_epoch=records.append))

    assert sum(record.skipped_steps for record in records) == len(range(3, 50, 7))
    assert math.isfinite(outcome.best_metrics["val_loss"])
    assert all(torch.isfinite(tensor).all() for tensor in module.state_dict().values())
