"""Real rows for the corpus, whole or spoiled: tables, images, series and texts, as files or as tensors."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine, make_moons
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from tests.corpus.cases import Rows
from tests.journeys import series_files
from tests.texts import docstrings, write_table

Array = np.ndarray
Spoil = Callable[[Array, Array, np.random.Generator], tuple[Array, Array]]
LOADERS = {"digits": load_digits, "breast_cancer": load_breast_cancer, "wine": load_wine, "iris": load_iris,
           "diabetes": load_diabetes}  # fmt: skip


@cache
def numbers(name: str) -> tuple[Array, Array]:
    """Inputs and target in a random order. `moons` cannot be parted by a plane."""
    if name == "moons":
        x, y = make_moons(800, noise=0.15, random_state=0)
    else:
        x, y = LOADERS[name](return_X_y=True)
    order = np.random.default_rng(7).permutation(len(x))
    return x[order], y[order]


# Tables as files.


def write_csv(path: Path, x: Array, y: Array) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*(f"c{place}" for place in range(x.shape[1])), "target"])
        table.writerows([*row, label] for row, label in zip(x.tolist(), y.tolist(), strict=True))


def table(name: str, *spoils: Spoil) -> Callable[[Path], dict[str, Any]]:
    """A CSV file of a known set, spoiled as a whole before it is split."""

    def write(root: Path) -> dict[str, Any]:
        x, y = _spoiled(*numbers(name), spoils)
        write_csv(root / "data.csv", x, y)
        return {"source": "data.csv", "target": "target"}

    return write


def split_table(
    name: str, train: Sequence[Spoil] = (), others: Sequence[Spoil] = ()
) -> Callable[[Path], dict[str, Any]]:
    """Three CSV files: what is spoiled in training is not in validation, or the other way round."""

    def write(root: Path) -> dict[str, Any]:
        x, y = numbers(name)
        cuts = [0, int(0.65 * len(x)), int(0.8 * len(x)), len(x)]
        files = {"data.csv": train, "validation.csv": others, "test.csv": others}
        for (file, spoils), start, stop in zip(files.items(), cuts[:-1], cuts[1:], strict=True):
            write_csv(root / file, *_spoiled(x[start:stop], y[start:stop], spoils))
        named = {"validation_source": "validation.csv", "test_source": "test.csv"}
        return {"source": "data.csv", "target": "target", **named}

    return write


def _spoiled(x: Array, y: Array, spoils: Sequence[Spoil]) -> tuple[Array, Array]:
    random = np.random.default_rng(3)
    for spoil in spoils:
        x, y = spoil(x.copy(), y.copy(), random)
    return x, y


# Other kinds of files.


def images(name: str = "digits", rows: int = 1000, change: Callable[[Array], Array] = lambda pixels: pixels):
    """An .npz of (N, 1, 8, 8) uint8 pictures."""

    def write(root: Path) -> dict[str, Any]:
        x, y = numbers(name)
        pixels = (x[:rows].reshape(-1, 1, 8, 8) * 15.9).astype(np.uint8)
        np.savez(root / "data.npz", X=change(pixels), y=y[:rows])
        return {"source": "data.npz", "target": "y"}

    return write


def waves(count: int = 240) -> Callable[[Path], dict[str, Any]]:
    """Series of unequal length, slow or fast."""

    def write(root: Path) -> dict[str, Any]:
        series_files.waves(root / "data.jsonl", count=count)
        return {"source": "data.jsonl", "target": "kind", "options": {"series": "id"}}

    return write


def renamed_waves(root: Path) -> dict[str, Any]:
    """The same with kinds that were mixed up among the series."""
    asked = waves()(root)
    rows = [json.loads(line) for line in (root / "data.jsonl").read_text().splitlines()]
    kinds = np.random.default_rng(1).permutation([row["kind"] for row in rows])
    lines = (json.dumps({**row, "kind": kind}) for row, kind in zip(rows, kinds.tolist(), strict=True))
    (root / "data.jsonl").write_text("\n".join(lines))
    return asked


def shops(root: Path) -> dict[str, Any]:
    """Sales by day, to be forecast."""
    series_files.shops(root / "data.csv", days=240)
    options = {"group": "shop", "known_future": ["promotion"], "horizon": 7}
    return {"source": "data.csv", "target": "sold", "task": "forecasting", "options": options}


def texts(
    rows: int = 900,
    change: Callable[[list[tuple[str, str]]], list[tuple[str, str]]] = lambda rows: rows,
    **options: Any,
) -> Callable[[Path], dict[str, Any]]:
    """Sentences by the part of scipy that they are from."""

    def write(root: Path) -> dict[str, Any]:
        write_table(root / "data.csv", change(docstrings()[:rows]))
        return {"source": "data.csv", "target": "topic", "kind": "text", "options": {"length": 24, **options}}

    return write


# Rows for Python programs.


def tensors(
    name: str, *, scaled: bool = True, shape: tuple[int, ...] = (), train: Sequence[Spoil] = (),
    others: Sequence[Spoil] = (), limit: int | None = None,
) -> Callable[[], Rows]:  # fmt: skip
    """Training and validation tensors; inputs standardised by the training rows, as is the target of a regression."""

    def made() -> Rows:
        x, y = numbers(name)
        cut = int(0.8 * len(x))
        start = 0 if limit is None else cut - limit
        if scaled:
            mean, deviation = x[start:cut].mean(0), x[start:cut].std(0)
            x = (x - mean) / np.where(deviation > 0, deviation, 1.0)
        if y.dtype.kind == "f" and scaled:
            y = (y - y[start:cut].mean()) / y[start:cut].std()
        own, other = _spoiled(x[start:cut], y[start:cut], train), _spoiled(x[cut:], y[cut:], others)
        return (*_as_tensors(*own, shape), *_as_tensors(*other, shape))

    return made


def _as_tensors(x: Array, y: Array, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    inputs = torch.tensor(x, dtype=torch.float32).reshape(len(x), *(shape or x.shape[1:]))
    return inputs, torch.tensor(y, dtype=torch.float32 if y.dtype.kind == "f" else torch.int64)


def shuffled(x: Tensor, y: Tensor, batch_size: int) -> DataLoader[Any]:
    return DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)


def in_order(x: Tensor, y: Tensor, batch_size: int) -> DataLoader[Any]:
    return DataLoader(TensorDataset(x, y), batch_size=batch_size)


# Spoils.


def noisy_labels(share: float) -> Spoil:
    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        wrong = random.random(len(y)) < share
        y[wrong] = (y[wrong] + random.integers(1, y.max() + 1, wrong.sum())) % (y.max() + 1)
        return x, y

    return spoil


def mixed_labels(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    return x, random.permutation(y)


def rolled_labels(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    return x, np.roll(y, 1)


def renamed_labels(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    return x, (y + 1) % (y.max() + 1)


def repeated_rows(times: int) -> Spoil:
    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        order = random.permutation(np.repeat(np.arange(len(x)), times))
        return x[order], y[order]

    return spoil


def first_rows(count: int) -> Spoil:
    return lambda x, y, random: (x[:count], y[:count])


def with_answer(scale: float = 1.0, noise: float = 0.0) -> Spoil:
    """A column that is the target itself, scaled."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        answer = scale * y + 3 + noise * y.std() * random.normal(size=len(y))
        return np.concatenate([x, answer[:, None]], axis=1), y

    return spoil


def scaled_columns(factor: float, every: int = 1) -> Spoil:
    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        x[:, ::every] *= factor
        return x, y

    return spoil


def moved_columns(by: float, every: int = 1) -> Spoil:
    """Columns moved by so many of their own deviations."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        x[:, ::every] += by * x[:, ::every].std(axis=0)
        return x, y

    return spoil


def blank_columns(share: float) -> Spoil:
    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        x[:, np.random.default_rng(0).permutation(x.shape[1])[: int(share * x.shape[1])]] = 0.0
        return x, y

    return spoil


def with_nan(rows: int, value: float = np.nan) -> Spoil:
    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        x[random.permutation(len(x))[:rows], 2] = value
        return x, y

    return spoil


def targets_with(value: float, rows: int = 2) -> Spoil:
    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        y[random.permutation(len(y))[:rows]] = value
        return x, y

    return spoil


def scaled_target(factor: float, offset: float = 0.0) -> Spoil:
    return lambda x, y, random: (x, factor * y + offset)


def rare(label: int, keep: int) -> Spoil:
    """Only so many rows of one class are kept."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        own = np.flatnonzero(y == label)[keep:]
        return np.delete(x, own, axis=0), np.delete(y, own)

    return spoil


def is_class(label: int) -> Spoil:
    return lambda x, y, random: (x, (y == label).astype(np.int64))


def sorted_rows(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    order = np.argsort(y, kind="stable")
    return x[order], y[order]


def as_quantity(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    return x, y.astype(np.float64)
