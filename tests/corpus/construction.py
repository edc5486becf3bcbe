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
    to.fault("softmax before the loss", GROUP, "digits module", soft, lambda job: job.changed(
        network=stack_file(61, 10, forward="return torch.softmax(self.layers(x), dim=1)")
    ), mends=False)  # fmt: skip
    to.fault("softmax before the loss, in Python", GROUP, "python cnn", soft, lambda job: job.changed(
        network=lambda: nn.Sequential(networks.convolutional()(), nn.Softmax(1))
    ), mends=False)  # fmt: skip
    wrong = "output_range"
    to.fault("a sigmoid before a regression", GROUP, "python diabetes", wrong,
             lambda job: job.changed(network=stack(10, 1, (32,), last=nn.Sigmoid)), mends=False)  # fmt: skip
    to.fault("a ReLU before a regression", GROUP, "diabetes mlp", wrong, lambda job: job.changed(
        family="module", options={},
        network=file("self.layers = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1), nn.ReLU())",
                     "return self.layers(x)"),
    ), mends=False)  # fmt: skip
    to.fault("a ReLU before the classes", GROUP, "python digits", f"{wrong} dead_units",
             lambda job: job.changed(network=stack(64, 10, last=nn.ReLU)), mends=False)  # fmt: skip


def _layers(to: Collection) -> None:
    linear = "missing_nonlinearity"
    to.fault("layers without anything between them", GROUP, "moons layers", linear, lambda job: job.changed(
        layers=tuple(layer for layer in job.layers if layer != "ReLU")
    ), mends=False)  # fmt: skip
    to.fault("layers without anything between them, in Python", GROUP, "python moons", linear,
             lambda job: job.changed(network=stack(2, 2, (32, 32), nn.Identity)), mends=False)  # fmt: skip
    to.fault("layers without anything between, in a file", GROUP, "moons mlp", linear, lambda job: job.changed(
        family="module", options={},
        network=file("self.layers = nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 2))",
                     "return self.layers(x)"),
    ), mends=False)  # fmt: skip
    to.fault("dropout that is never off", GROUP, "python digits", "dropout_always_on",
             lambda job: job.changed(network=lambda: networks.AlwaysDropping(0.8)), mends=False)  # fmt: skip


def _parts(to: Collection) -> None:
    frozen = "frozen_parameters"
    to.fault("hidden layers frozen", GROUP, "digits module", frozen, lambda job: job.changed(network=file(
        "self.layers = nn.Sequential(nn.Linear(61, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 10))\n"
        "for layer in list(self.layers)[:4]:\n    layer.requires_grad_(False)", "return self.layers(x)",
    )), mends=False)  # fmt: skip
    to.fault("hidden layers frozen, in Python", GROUP, "python digits", frozen,
             lambda job: job.changed(network=stack(64, 10, (8, 8), after=freeze_all_but_last)),
             mends=False)  # fmt: skip
    cut = "detached_parameters unused_parameters no_gradient frozen_parameters"
    to.fault("a graph cut in the middle", GROUP, "digits module", cut, lambda job: job.changed(network=file(
        "self.first = nn.Linear(61, 6)\nself.second = nn.Linear(6, 10)",
        "return self.second(torch.relu(self.first(x)).detach())",
    )), mends=False)  # fmt: skip
    to.fault("a graph cut in the middle, in Python", GROUP, "python moons", cut,
             lambda job: job.changed(network=_Cut), mends=False)  # fmt: skip


class _Cut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.second(self.first(x).relu().detach())
