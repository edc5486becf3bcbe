"""A run that is stopped at any step and resumed ends with the same bits, whatever it was asked to do."""

import pytest
import torch

from tests.training.jobs import digits, job, network, spec
from tests.training.test_fit import always_look, last_state, stop_after  # noqa: F401 - a fixture
from tests.training.test_lengths import Summed, unequal
from tests.training.test_lengths import spec as spec_of_lengths
from trainwell.training import augment, checkpoint
from trainwell.training.fit import fit

DIGITS = digits(train=300, validation=100)
OPTIMIZERS = ["adamw", "sgd", "muon", "schedule_free"]
AVERAGES = [{}, {"ema": 0.9}, {"swa": 0.5}]


def noisy(inputs, target, generator):
    """Rows with noise and, in every second batch, mixed with others: draws that depend on draws."""
    x = inputs[0] + 0.1 * torch.randn(inputs[0].shape, generator=generator)
    if torch.rand((), generator=generator) < 0.5:
        return (x, *inputs[1:]), target
    shares = torch.nn.functional.one_hot(target, 10).float()
    return (0.7 * x + 0.3 * x.flip(0), *inputs[1:]), 0.7 * shares + 0.3 * shares.flip(0)


def in_pieces(folder, make, parts, run):
    """Stop after every few steps until the run is done; how often that was."""
    attempts = 0
    while (
        fit(job(folder, make(), parts, run, should_stop=stop_after(4 if attempts < 8 else 10**6))).reason != "completed"
    ):
        attempts += 1
    return attempts


def same_bits(tmp_path, make, parts, run):
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    expected = fit(job(whole, make(), parts, run))
    assert in_pieces(pieces, make, parts, run) >= 3
    one, other = last_state(whole), last_state(pieces)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert expected.epochs == run.config.epochs


@pytest.mark.usefixtures("always_look")
@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("average", AVERAGES, ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_of_every_optimizer_average_and_augmentation(tmp_path, monkeypatch, optimizer, average, augmented):
    if augmented:
        monkeypatch.setattr(augment, "make", lambda *_: noisy)
    run = spec(epochs=4, deterministic=True, optimizer=optimizer, **average)
    same_bits(tmp_path, lambda: network(dropout=0.3, batch_norm=True), DIGITS, run)


@pytest.mark.usefixtures("always_look")
@pytest.mark.parametrize("average", AVERAGES, ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_of_rows_of_unequal_length(tmp_path, optimizer, average):
    run = spec_of_lengths(epochs=4, deterministic=True, optimizer=optimizer, **average)
    same_bits(tmp_path, Summed, (unequal(100), unequal(50, seed=1)), run)


@pytest.mark.usefixtures("always_look")
def test_of_stages_that_begin_later(tmp_path):
    def make():
        module = network(dropout=0.3)
        module.learns_from, module.rate_factors = {"0": 3}, {"0": 0.3}
        return module

    same_bits(tmp_path, make, DIGITS, spec(epochs=4, deterministic=True))


@pytest.mark.usefixtures("always_look")
def test_of_a_rate_that_comes_down_early(tmp_path):
    """The last fall is part of what a checkpoint holds."""
    run = spec(epochs=60, lr=0.02, early_stopping=2, warmup=0.0, deterministic=True, batch_size=150)
    whole = fit(job(tmp_path / "whole", network(), DIGITS, run))
    for attempt in range(60):
        stop = stop_after(5) if attempt < 40 else lambda: None
        pieces = fit(job(tmp_path / "pieces", network(), DIGITS, run, should_stop=stop))
        if pieces.reason != "stop_requested":
            break

    assert (whole.reason, whole.epochs < 60) == ("early_stopping", True)
    assert (pieces.reason, pieces.epochs, pieces.best_metrics) == (whole.reason, whole.epochs, whole.best_metrics)
    one, other = last_state(tmp_path / "whole"), last_state(tmp_path / "pieces")
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_checkpoint_of_another_average_is_refused(tmp_path):
    from trainwell.contract.errors import TrainwellError

    fit(job(tmp_path, network(), DIGITS, spec(epochs=1)))
    with pytest.raises(TrainwellError) as error:
        fit(job(tmp_path, network(), DIGITS, spec(epochs=1, ema=0.9)))
    assert error.value.code == "checkpoint_mismatch"


def test_of_a_checkpoint_whose_best_weights_were_chosen_by_plain_accuracy(tmp_path):
    """As a version wrote it that knew no other; its best weights get the score that the run goes by now."""
    run = spec(epochs=6, class_weights="balanced", deterministic=True)
    whole = fit(job(tmp_path / "whole", network(), DIGITS, run))
    began = fit(job(tmp_path / "old", network(), DIGITS, run.model_copy(update={"until": 3})))
    folder = tmp_path / "old" / "checkpoints"
    saved = checkpoint.read_checkpoint(checkpoint.newest_good(folder))
    best = saved.state["best"]
    del best["metrics"]["val_balanced_accuracy"]
    best["score"] = best["top"] = best["metrics"]["val_accuracy"]
    checkpoint.write_step(folder, saved.state["step"], saved)
    log = []
    ended = fit(job(tmp_path / "old", network(), DIGITS, run, log=log.append))

    assert (began.epochs, ended.resumed_from_step) == (3, saved.state["step"])
    assert any("val_balanced_accuracy" in line for line in log)
    assert (ended.epochs, ended.best_epoch, ended.best_metrics) == (6, whole.best_epoch, whole.best_metrics)
    one, other = last_state(tmp_path / "whole"), last_state(tmp_path / "old")
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_of_a_finished_one_that_was_judged_by_plain_accuracy(tmp_path):
    """Nothing is left to train: what there is to judge are its best weights."""
    run = spec(epochs=3, class_weights="balanced")
    whole = fit(job(tmp_path, network(), DIGITS, run))
    folder = tmp_path / "checkpoints"
    saved = checkpoint.read_checkpoint(checkpoint.newest_good(folder))
    best = saved.state["best"]
    best["score"] = best["metrics"].pop("val_balanced_accuracy") / 2
    checkpoint.write_step(folder, saved.state["step"], saved)
    again = fit(job(tmp_path, network(), DIGITS, run))

    assert again.resumed_from_step == whole.steps
    assert (again.best_epoch, again.best_metrics) == (whole.best_epoch, pytest.approx(whole.best_metrics))
