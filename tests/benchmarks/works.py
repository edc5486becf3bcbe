"""What the benchmarks train on: the same rows and the same networks for every loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True)
class Work:
    """One network on one set of rows. `epochs` makes a run of the best hand-written loop last about a second."""

    name: str
    what: str
    batch_size: int
    epochs: int
    num_classes: int
    rows: Callable[[], tuple[Tensor, Tensor]]
    network: Callable[[], nn.Module]


def perceptron(features: int, hidden: tuple[int, ...], classes: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(features, width), nn.ReLU()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))


def table() -> tuple[Tensor, Tensor]:
    """10,000 rows of 20 numbers, two classes that need one product of columns: x (N, 20), y (N,)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10_000, 20, generator=generator)
    weights = torch.randn(20, generator=generator)
    noise = torch.randn(10_000, generator=generator)
    return x, ((x @ weights + 2 * x[:, 0] * x[:, 1] + noise) > 0).long()


def images(count: int = 15_000) -> tuple[Tensor, Tensor]:
    """Real handwritten digits (scikit-learn's) in MNIST's shape: x (N, 784), y (N,).

    Each is enlarged to 24 x 24, put at a random place of a 28 x 28 image, and gets some noise.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to import, and only this work needs it

    generator = np.random.default_rng(0)
    data = load_digits()
    chosen = generator.integers(0, len(data.target), count)
    large = np.kron(data.images[chosen] / 16.0, np.ones((1, 3, 3)))
    x = generator.normal(0.0, 0.1, (count, 28, 28)).astype(np.float32)
    for row, (down, right) in enumerate(generator.integers(0, 5, (count, 2))):
        x[row, down : down + 24, right : right + 24] += large[row]
    x = (x - x.mean()) / x.std()
    return torch.from_numpy(x.reshape(count, 784)), torch.from_numpy(data.target[chosen].astype(np.int64))


WORKS = {
    work.name: work
    for work in (
        Work("tab", "MLP 20-64-64-2 on 10,000 x 20, batch 256", 256, 60, 2, table, lambda: perceptron(20, (64, 64), 2)),
        Work(
            "mlp",
            "MLP 784-256-128-10 on 15,000 x 784, batch 128",
            128,
            6,
            10,
            images,
            lambda: perceptron(784, (256, 128), 10),
        ),
    )
}
