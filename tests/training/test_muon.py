import pytest
import torch
from torch import nn

from tests.training.test_optimizers import gradients_of, update
from trainwell.training import optimizers
from trainwell.training.muon import orthogonal
from trainwell.training.schedule_free import BETA

DECAY = 0.1


def tower(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 7), nn.ReLU(), nn.Linear(7, 3))


@pytest.mark.parametrize("shape", [(20, 12), (12, 20), (16, 16)])
def test_an_orthogonalised_matrix_turns_and_does_not_stretch(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(matrix))

    assert 0.5 < values.min() <= values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert ((orthogonal(matrix) - left @ right) ** 2).mean().sqrt() < 0.1


def test_the_hidden_matrices_move_as_torch_moves_them(monkeypatch):
    """torch orthogonalises in bf16 everywhere, so the two agree to its few digits."""
    ours, known = tower(), tower()
    optimizer = optimizers.make("muon", ours, weight_decay=DECAY, fused=True)
    theirs = torch.optim.Muon([known[0].weight, known[2].weight], lr=0.01, weight_decay=DECAY,
                              adjust_lr_fn="match_rms_adamw")  # fmt: skip
    for step in range(3):
        gradients = gradients_of(optimizer, step)
        for name, gradient in zip(optimizer.names, gradients, strict=True):
            known.get_parameter(name).grad = gradient.clone()
        update(optimizer, gradients)
        theirs.step()

    for number in (0, 2):
        start = tower()[number].weight
        moved, wanted = ours[number].weight - start, known[number].weight - start
        assert (moved - wanted).norm() < 0.05 * wanted.norm()


def test_all_else_moves_by_adamw():
    one, other = tower(), tower()
    muon = optimizers.make("muon", one, weight_decay=DECAY, fused=True)
    adamw = optimizers.make("adamw", other, weight_decay=DECAY, fused=True)
    gradients = dict(zip(muon.names, gradients_of(muon, 0), strict=True))
    update(muon, list(gradients.values()))
    update(adamw, [gradients[name] for name in adamw.names])

    for name in ("4.weight", "4.bias", "0.bias"):
        assert torch.equal(one.get_parameter(name), other.get_parameter(name))


def test_kernels_of_convolutions_are_matrices_too():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 2))
    before = module[0].weight.clone()
    optimizer = optimizers.make("muon", module, weight_decay=0.0, fused=True)
    update(optimizer, gradients_of(optimizer, 0), lr=1.0)
    moved = (module[0].weight - before).flatten(1) / (0.2 * 27**0.5)

    assert 0.5 < torch.linalg.svdvals(moved).min() <= torch.linalg.svdvals(moved).max() < 1.3


def reference(weights, gradients, rates, decay):
    """Schedule-free AdamW in the paper's own three sequences (x, y, z), in double precision."""
    z = x = weights.double()
    square, total = torch.zeros_like(z), 0.0
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        y = (1 - BETA) * z + BETA * x
        square = 0.999 * square + 0.001 * gradient.double() ** 2
        moved = gradient.double() / ((square / (1 - 0.999**step)).sqrt() + 1e-8) + decay * y
        total += rate**2
        z = z - rate * moved
        x = x + rate**2 / total * (z - x)
    return x, (1 - BETA) * z + BETA * x


def test_schedule_free_walks_the_papers_three_sequences():
    module = nn.Sequential(nn.Linear(6, 4))
    start = module[0].weight.detach().clone()
    optimizer = optimizers.make("schedule_free", module, weight_decay=DECAY, fused=True)
    rates = [0.002 * min(1.0, (step + 1) / 4) for step in range(12)]
    gradients = [gradients_of(optimizer, step) for step in range(12)]
    for some, rate in zip(gradients, rates, strict=True):
        update(optimizer, some, lr=rate)
    place = optimizer.names.index("0.weight")
    average, between = reference(start, [some[place] for some in gradients], rates, DECAY)

    torch.testing.assert_close(optimizer.averaged()[place].double(), average, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(module[0].weight.detach().double(), between, rtol=1e-4, atol=1e-6)
