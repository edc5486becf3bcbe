"""Faults of construction: outputs, losses and layers that do not fit together, parts that learn nothing."""

from __future__ import annotations

from torch import nn

from tests.corpus import networks
from tests.corpus.cases import Collection
from tests.corpus.networks import file, freeze_all_but_last, stack, stack_file

GROUP = "construction"


def add(to: Collection) -> None:
    """All faults of construction."""
    _outputs(to)
    _layers(to)
    _parts(to)


def _outputs(to: Collection) -> None:
    soft = "softmax_before_loss"
    to.fault("softmax before the loss", GROUP, "digits module", soft,
             network=stack_file(61, 10, forward="return torch.softmax(self.layers(x), dim=1)"),
             mends=False)  # fmt: skip
    to.fault("softmax before the loss, in Python", GROUP, "python cnn", soft,
             network=lambda: nn.Sequential(networks.convolutional()(), nn.Softmax(1)), mends=False)  # fmt: skip
    wrong = "bad_output_activation"
    to.fault("a sigmoid before a regression", GROUP, "python diabetes", wrong,
             network=stack(10, 1, (32,), last=nn.Sigmoid), mends=False)  # fmt: skip
    to.fault("a ReLU before a regression", GROUP, "diabetes mlp", wrong, family="module", options={},
        network=file("self.layers = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1), nn.ReLU())",
                     "return self.layers(x)"), mends=False)  # fmt: skip
    to.fault("a ReLU before the classes", GROUP, "python digits", f"{wrong} dead_units",
             network=stack(64, 10, last=nn.ReLU), mends=False)  # fmt: skip


def _layers(to: Collection) -> None:
    linear = "no_nonlinearity"
    to.fault("layers without anything between them", GROUP, "moons layers", linear,
             layers=({"type": "Linear", "out_features": 32},) * 2, mends=False)  # fmt: skip
    to.fault("layers without anything between them, in Python", GROUP, "python moons", linear,
             network=stack(2, 2, (32, 32), nn.Identity), mends=False)  # fmt: skip
    to.fault("layers without anything between, in a file", GROUP, "moons mlp", linear, family="module", options={},
        network=file("self.layers = nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 2))",
                     "return self.layers(x)"), mends=False)  # fmt: skip
    to.fault("dropout that is never off", GROUP, "python digits", "dropout_always_on",
             network=lambda: networks.AlwaysDropping(0.8), mends=False)  # fmt: skip


def _parts(to: Collection) -> None:
    frozen = "frozen_parameters"
    to.fault("hidden layers frozen", GROUP, "digits module", frozen, network=file(
        "self.layers = nn.Sequential(nn.Linear(61, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 10))\n"
        "for layer in list(self.layers)[:4]:\n    layer.requires_grad_(False)", "return self.layers(x)",
    ), mends=False)  # fmt: skip
    to.fault("hidden layers frozen, in Python", GROUP, "python digits", frozen,
             network=stack(64, 10, (8, 8), after=freeze_all_but_last), mends=False)  # fmt: skip
    cut = "unused_parameters frozen_parameters"
    to.fault("a graph cut in the middle", GROUP, "python digits", cut, network=lambda: _Cut(64, 6, 10), mends=False)
    to.fault("a graph cut in the middle, in Python", GROUP, "python moons", cut, network=lambda: _Cut(2, 3, 2),
             mends=False)  # fmt: skip


class _Cut(nn.Module):
    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, width), nn.Linear(width, outputs)

    def forward(self, x):
        return self.second(self.first(x).relu().detach())
