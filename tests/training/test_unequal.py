"""Parameters that learn unequally: decay, shares of the rate, and epochs in which they begin."""

import pytest
import torch
from torch import nn

from trainwell.training import optimizers
from trainwell.training.groups import learnings

NAMES = ["adamw", "sgd", "muon", "schedule_free"]


class Words(nn.Module):
    """Has a table, positions, a norm, a recurrent layer and a head."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 8)
        self.places = nn.Parameter(torch.randn(1, 5, 8))
        self.body = nn.LSTM(8, 8, batch_first=True)
        self.middle = nn.Linear(8, 8)
        self.norm = nn.LayerNorm([1, 8])
        self.head = nn.Linear(8, 3)


def updated(optimizer, lr=0.1):
    before = {name: weight.clone() for name, weight in zip(optimizer.names, optimizer._weights, strict=True)}
    zero = torch.zeros(())
    optimizer.step(lr, [torch.ones_like(weight) for weight in optimizer.weights], None, zero, 1 - zero)
    return {name: weight - before[name] for name, weight in zip(optimizer.names, optimizer._weights, strict=True)}


def test_tables_positions_norms_and_biases_are_not_decayed_and_the_head_is_not_orthogonalised():
    found = {one.name: (one.decays, one.hidden) for one in learnings(Words())}

    assert {name for name, (decays, _) in found.items() if decays} == {
        "body.weight_ih_l0", "body.weight_hh_l0", "middle.weight", "head.weight"
    }  # fmt: skip
    assert {name for name, (_, hidden) in found.items() if hidden} == {
        "body.weight_ih_l0", "body.weight_hh_l0", "middle.weight"
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fused", [True, False])
def test_a_share_of_the_rate_is_taken_by_the_longest_beginning_that_fits(name, fused):
    torch.manual_seed(0)
    plain, unequal = Words(), Words()
    unequal.load_state_dict(plain.state_dict())
    unequal.rate_factors = {"body": 0.5, "body.bias": 0.0}
    moves = [updated(optimizers.make(name, one, weight_decay=0.0, fused=fused)) for one in (plain, unequal)]

    torch.testing.assert_close(moves[1]["body.weight_ih_l0"], 0.5 * moves[0]["body.weight_ih_l0"])
    torch.testing.assert_close(moves[1]["middle.weight"], moves[0]["middle.weight"])
    assert not moves[1]["body.bias_ih_l0"].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fused", [True, False])
def test_a_stage_that_learns_later_stays_as_it_is_until_then_and_starts_like_the_others(name, fused):
    torch.manual_seed(0)
    module = Words()
    module.learns_from = {"body": 3}
    optimizer = optimizers.make(name, module, weight_decay=0.1, fused=fused)
    first = updated(optimizer)
    frozen = {key: tensor.clone() for key, tensor in optimizer.state().items() if "body" in key or ".3" in key}

    assert not first["body.weight_hh_l0"].any()
    assert not module.body.weight_hh_l0.requires_grad
    optimizer.thaw(2)
    updated(optimizer)
    assert all(torch.equal(optimizer.state()[key], tensor) for key, tensor in frozen.items())
    optimizer.thaw(3)
    assert module.body.weight_hh_l0.requires_grad
    moved = updated(optimizer)["body.bias_ih_l0"].abs().max()
    # A first update of Adam's kin has the size of the rate; with the others' count it would be three times that.
    assert 0.09 <= moved <= 0.15


@pytest.mark.parametrize("name", NAMES)
def test_stages_and_state_come_back_from_a_checkpoint(name):
    torch.manual_seed(0)
    one, other = Words(), Words()
    for module in (one, other):
        module.learns_from = {"body": 2}
    first = optimizers.make(name, one, weight_decay=0.1, fused=True)
    updated(first)
    first.thaw(2)
    updated(first)
    second = optimizers.make(name, other, weight_decay=0.1, fused=True)
    other.load_state_dict(one.state_dict())
    second.load({key: tensor.clone() for key, tensor in first.state().items()})
    second.thaw(2)
    moves = updated(first), updated(second)

    assert all(torch.equal(moves[0][key], moves[1][key]) for key in moves[0])
