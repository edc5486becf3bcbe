"""What of TrainCheck's programs (Jiang et al., OSDI 2025) runs on a processor: two faults, five healthy workloads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from tests.corpus.public import rows
from tests.corpus.public.retold import Retold

if TYPE_CHECKING:
    from tests.corpus.cases import Collection

adadelta = torch.optim.Adadelta


def add(to: Collection) -> None:
    """Faults with their twins, then workloads that are used to count false alarms."""
    to.healthy("TC 60335387 fixed", Retold(
        _normed, _mnist, nn.CrossEntropyLoss(), partial(torch.optim.Adam, lr=1e-4), 8, 30, validated=True
    ))  # fmt: skip
    # At a rate of 0.0001 it shows on 60,000 pictures; on 1,350 it takes ten times that.
    to.fault("TC 60335387", "construction", "TC 60335387 fixed", "missing_zero_grad", clears=False,
             optimizer=partial(torch.optim.Adam, lr=1e-3), mends=False)  # fmt: skip
    to.healthy("TC forum 84911 fixed", Retold(
        rows.digits, _normalised, nn.CrossEntropyLoss(), partial(torch.optim.Adam, lr=1e-3), 8, 64, validated=True
    ))  # fmt: skip
    to.fault("TC forum 84911", "construction", "TC forum 84911 fixed", "frozen_parameters parameters_not_optimised",
             network=_frozen, learns=lambda network: network[-1].parameters(), mends=False)  # fmt: skip
    _workloads(to)


def _workloads(to: Collection) -> None:
    to.healthy("TC mnist", Retold(
        _normed, partial(_mnist, dropped=True), nn.CrossEntropyLoss(), partial(adadelta, lr=1.0), 6, 64,
        validated=True,
    ))  # fmt: skip
    to.healthy("TC mnist_rnn", Retold(
        _normed, Recurrent, nn.NLLLoss(), partial(adadelta, lr=0.1), 8, 16, validated=True
    ))  # fmt: skip
    to.healthy("TC regression", Retold(
        _polynomial, partial(nn.Linear, 4, 1), nn.SmoothL1Loss(), partial(torch.optim.SGD, lr=0.1), 8, 32, scored=None
    ))  # fmt: skip
    to.healthy("TC time-sequence-prediction", Retold(
        _sines, Sequence, nn.MSELoss(), partial(torch.optim.Adam, lr=0.01), 12, 10, scored="values", validated=True
    ))  # fmt: skip
    to.healthy("TC vae", Retold(
        _pictures_twice, Variational, _evidence, partial(torch.optim.Adam, lr=1e-3), 10, 128, scored=None
    ))  # fmt: skip


def _normed():
    """Digits as the programs normalise MNIST: to mean 0 and deviation 1."""
    x, y, x_val, y_val = rows.digits()
    return (x - x.mean()) / x.std(), y, (x_val - x.mean()) / x.std(), y_val


def _pictures_twice():
    x, _, x_val, _ = rows.digits(flat=True)
    return x, x, x_val, x_val


def _mnist(*, dropped: bool = False) -> nn.Module:
    first, second = (nn.Dropout(0.25), nn.Dropout(0.5)) if dropped else (nn.Identity(), nn.Identity())
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), first, nn.Flatten(),
        nn.Linear(256, 128), nn.ReLU(), second, nn.Linear(128, 10),
    )  # fmt: skip


def _normalised() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(256, 10),
    )  # fmt: skip


def _frozen() -> nn.Module:
    """All but the batch norms frozen, also the head, which is all that the optimizer has."""
    network = _normalised()
    for layer in network:
        layer.requires_grad_(isinstance(layer, nn.BatchNorm2d))
    return network


class Recurrent(nn.Module):
    """Rows of a picture as steps."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 64, batch_first=True)
        self.batchnorm = nn.BatchNorm1d(64)
        self.head = nn.Sequential(nn.Dropout(0.25), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))

    def forward(self, x: Tensor) -> Tensor:
        last = self.rnn(x.reshape(-1, 8, 8))[0][:, -1]
        return self.head(self.batchnorm(last)).log_softmax(1)


class Sequence(nn.Module):
    """The next value of a wave at each step, by two cells."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(1, 51, num_layers=2, batch_first=True)
        self.linear = nn.Linear(51, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.cells(x[..., None])[0])[..., 0]


class Variational(nn.Module):
    """Gives back a picture, and the mean and deviation of its code."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.mean, self.spread = nn.Linear(64, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.back = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 64), nn.Sigmoid())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.first(x).relu()
        mean, spread = self.mean(hidden), self.spread(hidden)
        return self.back(mean + torch.randn_like(mean) * (0.5 * spread).exp()), mean, spread


def _evidence(outputs: tuple[Tensor, Tensor, Tensor], target: Tensor) -> Tensor:
    picture, mean, spread = outputs
    likely = F.binary_cross_entropy(picture, target, reduction="sum")
    return likely - 0.5 * (1 + spread - mean.square() - spread.exp()).sum()


def _polynomial():
    """Powers of a normal number and a sum of them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1600, 1, generator=generator) ** torch.arange(1, 5)
    y = x @ (5 * torch.randn(4, 1, generator=generator)) + 3.0
    return x, y, x, y


def _sines():
    """Waves of one period and any phase, and the same a step later."""
    generator = torch.Generator().manual_seed(2)
    at = torch.arange(101) + torch.randint(-80, 80, (100, 1), generator=generator)
    waves = (at / 20).sin()
    return waves[:90, :-1], waves[:90, 1:], waves[90:, :-1], waves[90:, 1:]
