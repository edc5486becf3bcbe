"""What the benchmarks train on: the same rows and the same networks for every loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from trainwell import architectures
from trainwell.contract.specs import Shapes, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Work:
    """One network on one set of rows. `epochs` makes a run of the best hand-written loop last about a second."""

    name: str
    what: str
    batch_size: int
    epochs: int
    inputs: tuple[TensorSpec, ...]
    num_classes: int
    rows: Callable[[], tuple[Inputs, Tensor]]
    network: Callable[[], nn.Module]

    @property
    def shapes(self) -> Shapes:
        """What the network must fit; without classes it gives its input back."""
        if self.num_classes:
            return Shapes(inputs=self.inputs, num_outputs=self.num_classes)
        return Shapes(inputs=self.inputs, num_outputs=self.inputs[0].shape[0], task="reconstruction")

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """What every loop minimises."""
        return F.cross_entropy(output, target) if self.num_classes else F.mse_loss(output, target)


def perceptron(features: int, hidden: tuple[int, ...], classes: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(features, width), nn.ReLU()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))


def table() -> tuple[Inputs, Tensor]:
    """10,000 rows of 20 numbers, two classes that need one product of columns: x (N, 20), y (N,)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10_000, 20, generator=generator)
    weights = torch.randn(20, generator=generator)
    noise = torch.randn(10_000, generator=generator)
    return (x,), ((x @ weights + 2 * x[:, 0] * x[:, 1] + noise) > 0).long()


def images(count: int = 15_000) -> tuple[Inputs, Tensor]:
    """Real handwritten digits (scikit-learn's) in MNIST's shape: x (N, 784), y (N,).

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
    x = (x - x.mean()) / x.std()
    return (torch.from_numpy(x.reshape(count, 784)),), torch.from_numpy(data.target[chosen].astype(np.int64))


def pictures(count: int) -> tuple[Inputs, Tensor]:
    """The same digits as images of whole bytes: x (N, 1, 28, 28) uint8, y (N,)."""
    (x,), y = images(count)
    return ((x.view(count, 1, 28, 28) * 40 + 60).clamp(0, 255).byte(),), y


def made_up(specs: tuple[TensorSpec, ...], classes: int, count: int) -> tuple[Inputs, Tensor]:
    """Random rows for the shapes; without classes the target is the first input."""
    generator = torch.Generator().manual_seed(0)
    columns = tuple(
        torch.randint(2, spec.sizes[0], (count, *spec.shape), generator=generator, dtype=torch.int32)
        if spec.role == "tokens"
        else torch.randn(count, *spec.shape, generator=generator)
        for spec in specs
    )
    return columns, torch.randint(0, classes, (count,), generator=generator) if classes else columns[0]


TABLE = (TensorSpec(name="x", shape=(20,)),)
FLAT_IMAGE = (TensorSpec(name="x", shape=(784,)),)
IMAGE = (TensorSpec(name="x", shape=(1, 28, 28), dtype="uint8", role="image", mean=(60.0,), std=(40.0,)),)
STEPS = (TensorSpec(name="x", shape=(128, 6), role="sequence"),)
TOKENS = (TensorSpec(name="tokens", shape=(40,), dtype="int32", role="tokens", sizes=(10_000,)),)


def family(
    architecture: str, inputs: tuple[TensorSpec, ...], *, rows: int, batch: int, epochs: int = 1,
    classes: int = 10, options: dict[str, Any] | None = None, what: str = "",
) -> Work:  # fmt: skip
    """A family of networks with its own defaults for these inputs."""
    shown = " and ".join("x".join(map(str, spec.shape)) for spec in inputs)
    work = Work(
        name=architecture,
        what=f"{architecture}{what} on {rows:,} rows of {shown}, batch {batch}",
        batch_size=batch,
        epochs=epochs,
        inputs=inputs,
        num_classes=classes,
        rows=lambda: pictures(rows) if inputs == IMAGE else made_up(inputs, classes, rows),
        network=lambda: architectures.build(architecture, options or {}, work.shapes),
    )
    return work


WORKS = {
    work.name: work
    for work in (
        Work(
            "tab", "MLP 20-64-64-2 on 10,000 x 20, batch 256", 256, 60, TABLE, 2, table,
            lambda: perceptron(20, (64, 64), 2),
        ),
        Work(
            "mlp", "MLP 784-256-128-10 on 15,000 x 784, batch 128", 128, 6, FLAT_IMAGE, 10, images,
            lambda: perceptron(784, (256, 128), 10),
        ),
        family("cnn", IMAGE, rows=2_000, batch=128),
        family("resnet", IMAGE, rows=512, batch=64),
        family("vit", IMAGE, rows=1_500, batch=64),
        family("rnn", STEPS, rows=1_000, batch=64, classes=6),
        family("lstm", STEPS, rows=1_000, batch=64, classes=6),
        family("gru", STEPS, rows=1_000, batch=64, classes=6),
        family("tcn", STEPS, rows=500, batch=64, classes=6),
        family("transformer", TOKENS, rows=1_000, batch=64, classes=2),
        family("bag", TOKENS, rows=10_000, batch=64, classes=2),
        family("tabular", TABLE, rows=5_000, batch=256, classes=2, epochs=2),
        family("autoencoder", TABLE, rows=10_000, batch=256, classes=0, epochs=5),
    )
}  # fmt: skip
