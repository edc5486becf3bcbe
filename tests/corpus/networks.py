"""Networks for the corpus: files with a class `Net` for tools, modules for Python programs; healthy and spoiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

FILE = """
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
{made}

    def forward(self, x):
{forward}
"""


def file(made: str, forward: str) -> str:
    """The text of a module file from the lines of its two methods."""
    return FILE.format(made=_indented(made), forward=_indented(forward))


def _indented(lines: str) -> str:
    return "\n".join("        " + line for line in lines.strip().splitlines())


def stack_file(inputs: int, outputs: int, *, after: str = "", forward: str = "return self.layers(x)") -> str:
    """A network of two hidden layers as a file; `after` is what its constructor does last."""
    made = (
        f"self.layers = nn.Sequential(nn.Linear({inputs}, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), "
        f"nn.Linear(64, {outputs}))\n{after}"
    )
    return file(made, forward)


def deep_file(inputs: int, outputs: int, activation: str, depth: int = 8, *, after: str = "") -> str:
    made = (
        f"sizes = [{inputs}] + [32] * {depth}\n"
        f"hidden = [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), nn.{activation}())]\n"
        f"self.layers = nn.Sequential(*hidden, nn.Linear(32, {outputs}))\n{after}"
    )
    return file(made, "return self.layers(x)")


def stack(
    inputs: int, outputs: int, widths: tuple[int, ...] = (64, 64), activation: Callable[[], nn.Module] = nn.ReLU,
    *, dropout: float = 0.0, last: Callable[[], nn.Module] = nn.Identity, first: Callable[[], nn.Module] = nn.Identity,
    after: Callable[[nn.Module], Any] = lambda network: None,
) -> Callable[[], nn.Module]:  # fmt: skip
    """Fully connected layers; `after` changes what was made."""

    def made() -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten(), first()]
        before = inputs
        for width in widths:
            layers += [nn.Linear(before, width), activation(), nn.Dropout(dropout)]
            before = width
        network = nn.Sequential(*layers, nn.Linear(before, outputs), last())
        after(network)
        return network

    return made


def convolutional(outputs: int = 10, channels: int = 8, *, norm: bool = False) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1), nn.BatchNorm2d(channels) if norm else nn.Identity(), nn.ReLU(),
            nn.MaxPool2d(2), nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
            nn.Flatten(), nn.Linear(8 * channels, outputs),
        )  # fmt: skip

    return made


class Recurrent(nn.Module):
    """Rows of a picture as the steps of a series."""

    def __init__(self, cell: type[nn.RNNBase] = nn.GRU, hidden: int = 32) -> None:
        super().__init__()
        self.cell = cell(8, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 10)

    def forward(self, x):
        return self.out(self.cell(x)[0][:, -1])


class AlwaysDropping(nn.Module):
    """Dropout that nobody can switch off."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        self.share = share

    def forward(self, x):
        return self.layers(F.dropout(x, self.share, training=True))


class Hoarder(nn.Module):
    """Keeps what it computes, by mistake."""

    def __init__(self, width: int = 64, megabytes: float = 4.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
        self.kept: list[torch.Tensor] = []
        self.floats = int(megabytes * 2**20 / 4)

    def forward(self, x):
        if self.training:
            self.kept.append(torch.ones(self.floats))
        return self.layers(x)


def scale_weights(factor: float) -> Callable[[nn.Module], None]:
    def change(network: nn.Module) -> None:
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(factor)

    return change


def constant_weights(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.05)


def low_biases(value: float) -> Callable[[nn.Module], None]:
    def change(network: nn.Module) -> None:
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim == 1:
                    parameter.fill_(value)

    return change


def freeze_all_but_last(network: nn.Module) -> None:
    *_, weight, bias = network.parameters()
    for parameter in network.parameters():
        parameter.requires_grad_(parameter is weight or parameter is bias)
