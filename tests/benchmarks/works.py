"""What the benchmarks train on: the same rows and the same networks for every loop.

A family of networks is one line of `_FAMILIES`; one that is not there is skipped with a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from trainwell import architectures
from trainwell.contract.specs import Shapes, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Training rows, and what they mean.

    Attributes:
        outputs: Classes, or values of a row's target.
        task: classification or reconstruction.
    """

    inputs: tuple[Tensor, ...]
    target: Tensor
    specs: tuple[TensorSpec, ...]
    outputs: int
    task: str = "classification"

    def __len__(self) -> int:
        return len(self.target)

    def shapes(self) -> Shapes:
        """What a network for them must fit."""
        return Shapes(inputs=self.specs, num_outputs=self.outputs, task=self.task, rows=len(self))


@dataclass(frozen=True)
class Work:
    """One network on one set of rows.

    Attributes:
        epochs: So that a run of the best hand-written loop lasts about a second; None finds that out.
        architecture: The family it needs, None for a network of its own.
    """

    name: str
    what: str
    batch_size: int
    rows: Callable[[], Rows]
    network: Callable[[], nn.Module]
    epochs: int | None = None
    architecture: str | None = None

    def is_here(self) -> bool:
        """Whether the family is among those that were found."""
        return self.architecture is None or self.architecture in architectures.names()


def perceptron(features: int, hidden: tuple[int, ...], classes: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(features, width), nn.ReLU()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))


def table(count: int = 10_000) -> Rows:
    """Rows of 20 numbers, two classes that need one product of columns."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 20, generator=generator)
    weights = torch.randn(20, generator=generator)
    noise = torch.randn(count, generator=generator)
    y = ((x @ weights + 2 * x[:, 0] * x[:, 1] + noise) > 0).long()
    return Rows((x,), y, (TensorSpec(name="x", shape=(20,)),), 2)


def handwritten(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Real handwritten digits (scikit-learn's) in MNIST's shape: x (N, 28, 28) in 0..1, y (N,).

    Each is enlarged to 24 x 24, put at a random place of a 28 x 28 image, and gets some noise.
    """
    from sklearn.datasets import load_digits

    generator = np.random.default_rng(0)
    data = load_digits()
    chosen = generator.integers(0, len(data.target), count)
    large = np.kron(data.images[chosen] / 16.0, np.ones((1, 3, 3)))
    x = generator.normal(0.0, 0.1, (count, 28, 28)).astype(np.float32)
    for row, (down, right) in enumerate(generator.integers(0, 5, (count, 2))):
        x[row, down : down + 24, right : right + 24] += large[row]
    return x, data.target[chosen].astype(np.int64)


def flat_images(count: int = 15_000) -> Rows:
    """Handwritten digits as rows of 784 standardised numbers."""
    x, y = handwritten(count)
    x = ((x - x.mean()) / x.std()).reshape(count, 784)
    return Rows((torch.from_numpy(x),), torch.from_numpy(y), (TensorSpec(name="x", shape=(784,)),), 10)


def images(count: int = 1024) -> Rows:
    """Handwritten digits as pictures (1, 28, 28) of bytes."""
    x, y = handwritten(count)
    pictures = torch.from_numpy((x.clip(0, 1) * 255).astype(np.uint8)).unsqueeze(1)
    spec = TensorSpec(name="image", shape=(1, 28, 28), dtype="uint8", role="image", mean=(60.0,), std=(85.0,))
    return Rows((pictures,), torch.from_numpy(y), (spec,), 10)


def series(count: int = 1024, steps: int = 64, channels: int = 6) -> Rows:
    """Series of equal length, six classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, steps, channels, generator=generator)
    y = torch.randint(0, 6, (count,), generator=generator)
    return Rows((x,), y, (TensorSpec(name="series", shape=(steps, channels), role="sequence"),), 6)


def texts(count: int = 1024, steps: int = 64) -> Rows:
    """Texts of 64 tokens out of 2,000, two classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(2, 2000, (count, steps), generator=generator, dtype=torch.int32)
    y = torch.randint(0, 2, (count,), generator=generator)
    specs = (
        TensorSpec(name="tokens", shape=(steps,), dtype="int32", role="tokens", sizes=(2000,)),
        TensorSpec(name="length", shape=(), dtype="int64", role="length"),
    )
    return Rows((x, torch.full((count,), steps)), y, specs, 2)


def itself(count: int = 4096) -> Rows:
    """Rows of 20 numbers that are to be told again."""
    rows = table(count)
    return Rows(rows.inputs, rows.inputs[0], rows.specs, 20, "reconstruction")


def build(architecture: str, options: dict[str, object], rows: Callable[[], Rows]) -> nn.Module:
    """A family's network for these rows."""
    return architectures.build(architecture, options, rows().shapes())


# name, family, options, rows, batch size
_FAMILIES = (
    ("mlp", {}, table, 256),
    ("tabular", {}, partial(table, 4096), 256),
    ("cnn", {}, images, 64),
    ("resnet", {}, partial(images, 256), 32),
    ("vit", {}, partial(images, 256), 32),
    ("rnn", {}, series, 64),
    ("lstm", {}, series, 64),
    ("gru", {}, series, 64),
    ("tcn", {}, series, 64),
    ("transformer", {}, partial(texts, 256), 32),
    ("autoencoder", {}, itself, 256),
)
WORKS = {
    work.name: work
    for work in (
        Work("tab", "MLP 20-64-64-2 on 10,000 x 20", 256, table, lambda: perceptron(20, (64, 64), 2), 60),
        Work(
            "mnist", "MLP 784-256-128-10 on 15,000 x 784", 128, flat_images, lambda: perceptron(784, (256, 128), 10), 6
        ),
        *(
            Work(family, f"{family} as it comes", size, rows, partial(build, family, options, rows), None, family)
            for family, options, rows, size in _FAMILIES
        ),
    )
}
