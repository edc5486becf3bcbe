"""Looking at steps changes no number of a training, and tells what is so."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.training import jobs
from trainwell.training.fit import fit


class Calling(nn.Module):
    """A network without layers of activation: it calls functions."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.answer = nn.GRU(8, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, x):
        return self.answer(self.cells(x.unflatten(1, (8, 8)))[0][:, -1])


def frozen():
    module = jobs.network()
    module[0].weight.requires_grad_(False)
    return module


NETWORKS = {
    "dropout and batch norm": lambda: jobs.network(dropout=0.3, batch_norm=True),
    "functions": Calling,
    "recurrent": Sequence,
    "frozen": frozen,
}


def trained(folder, module, run, **options):
    signals, facts, epochs = [], {}, []
    listening = {"on_signals": signals.extend, "on_facts": facts.update, "on_epoch": epochs.append}
    fit(jobs.job(folder, module, jobs.digits(), run, **listening, **options))
    return signals, facts, [(one.train_loss, one.val_loss, one.grad_norm, one.update_ratio) for one in epochs]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("config", [{}, {"accumulate": 4, "optimizer": "sgd"}])
def test_losses_and_weights_are_the_same_bit_for_bit_whether_watched_or_not(tmp_path, name, config):
    run = jobs.spec(epochs=7, **config)
    ends = []
    for watch in (True, False):
        torch.manual_seed(5)
        module = NETWORKS[name]()
        signals, facts, losses = trained(tmp_path / str(watch), module, run, watch=watch)
        ends.append((losses, jobs.weights(module)))
        assert bool(signals) is bool(facts) is watch

    assert ends[0][0] == ends[1][0]
    assert torch.equal(ends[0][1], ends[1][1])


def test_a_looked_at_step_tells_the_real_update_and_every_layer(tmp_path):
    module = jobs.network()
    before = module[0].weight.detach().clone()
    after = {}
    signals, facts, _ = trained(
        tmp_path, module, jobs.spec(epochs=12, scheduler="constant"),
        on_first_step=lambda: after.update(weight=module[0].weight.detach().clone()),
    )  # fmt: skip

    first = signals[0]
    assert [one.step for one in signals][:9] == [*range(8), 57]  # the next one hangs on what a look costs
    assert [one.epoch for one in signals][7:9] == [1, 6]
    assert set(first.grad_norms) == set(first.update_ratios) == {"0.weight", "2.weight"}
    ratio = float((after["weight"] - before).norm() / before.norm())
    assert first.update_ratios["0.weight"] == pytest.approx(ratio, rel=1e-3)
    assert first.weight_norms["0.weight"] == pytest.approx(float(before.norm()), rel=1e-4)
    assert 0.0 <= first.dead["1"] < 0.3
    assert first.scales["1"] > 0.1
    assert first.loss == facts["loss0"] == pytest.approx(math.log(10), abs=0.4)
    assert (facts["rows_sum_to_one"], facts["is_linear"], facts["loss_name"]) == (False, False, "cross_entropy")
    assert facts["first_gradient"] == first.grad_norms["0.weight"]


def spoiled(kind):
    torch.manual_seed(0)
    module = jobs.network()
    with torch.no_grad():
        if kind == "dead":
            module[0].bias.fill_(-100.0)
        elif kind == "alike":
            module[0].weight.fill_(0.1)
        elif kind == "linear":
            module[1] = nn.Identity()
        elif kind == "saturated":
            module[0].weight.mul_(100)
            module[1] = nn.Tanh()
        elif kind == "softmax":
            module.append(nn.Softmax(1))
        elif kind == "unused":
            module[1].extra = nn.Linear(3, 3)
    return module


@pytest.mark.parametrize(
    ("kind", "fact", "value"),
    [
        ("dead", "dead", {"1": 1.0}),
        ("alike", "symmetric", ["0.weight"]),
        ("linear", "is_linear", True),
        ("softmax", "rows_sum_to_one", True),
        ("unused", "no_gradient", ["1.extra.weight", "1.extra.bias"]),
    ],
)
def test_what_is_wrong_from_the_start_is_seen_at_the_first_step(tmp_path, kind, fact, value):
    _, facts, _ = trained(tmp_path, spoiled(kind), jobs.spec(epochs=1))

    assert facts[fact] == value


def test_units_at_the_end_of_their_range_are_counted(tmp_path):
    signals, _, _ = trained(tmp_path, spoiled("saturated"), jobs.spec(epochs=1))

    assert signals[0].saturated["1"] > 0.9
    assert signals[0].dead == {}


def test_a_resumed_run_looks_at_its_first_step_and_knows_its_facts_from_before(tmp_path):
    run = jobs.spec(epochs=4)
    steps = iter([None] * 2)
    trained(tmp_path, jobs.network(), run, should_stop=lambda: next(steps, "stop_requested"))

    signals, facts, _ = trained(tmp_path, jobs.network(), run)

    assert signals[0].step > 0
    assert facts == {}


def test_a_loss_that_breaks_leaves_its_signals(tmp_path):
    from trainwell.training.errors import NonFiniteLoss

    signals, saved = [], []
    run = jobs.spec(epochs=2, lr=1.0, optimizer="sgd", grad_clip=0.0)
    train, validation = jobs.digits()
    inputs = (train.inputs[0] * 1e30,)
    broken = replace(train, inputs=inputs)

    with pytest.raises(NonFiniteLoss):
        fit(jobs.job(tmp_path, jobs.network(), (broken, validation), run, on_signals=signals.extend,
                     on_save=lambda: saved.append(len(signals))))  # fmt: skip

    assert signals[0].step == 0
    assert saved[-1] == len(signals)
