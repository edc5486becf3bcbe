"""Rows of the retold programs: what they made themselves, or small sets in the place of files that are not ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    make_blobs,
    make_circles,
    make_friedman1,
    make_multilabel_classification,
)

from tests.corpus.cases import Rows

Array = np.ndarray
# Mean and deviation of the columns of a table of cars (miles per gallon by cylinders, displacement, power, weight,
# acceleration and year), to which the columns of a generated set are stretched.
CARS = ((5.5, 1.7), (194.0, 104.0), (104.0, 38.0), (2977.0, 849.0), (15.5, 2.7), (76.0, 3.7))
MILES = (23.5, 7.8)


def halves(x: Array, y: Array, share: float = 0.75) -> Rows:
    """The first rows to learn from, the others to judge by."""
    cut = int(share * len(x))
    inputs, target = torch.tensor(x, dtype=torch.float32), _target(y)
    return inputs[:cut], target[:cut], inputs[cut:], target[cut:]


def whole(x: Any, y: Any) -> Rows:
    """A program that learns and judges by the same rows."""
    inputs, target = torch.tensor(np.asarray(x), dtype=torch.float32), _target(np.asarray(y))
    return inputs, target, inputs, target


def _target(y: Array) -> torch.Tensor:
    return torch.tensor(y, dtype=torch.int64 if y.dtype.kind in "iub" else torch.float32)


def scaled(x: Array) -> Array:
    """Columns of mean 0 and deviation 1."""
    deviation = x.std(0)
    return (x - x.mean(0)) / np.where(deviation > 0, deviation, 1.0)


def spread(x: Array) -> Array:
    """Columns from 0 to 1."""
    width = np.ptp(x, axis=0)
    return (x - x.min(0)) / np.where(width > 0, width, 1.0)


def mixed(x: Array, y: Array, seed: int = 7) -> tuple[Array, Array]:
    """The rows in another order."""
    order = np.random.default_rng(seed).permutation(len(x))
    return x[order], y[order]


def digits(
    factor: float = 1.0,
    *,
    one_hot: bool = False,
    labels: Callable[[Array], Array] = lambda y: y,
    flat: bool = False,
    count: int = 1797,
) -> Rows:
    """Pictures of 8 x 8 from 0 to `factor`, in the place of MNIST; `labels` changes what is learnt from."""
    x, y = (part[:count] for part in mixed(*load_digits(return_X_y=True)))
    pictures = (factor * x / 16).reshape(-1, 64) if flat else (factor * x / 16).reshape(-1, 1, 8, 8)
    inputs, target, x_val, y_val = halves(pictures, y)
    target = torch.tensor(labels(target.numpy().copy()))
    if one_hot:
        target, y_val = (torch.eye(10)[part] for part in (target, y_val))
    return inputs, target, x_val, y_val


def iris(change: Callable[[Array], Array] = lambda x: x, share: float = 0.5) -> Rows:
    x, y = mixed(*load_iris(return_X_y=True))
    return halves(change(x), y, share)


def tumours(columns: int, change: Callable[[Array], Array] = lambda x: x) -> Rows:
    """Two classes by so many columns, from 0.05 to 2500, as floats of 0 and 1 in a column."""
    x, y = mixed(*load_breast_cancer(return_X_y=True))
    return halves(change(x[:, :columns]), y.astype(float)[:, None])


def circles() -> Rows:
    """As AUTOTRAINER makes them."""
    x, y = make_circles(1000, noise=0.1, random_state=1)
    return halves(x, y.astype(float)[:, None], 0.7)


def blobs(*, one_hot: bool = False) -> Rows:
    """As AUTOTRAINER makes them."""
    x, y = make_blobs(1000, centers=3, cluster_std=2.0, random_state=2)
    return halves(x, np.eye(3)[y] if one_hot else y, 0.7)


def tags(count: int = 1000) -> Rows:
    """Rows of counts with three tags each."""
    x, y = make_multilabel_classification(n_samples=count, n_features=20, n_classes=3, random_state=0)
    return halves(x, y.astype(float), 0.8)


def cars(
    inputs: Callable[[Array], Array] = spread,
    target: Callable[[Array], Array] = spread,
    *, column: bool = True, apart: bool = False,
) -> Rows:  # fmt: skip
    """A regression in the place of auto-mpg: columns of the same sizes, a target of the same size.

    Args:
        inputs: What becomes of the columns.
        target: What becomes of the target.
        column: Whether the target is (N, 1), else (N,).
        apart: Whether rows and targets were mixed apart from each other.
    """
    x, y = make_friedman1(392, n_features=9, noise=1.0, random_state=0)
    sizes = np.array([*CARS, (0.6, 0.5), (0.2, 0.4), (0.2, 0.4)])
    x = sizes[:, 0] + sizes[:, 1] * scaled(x)
    y = MILES[0] + MILES[1] * scaled(y[:, None])
    if apart:
        x = x[np.random.default_rng(0).permutation(len(x))]
    x, y = inputs(x), target(y)
    return halves(x, y if column else y[:, 0], 0.8)


def plane(count: int, high: float, change: Callable[[Array], Array] = lambda x: x) -> Rows:
    """Three columns from 0 to `high` and a weighted sum of them."""
    random = np.random.default_rng(0)
    x = high * random.random((count, 3))
    y = x @ np.array([1.0, 0.5, 0.25]) + 1.1
    return halves(change(x), change(y[:, None]), 0.8)


def parabola() -> Rows:
    """5 x squared on 50 points, with the cube of a normal number added."""
    x = np.arange(0.0, 5.0, 0.1)[:, None]
    return whole(x, 5 * x**2 + np.random.default_rng(7).normal(size=x.shape) ** 3)


def fourth_power(change: Callable[[Array], Array] = lambda x: x) -> Rows:
    x = np.arange(-100.0, 100.0, 0.5)[:, None]
    return whole(change(x), change(x**4))


def bytes_of_bits(*, shuffled: bool) -> Rows:
    """All numbers of eight bits, and the same again, or in another order."""
    bits = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(float)
    return whole(bits, np.random.default_rng(0).permutation(bits) if shuffled else bits)


def two_squares(count: int, seed: int = 0) -> tuple[Array, Array]:
    """Points between 0.2 and 0.4, and between 0.5 and 0.7."""
    random = np.random.default_rng(seed)
    x = np.concatenate([random.uniform(0.2, 0.4, (count, 2)), random.uniform(0.5, 0.7, (count, 2))])
    return mixed(x, np.repeat([0, 1], count))


def digit_sums(change: Callable[[Array], Array] = lambda x: x) -> Rows:
    """A number below 10,000 and the sum of its digits as one of 69 places."""
    numbers = np.random.default_rng(0).integers(1, 10_000, 2200)
    sums = sum((numbers // 10**place) % 10 for place in range(4))
    return halves(change(numbers[:, None].astype(float)), np.eye(69)[sums], 0.8)
