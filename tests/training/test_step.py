import copy
import math
import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training.jobs import network
from trainwell.training import optimizers
from trainwell.training import step as engine
from trainwell.training.compiling import compiled
from trainwell.training.device import Facts, Work, decide
from trainwell.training.losses import Classification
from trainwell.training.step import Stepper

X = torch.randn(30, 64, generator=torch.Generator().manual_seed(0))
Y = torch.randint(0, 10, (30,), generator=torch.Generator().manual_seed(1))


def stepper(module, *, clip=0.0, parts=1, precision="fp32", task=None):
    work = Work("classification", 1, 1, 1, convolutions=False, deterministic=False)
    setup = decide(Facts("cpu", "CPU", 1, 10**9), work, precision)
    optimizer = optimizers.make("sgd", module, weight_decay=0.0, fused=True)
    return Stepper(module, task or Classification(10, None, 0.0), optimizer, setup, clip=clip, parts=parts)


class Calls(TorchDispatchMode):
    """Notes which operations reach the device."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_step_never_asks_the_device_for_a_number(precision):
    step = stepper(network(), clip=1.0, precision=precision)
    step._reads_free = False  # as on a GPU; on a CPU a look costs nothing
    with Calls() as calls:
        step([X], Y, 0.1)

    assert "_local_scalar_dense" not in calls.names
    assert "_fused_sgd_" in calls.names


@pytest.mark.parametrize("clip", [0.01, 0.5, 1000.0])
@pytest.mark.parametrize("reads", [True, False])
def test_clipping_is_that_of_torch(clip, reads):
    ours, known = network(), network()
    step = stepper(ours, clip=clip)
    step._reads_free = reads
    _, norm = step([X], Y, 0.1)
    nn.functional.cross_entropy(known(X), Y).backward()
    total = nn.utils.clip_grad_norm_(known.parameters(), clip)

    torch.testing.assert_close(norm, total)
    for a, b in zip(ours.parameters(), known.parameters(), strict=True):
        torch.testing.assert_close(a, b - 0.1 * b.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("parts", [2, 4, 7, 64])
def test_micro_batches_make_the_same_step(parts):
    task = Classification(10, torch.linspace(0.5, 2.0, 10), 0.1)
    whole, cut = network(), network()
    loss, norm = stepper(whole, task=task)([X], Y, 0.1)
    loss_of_parts, norm_of_parts = stepper(cut, task=task, parts=parts)([X], Y, 0.1)

    torch.testing.assert_close(loss_of_parts, loss)
    torch.testing.assert_close(norm_of_parts, norm)
    for a, b in zip(cut.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_micro_batches_never_have_one_row():
    step = stepper(network(batch_norm=True), parts=64)

    assert torch.isfinite(step([X[:5]], Y[:5], 0.1)[0])


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_row_that_is_not_finite_changes_no_weight(clip):
    module = network()
    before = copy.deepcopy(module)
    poisoned = X.clone()
    poisoned[3, 3] = torch.inf
    loss, norm = stepper(module, clip=clip)([poisoned], Y, 0.1)

    assert not torch.isfinite(loss)
    assert not torch.isfinite(norm)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), before.parameters(), strict=True))


def test_the_loss_scale_halves_when_fp16_overflows_and_no_weight_changes():
    module = network()
    with torch.no_grad():
        module[-1].weight.mul_(3e3)
    before = copy.deepcopy(module)
    step = stepper(module, precision="fp16", clip=1.0)
    norms = [step([X], Y, 1e-9)[1].item() for _ in range(3)]

    assert norms[0] == float("inf") or norms[0] != norms[0]
    assert step.scale.item() < 2.0**16
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(module.parameters(), before.parameters(), strict=True))


def test_scaled_half_precision_makes_nearly_the_same_step():
    full, half = network(), network()
    _, norm = stepper(full, clip=0.5)([X], Y, 0.1)
    _, norm_of_half = stepper(half, clip=0.5, precision="fp16")([X], Y, 0.1)

    assert norm_of_half.item() == pytest.approx(norm.item(), rel=0.01)
    for a, b in zip(half.parameters(), full.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0.01, atol=1e-4)


def test_the_probe_tells_how_far_the_weights_moved():
    module = network()
    before = torch.cat([p.detach().flatten() for p in module.parameters()]).clone()
    _, _, ratio = stepper(module).probed([X], Y, 0.1)
    after = torch.cat([p.detach().flatten() for p in module.parameters()])

    assert ratio.item() == pytest.approx(((after - before).norm() / before.norm()).item(), rel=1e-4)


class Partial(nn.Module):
    """Has a layer that never takes part."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(64, 10), nn.Linear(3, 3)

    def forward(self, x):
        return self.used(x)


def test_a_layer_that_takes_no_part_stays_as_it_is():
    module = Partial()
    before = module.unused.weight.clone()
    stepper(module)([X], Y, 0.1)

    assert torch.equal(module.unused.weight, before)


@pytest.mark.parametrize("parts", [2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_micro_batches_of_mixed_targets_make_the_same_step(parts, weighted):
    shares = 0.6 * nn.functional.one_hot(Y, 10).float() + 0.4 * nn.functional.one_hot(Y.flip(0), 10).float()
    task = Classification(10, torch.linspace(0.5, 2.0, 10) if weighted else None, 0.1)
    whole, cut = network(), network()
    loss, norm = stepper(whole, task=task)([X], shares, 0.1)
    loss_of_parts, norm_of_parts = stepper(cut, task=task, parts=parts)([X], shares, 0.1)

    torch.testing.assert_close(loss_of_parts, loss)
    torch.testing.assert_close(norm_of_parts, norm)
    for a, b in zip(cut.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_targets_mixed_with_all_of_one_class_are_plain_targets():
    plain, mixed = network(), network()
    losses = [stepper(plain)([X], Y, 0.1)[0], stepper(mixed)([X], nn.functional.one_hot(Y, 10).float(), 0.1)[0]]

    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_the_loss_scale_follows_that_of_torch(monkeypatch, clip):
    """Twelve steps with overflows in between, beside torch's GradScaler on the same gradients."""
    monkeypatch.setattr(engine, "SCALE_INTERVAL", 3)
    module, known = network(), network()
    ours = stepper(module, precision="fp16", clip=clip)
    optimizer = torch.optim.SGD(known.parameters(), lr=0.1, momentum=0.9, foreach=False)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=3)
    for step in range(12):
        x = X * (math.inf if step in (2, 3, 8) else 1.0)
        ours([x.clone()], Y, 0.1)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            loss = nn.functional.cross_entropy(known(x), Y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        if clip:
            nn.utils.clip_grad_norm_(known.parameters(), clip)
        scaler.step(optimizer)
        scaler.update()
        assert ours.scale.item() == scaler.get_scale()

    for a, b in zip(module.parameters(), known.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-3, atol=1e-4)


def test_another_forward_pass_may_take_the_modules_place():
    module = network()
    step = stepper(module)
    step.forward = lambda x: module(x) * 0.0
    loss, norm = step([X], Y, 0.1)

    assert loss.item() == pytest.approx(math.log(10))
    assert norm.item() == 0.0


def test_a_compiler_that_fails_leaves_the_plain_network(monkeypatch):
    def broken(module, **_):
        def call(*_inputs):
            raise RuntimeError("no compiler")

        return call

    told = []
    monkeypatch.setattr(torch, "compile", broken)
    module = network()
    forward = compiled(module, told.append)

    assert torch.equal(forward(X), module(X))
    assert torch.equal(forward(X), module(X))
    assert told == ["compile off: the compiler failed (RuntimeError)"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="torch.compile needs a C compiler")
def test_a_compiled_network_makes_the_same_step():
    code = (
        "import torch; from torch import nn; from tests.training.test_step import *\n"
        "make = lambda: (torch.manual_seed(0), nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),"
        " nn.Flatten(), nn.Linear(144, 10)))[1]\n"
        "x, plain, fast, told = X.view(30, 1, 8, 8), make(), make(), []\n"
        "one, two = stepper(plain, clip=1.0), stepper(fast, clip=1.0)\n"
        "two.forward = compiled(fast, told.append)\n"
        "for _ in range(3): losses = one([x], Y, 0.1)[0], two([x], Y, 0.1)[0]\n"
        "torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)\n"
        "weights = lambda module: torch.cat([p.detach().flatten() for p in module.parameters()])\n"
        "torch.testing.assert_close(weights(plain), weights(fast), rtol=1e-3, atol=1e-5)\n"
        "assert told == [], told"
    )
    environment = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
