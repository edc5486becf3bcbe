import numpy as np
import pytest
import torch
from torch import nn

from tests.training.jobs import Arrays
from trainwell.training.batches import Batches, Rows, automatic_batch_size, batch_sizes, choose_batch_size
from trainwell.training.device import Facts, Work, decide


def setup_for(data_bytes, memory_free=10**9):
    work = Work("classification", 10, 8, data_bytes, convolutions=False, deterministic=False)
    return decide(Facts("cpu", "CPU", 1, memory_free), work, "fp32")


def numbered(count):
    x = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    return Arrays((x,), np.arange(count))


def batches(count, size, *, seed=0, resident=True):
    rows = Rows(numbered(count), setup_for(1, memory_free=10**9 if resident else 0))
    return Batches(rows, size, seed)


@pytest.mark.parametrize(("count", "size"), [(10, 3), (33, 32), (32, 32), (5, 8), (1, 4), (7, 1), (2, 1)])
def test_an_epoch_has_every_row_once_and_no_batch_of_a_left_over_row(count, size):
    seen = [target for _, target in batches(count, size).epoch(1)]

    assert sorted(torch.cat(seen).tolist()) == list(range(count))
    assert [len(target) for target in seen] == batch_sizes(count, size)
    assert size == 1 or count == 1 or min(map(len, seen)) > 1


def test_inputs_and_targets_stay_together():
    for x, target in batches(100, 7).epoch(3):
        assert torch.equal(x[:, 0], 3.0 * target)


def test_the_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        return torch.cat([target for _, target in batches(50, 8, seed=seed).epoch(epoch)]).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (1, 2, 3)}) == 6


@pytest.mark.parametrize("start", [1, 5, 12])
def test_an_epoch_can_go_on_from_any_step(start):
    whole = list(batches(100, 8).epoch(4))
    rest = list(batches(100, 8).epoch(4, start))

    assert [target.tolist() for _, target in rest] == [target.tolist() for _, target in whole[start:]]


def test_rows_that_do_not_fit_are_read_as_needed_and_are_the_same(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, numbered(40).inputs[0])
    mapped = Arrays((np.load(path, mmap_mode="r"),), np.arange(40))
    streamed = Batches(Rows(mapped, setup_for(10**9, memory_free=10)), 8, 0)

    assert not streamed.rows.setup.resident
    for (x, _), (known, _) in zip(streamed.epoch(1), batches(40, 8).epoch(1), strict=True):
        assert torch.equal(x, known)


def test_the_batch_size_grows_with_the_rows():
    sizes = [automatic_batch_size(rows) for rows in (1, 100, 1_200, 10_000, 10**6)]

    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (16, 1024)


@pytest.mark.parametrize(
    ("rows", "asked", "layer", "chosen"),
    [
        (100, 7, nn.ReLU(), 7),
        (100, 1000, nn.ReLU(), 100),
        (100, 1, nn.BatchNorm1d(3), 2),
        (100, 1, nn.ReLU(), 1),
        (11, None, nn.ReLU(), 11),
    ],
)
def test_what_was_asked_is_kept_within_what_can_be_trained(rows, asked, layer, chosen):
    size, why = choose_batch_size(rows, asked, nn.Sequential(layer))

    assert size == chosen
    assert why.startswith(f"batch_size {chosen}: ")
