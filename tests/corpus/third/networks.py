"""Networks of the third set: files for tools, modules for Python, healthy and spoiled."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from tests.corpus.networks import file
from tests.corpus.second.networks import Change, Made, as_is


def dense_file(
    inputs: int, outputs: int, *, width: int = 48, depth: int = 2, activation: str = "nn.ReLU()", after: str = "",
    forward: str = "return self.layers(x)",
) -> str:  # fmt: skip
    """Hidden layers of one width; `after` is what the constructor does last."""
    return file(
        f"sizes = [{inputs}] + [{width}] * {depth}\n"
        f"hidden = [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), {activation})]\n"
        f"self.layers = nn.Sequential(*hidden, nn.Linear({width}, {outputs}))\n{after}",
        forward,
    )


def pixels_file(outputs: int, *, last: str = "", first: str = "x.float() / 255", after: str = "") -> str:
    """Two convolutions over bytes of 20 by 20."""
    return file(
        "self.body = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), "
        "nn.Conv2d(12, 24, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Dropout(0.2))\n"
        f"self.head = nn.Linear(24 * 25, {outputs})\n{after}",
        f"return self.head(self.body({first}).flatten(1)){last}",
    )


def drawn_weights(law: str) -> str:
    """The lines of a constructor that draw every matrix anew."""
    return f"for weight in self.parameters():\n    if weight.ndim > 1:\n        nn.init.{law}"


class Blocks(nn.Module):
    """Blocks with a way around them, for tables."""

    def __init__(self, inputs: int, outputs: int, *, width: int = 48, depth: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.inward = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Dropout(dropout),
                          nn.Linear(2 * width, width)) for _ in range(depth)
        )  # fmt: skip
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inward(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


class Sees(nn.Module):
    """Convolutions for pictures of 20 to 24."""

    def __init__(
        self, channels: int, outputs: int, *, norm: bool = True, dropout: float = 0.0, change: Change = as_is,
        last: type[nn.Module] = nn.Identity,
    ) -> None:  # fmt: skip
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in ((channels, 16), (16, 24), (24, 32)):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width) if norm else nn.Identity()]
            layers += [nn.LeakyReLU(0.1), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Sequential(nn.LazyLinear(outputs), last())
        self(torch.zeros(2, channels, 24 if channels == 3 else 20, 24 if channels == 3 else 20))
        change(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(x).flatten(1)))


class Reads(nn.Module):
    """A recurrent network over points of the plane, both ways."""

    def __init__(
        self, outputs: int, *, cell: type[nn.RNNBase] = nn.GRU, hidden: int = 24, last: type[nn.Module] = nn.Identity
    ) -> None:
        super().__init__()
        self.cell = cell(2, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(2 * hidden, outputs), last())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x)[0].mean(1))


class Attends(nn.Module):
    """Attention over the points of a stroke, the norm behind each branch."""

    def __init__(self, depth: int = 6, width: int = 32) -> None:
        super().__init__()
        self.inward = nn.Linear(2, width)
        self.places = nn.Parameter(0.1 * torch.randn(8, width))
        block = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, activation="gelu", batch_first=True)
        self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.inward(x) + self.places).mean(1))


class Adds(nn.Module):
    """Two numbers, each as a vector that is learnt, and what follows from both."""

    def __init__(self, numbers: int = 23, width: int = 48) -> None:
        super().__init__()
        self.known = nn.Embedding(numbers, width)
        self.layers = nn.Sequential(nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, numbers))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.known(x.long()).flatten(1))


class Forgets(nn.Module):
    """Makes features out of the points and then reads the last point itself."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.GRU(2, 32, batch_first=True)
        self.head = nn.Linear(2, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x[:, -1])


class Detached(nn.Module):
    """Keeps its features as numbers, by which nothing behind them learns."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(2, 12, batch_first=True)
        self.head = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x)[0][:, -1].detach())


class DropsAlways(nn.Module):
    """Uses the function of dropout, which does not know of modes."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.inward, self.between, self.head = nn.Linear(18, 64), nn.Linear(64, 64), nn.Linear(64, 4)
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(F.relu(self.inward(x)), self.share)
        return self.head(F.dropout(F.relu(self.between(x)), self.share))


class OfLengthOne(nn.Module):
    """Divides each picture by its own length."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Sees(1, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(8 * x / x.flatten(1).norm(dim=1)[:, None, None, None])


class Remembers(nn.Module):
    """Appends every loss it can see to a list, with the graph behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Sees(3, 5)
        self.sums: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.body(x)
        if self.training:
            self.sums.append(outputs.logsumexp(1).mean())
        return outputs


class LooksBack(nn.Module):
    """Goes through all that it has seen so far, at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Blocks(18, 4)
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen += 1
            time.sleep(2e-4 * self.seen)
        return self.body(x)


def every_matrix(law: Callable[[Tensor], Tensor]) -> Change:
    """Draw all matrices and kernels by another law."""

    def change(network: nn.Module) -> None:
        for weight in network.parameters():
            if weight.ndim > 1:
                law(weight)

    return change


def tower(inputs: int, outputs: int, activation: type[nn.Module], depth: int, change: Change = as_is) -> Made:
    """Many layers of 40."""

    def made() -> nn.Module:
        sizes = [inputs] + [40] * depth
        hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), activation())]
        network = nn.Sequential(*hidden, nn.Linear(40, outputs))
        change(network)
        return network

    return made


def learnt_before(made: Callable[[], nn.Module], x: Tensor, y: Tensor, steps: int = 150) -> nn.Module:
    """A network that already knows these rows, to be tuned further."""
    network = made()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
    return network
