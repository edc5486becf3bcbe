"""Networks of the second set, healthy and spoiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Made = Callable[[], nn.Module]
Change = Callable[[nn.Module], Any]


def as_is(network: nn.Module) -> None:
    """No change."""


def dense(
    inputs: int, outputs: int, widths: tuple[int, ...] = (96, 48), activation: type[nn.Module] = nn.GELU, *,
    dropout: float = 0.0, last: type[nn.Module] = nn.Identity, change: Change = as_is,
) -> Made:  # fmt: skip
    """Fully connected; `change` is made to what was built."""

    def made() -> nn.Module:
        layers: list[nn.Module] = []
        for before, width in zip((inputs, *widths), widths, strict=False):
            layers += [nn.Linear(before, width), activation()]
            layers += [nn.Dropout(dropout)] if dropout else []
        network = nn.Sequential(*layers, nn.Linear((inputs, *widths)[-1], outputs), last())
        change(network)
        return network

    return made


def pixels(
    channels: int = 1, outputs: int = 10, *, norm: bool = False, change: Change = as_is,
    last: type[nn.Module] = nn.Identity,
) -> Made:  # fmt: skip
    """Three convolutions with stride, for pictures of 16 to 28."""

    def made() -> nn.Module:
        layers: list[nn.Module] = []
        for before, width in ((channels, 12), (12, 24), (24, 48)):
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1)]
            layers += [nn.BatchNorm2d(width)] if norm else []
            layers += [nn.ReLU()]
        network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(192, outputs), last())
        change(network)
        return network

    return made


class Steps(nn.Module):
    """A recurrent network over the steps of a series."""

    def __init__(
        self, cell: type[nn.RNNBase] = nn.LSTM, hidden: int = 40, outputs: int = 4, last: type[nn.Module] = nn.Identity
    ) -> None:
        super().__init__()
        self.cell = cell(2, hidden, batch_first=True)
        self.head = nn.Linear(hidden, outputs)
        self.last = last()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.head(self.cell(x)[0][:, -1]))


class Attention(nn.Module):
    """Blocks of attention over pairs of steps, with the norm behind each branch, as they were first made."""

    def __init__(self, width: int = 24, depth: int = 6, *, norm_first: bool = False) -> None:
        super().__init__()
        self.inward = nn.Linear(4, width)
        self.places = nn.Parameter(0.1 * torch.randn(25, width))
        block = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, batch_first=True, norm_first=norm_first)
        self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.inward(x.reshape(-1, 25, 4)) + self.places).mean(1))


class HalfUsed(nn.Module):
    """Two branches, of which the better one is made and then forgotten."""

    def __init__(self, *, forgets: bool) -> None:
        super().__init__()
        self.forgets = forgets
        self.sums = nn.Linear(10, 1)
        self.curves = nn.Sequential(nn.Linear(10, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.sums(x) if self.forgets else self.sums(x) + self.curves(x)).squeeze(1)


class Dropping(nn.Module):
    """Drops pixels and features, in validation too."""

    def __init__(self, share: float = 0.5, *, always: bool = True) -> None:
        super().__init__()
        self.body = pixels()()
        self.share, self.always = share, always

    def forward(self, x: Tensor) -> Tensor:
        *before, head, last = self.body
        for layer in before:
            x = layer(x)
        return last(head(F.dropout(x, self.share, training=self.training or self.always)))


class Hoards(nn.Module):
    """Keeps its features of every batch, with a copy of what they were made from, for a plot that nobody draws."""

    def __init__(self) -> None:
        super().__init__()
        self.body = pixels()()
        self.history: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.history.append(x.repeat(1, 8, 1, 1))
        return self.body(x)


class Bursts(nn.Module):
    """Asks for more memory than there is after some batches."""

    def __init__(self) -> None:
        super().__init__()
        self.body = pixels()()
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += self.training
        if self.seen > 25:
            x = x + torch.zeros(10**14).sum()
        return self.body(x)


def flat(network: Made) -> Made:
    """Numbers without the dimension of their own."""
    return lambda: nn.Sequential(network(), nn.Flatten(0))


def biases(value: float) -> Change:
    """Every bias of a hidden layer."""

    def change(network: nn.Module) -> None:
        *hidden, _ = (part for part in network.modules() if isinstance(part, nn.Linear | nn.Conv2d))
        for part in hidden:
            assert part.bias is not None
            nn.init.constant_(part.bias, value)

    return change


def weights_times(factor: float) -> Change:
    """Every matrix."""

    @torch.no_grad()
    def change(network: nn.Module) -> None:
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.mul_(factor)

    return change


def all_zero(network: nn.Module) -> None:
    for weight in network.parameters():
        nn.init.zeros_(weight)


def frozen_body(network: nn.Module) -> None:
    for place, weight in enumerate(reversed(list(network.parameters()))):
        weight.requires_grad_(place < 2)


def large_memory(network: nn.Module) -> None:
    """A recurrent state that grows with every step."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "weight_hh" in name:
                weight.copy_(1.6 * torch.eye(len(weight)))
