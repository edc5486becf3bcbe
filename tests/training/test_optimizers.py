import pytest
import torch
from torch import nn

from tests.training.jobs import network
from trainwell.training import optimizers

DECAY = 0.1


def theirs(name, module):
    """torch's own optimizer with the same rules: matrices are decayed, vectors are not."""
    groups = [
        {"params": [p for p in module.parameters() if p.ndim >= 2], "weight_decay": DECAY},
        {"params": [p for p in module.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=0.01, foreach=False)
    return torch.optim.SGD(groups, lr=0.01, momentum=0.9, foreach=False)


def gradients_of(optimizer, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(weight.shape, generator=generator) for weight in optimizer.weights]


def update(optimizer, gradients, *, lr=0.01, divisor=None, skip=False):
    flag = torch.tensor(float(skip))
    optimizer.step(lr, [g.clone() for g in gradients], divisor, flag, 1 - flag)


@pytest.fixture(params=["adamw", "sgd"])
def name(request):
    return request.param


@pytest.fixture(params=["adamw", "sgd", "muon", "schedule_free"])
def any_name(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["fused", "plain"])
def fused(request):
    return request.param


def test_twenty_updates_are_those_of_torch(name, fused):
    ours, reference = network(seed=1), network(seed=1)
    optimizer, known = optimizers.make(name, ours, weight_decay=DECAY, fused=fused), theirs(name, reference)
    parameters = dict(zip(optimizer.names, optimizer.parameters, strict=True))
    for step in range(20):
        gradients = gradients_of(optimizer, step)
        update(optimizer, gradients)
        for (key, _), gradient in zip(parameters.items(), gradients, strict=True):
            reference.get_parameter(key).grad = gradient.clone()
        known.step()

    for key, tensor in reference.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], tensor, rtol=1e-5, atol=1e-6)


def test_a_skipped_update_leaves_weights_and_state_as_they_were(any_name, fused):
    optimizer = optimizers.make(any_name, network(), weight_decay=DECAY, fused=fused)
    update(optimizer, gradients_of(optimizer, 0))
    before = [tensor.clone() for tensor in (*optimizer.weights, *optimizer.state().values())]
    update(optimizer, [torch.full_like(weight, torch.nan) for weight in optimizer.weights], skip=True)

    after = [*optimizer.weights, *optimizer.state().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_divisor_divides_the_gradients_first(any_name, fused):
    divided, plain = (optimizers.make(any_name, network(), weight_decay=DECAY, fused=fused) for _ in range(2))
    for step in range(3):
        gradients = gradients_of(plain, step)
        update(plain, [gradient / 8 for gradient in gradients])
        update(divided, gradients, divisor=torch.tensor(8.0))

    for a, b in zip(divided.weights, plain.weights, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_fused_and_plain_can_read_each_others_state(any_name):
    first = optimizers.make(any_name, network(), weight_decay=DECAY, fused=True)
    second = optimizers.make(any_name, network(), weight_decay=DECAY, fused=False)
    update(first, gradients_of(first, 0))
    update(second, gradients_of(first, 0))
    second.load(first.state())
    for optimizer in (first, second):
        update(optimizer, gradients_of(first, 1))

    for a, b in zip(first.weights, second.weights, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_biases_and_norms_are_not_decayed():
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    before = {key: tensor.clone() for key, tensor in module.named_parameters()}
    optimizer = optimizers.make("adamw", module, weight_decay=0.5, fused=True)
    update(optimizer, [torch.zeros_like(weight) for weight in optimizer.weights], lr=0.1)

    changed = {key for key, tensor in module.named_parameters() if not torch.equal(tensor, before[key])}
    assert changed == {"0.weight"}
