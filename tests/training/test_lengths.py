"""Rows of unequal length: batches of like length, cut without changing what the network says."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.factories import prepared_data, run_spec, train_config
from tests.training.jobs import Arrays, job
from tests.training.test_batches import setup_for
from trainwell.contract.specs import TensorSpec
from trainwell.training import lengths
from trainwell.training.batches import Batches, Rows
from trainwell.training.fit import fit
from trainwell.training.lengths import is_kept_by_cutting
from trainwell.training.losses import Classification
from trainwell.training.validation import validate

T = 64
INPUTS = (
    TensorSpec(name="steps", shape=(T, 2), role="sequence"),
    TensorSpec(name="length", shape=(), dtype="int64", role="length"),
)


def unequal(count, seed=0):
    """Rows of 1 to 40 of 64 steps; the class is which of two channels is larger on average."""
    draw = np.random.default_rng(seed)
    long = draw.integers(1, 41, count)
    x = draw.normal(size=(count, T, 2)).astype(np.float32)
    y = draw.integers(0, 2, count)
    x[np.arange(count), :, y] += 0.7
    x[np.arange(T)[None] >= long[:, None]] = 0
    return Arrays((x, long.astype(np.int64)), y.astype(np.int64))


class Summed(nn.Module):
    """Means over the real steps, so that cutting changes nothing."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.seen = []
        self.body = nn.Sequential(nn.Linear(2, 16), nn.ReLU())
        self.head = nn.Linear(16, 2)

    def forward(self, x, length):
        self.seen.append(x.shape[1])
        mask = (torch.arange(x.shape[1]) < length[:, None])[..., None]
        return self.head((self.body(x) * mask).sum(1) / length[:, None])


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2 * T, 2)

    def forward(self, x, length):
        return self.layer(x.flatten(1))


class Careless(nn.Module):
    """Takes any length, but counts what is behind the end of a row."""

    def forward(self, x, _length):
        return x.mean(1)


def rows(count=300, resident=True):
    arrays = unequal(count)
    found = lengths.find(arrays.inputs, INPUTS)
    return Rows(arrays, setup_for(1, memory_free=10**9 if resident else 0), found)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize(("count", "size"), [(300, 16), (33, 16), (10, 16), (64, 16)])
def test_every_row_comes_once_with_its_own_steps_and_a_batch_is_no_wider_than_it_must(count, size, resident):
    known = unequal(count)
    batches = Batches(rows(count, resident), size, 0)
    seen = list(batches.epoch(1))

    assert [len(target) for *_, target in seen] == batches.sizes
    found = {
        tuple(x[: int(n)].flatten()[:2].tolist()): int(n) for xs, ns, _ in seen for x, n in zip(xs, ns, strict=True)
    }
    assert found == {tuple(x.flatten()[:2].tolist()): n for x, n in zip(*known.inputs, strict=True)}
    for x, length, _ in seen:
        assert x.shape[1] == -(-int(length.max()) // 8) * 8
    assert np.mean([x.shape[1] for x, *_ in seen]) < (40 if count == 300 else T)


def test_rows_of_a_batch_are_about_as_long_and_batches_come_in_any_order():
    seen = [length for _, length, _ in Batches(rows(), 16, 0).epoch(1)]
    longest = [int(length.max()) for length in seen[:-1]]

    assert np.mean([int(length.max() - length.min()) for length in seen[:-1]]) < 5
    assert longest != sorted(longest)


@pytest.mark.parametrize("start", [1, 7, 18])
def test_an_epoch_of_cut_batches_can_go_on_from_any_step(start):
    whole = list(Batches(rows(), 16, 3).epoch(4))
    rest = list(Batches(rows(), 16, 3).epoch(4, start))

    assert len(rest) == len(whole) - start
    for ours, theirs in zip(rest, whole[start:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_epochs_differ_in_their_batches():
    first, second = ({tuple(target.tolist()) for *_, target in Batches(rows(), 16, 0).epoch(epoch)} for epoch in (1, 2))

    assert first != second


def test_only_a_network_that_says_the_same_of_cut_rows_is_given_them():
    some = rows()
    kept = {type(module).__name__: is_kept_by_cutting(module, some) for module in (Summed(), Flat(), Careless())}

    assert kept == {"Summed": True, "Flat": False, "Careless": False}


def test_rows_that_fill_their_width_are_left_alone():
    arrays = unequal(50)
    arrays.inputs[1][:] = T - 3

    assert lengths.find(arrays.inputs, INPUTS) is None
    assert lengths.find(arrays.inputs[:1], INPUTS[:1]) is None


def test_what_validation_finds_does_not_depend_on_the_cut():
    module, task = Summed(), Classification(2, None, 0.0)
    cut, whole = rows().sorted(), rows()
    whole.lengths = None
    found, known = (validate(module, task, some, 50) for some in (cut, whole))

    assert found == pytest.approx(known, rel=1e-5)
    assert set(module.seen[-6:]) == {T}
    assert min(module.seen) < 16


def spec(**config):
    data = prepared_data(inputs=INPUTS, classes=("a", "b"), class_counts=())
    return run_spec(data=data, config=train_config(**{"batch_size": 16, "lr": 0.01, "epochs": 6, **config}))


def test_a_run_over_rows_of_unequal_length_learns_and_says_that_it_cuts(tmp_path):
    module = Summed()
    outcome = fit(job(tmp_path, module, (unequal(300), unequal(100, seed=1)), spec()))

    assert outcome.best_score > 0.8
    assert any("cut to the longest" in word for word in outcome.decisions)
    assert np.mean(module.seen) < T / 2


def test_a_network_that_flattens_is_given_whole_rows(tmp_path):
    outcome = fit(job(tmp_path, Flat(), (unequal(100), unequal(50, seed=1)), spec(epochs=2)))

    assert not any("cut to the longest" in word for word in outcome.decisions)
