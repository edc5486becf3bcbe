"""Rows that trainings are drawn from: random parts of real sets, as arrays, and those arrays as files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.corpus import sources as first
from tests.corpus.second import sources as second
from tests.corpus.sources import Array
from tests.corpus.third import sources as third
from tests.texts import TOPICS, docstrings, write_table

if TYPE_CHECKING:
    from pathlib import Path

# Shares of the rows before validation begins, and before the test part begins, in files of their own.
CUTS = (0.65, 0.8)


def _pixels() -> tuple[Array, Array]:
    x, y = first.numbers("digits")
    return x.reshape(-1, 1, 8, 8) * 15.9, y


def _lines() -> tuple[Array, Array]:
    """Digits as eight steps of eight values."""
    x, y = first.numbers("digits")
    return x.reshape(-1, 8, 8), y


def _sentences(topics: tuple[str, ...]) -> tuple[Array, Array]:
    rows = docstrings(topics)
    return np.array([text for text, _ in rows], object), np.array([topics.index(topic) for _, topic in rows])


Read = Callable[[], tuple[Array, Array]]
SETS: dict[str, dict[str, Read]] = {
    "tabular": {
        **{name: partial(first.numbers, name) for name in ("digits", "breast_cancer", "diabetes")},
        **{name: partial(second.rows_of, name) for name in ("cars", "houses")},
        **{name: partial(third.rows_of, name) for name in ("satimage", "segment", "vehicle", "penbased", "texture",
                                                           "phoneme", "vowel", "gems", "carseats")},
    },
    "image": {
        "pixels": _pixels, "mnist": partial(second.rows_of, "mnist"),
        "photographs": partial(second.rows_of, "photographs"), "letters": partial(third.rows_of, "letters"),
        "forms": partial(third.rows_of, "forms"),
    },
    "series": {
        "lines": _lines, "strokes": partial(third.rows_of, "strokes"),
        "oscillations": partial(second.rows_of, "oscillations"),
    },
    "text": {
        "sentences": partial(_sentences, TOPICS),
        "phrases": partial(_sentences, second.TOPICS),
        "pairs": partial(_sentences, (TOPICS[0], second.TOPICS[2])),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Subset:
    """Some rows of a set, and some columns of a table, by a seed."""

    kind: str
    name: str
    rows: int
    columns: float
    seed: int

    def arrays(self) -> tuple[Array, Array]:
        """Inputs and targets as they were measured; not to be changed in place."""
        return _subset(self)

    @property
    def is_quantity(self) -> bool:
        return self.arrays()[1].dtype.kind == "f"

    @property
    def classes(self) -> int:
        return int(self.arrays()[1].max()) + 1

    def scaled(self) -> tuple[Array, Array]:
        """The same in deviations from the mean of the rows that a Python program learns from."""
        x, y = self.arrays()
        cut = int(second.LEARNT * len(x))
        axes = (0, 2, 3) if x.ndim == 4 else tuple(range(x.ndim - 1))
        mean, deviation = x[:cut].mean(axes, keepdims=True), x[:cut].std(axes, keepdims=True)
        x = (x - mean) / np.where(deviation > 0, deviation, 1.0)
        return x, (y - y[:cut].mean()) / y[:cut].std() if y.dtype.kind == "f" else y


@cache
def _subset(one: Subset) -> tuple[Array, Array]:
    x, y = SETS[one.kind][one.name]()
    random = np.random.default_rng(one.seed)
    rows = random.permutation(len(x))[: one.rows]
    x, y = x[rows], y[rows]
    if one.kind == "tabular":
        kept = max(min(5, x.shape[1]), round(one.columns * x.shape[1]))
        x = x[:, np.sort(random.permutation(x.shape[1])[:kept])]
    return x, y


def copied(x: Array, y: Array, cut: int, share: float) -> tuple[Array, Array]:
    """Rows behind the cut, of which so many are those of before it."""
    x, y = x.copy(), y.copy()
    places = cut + np.flatnonzero(np.random.default_rng(1).random(len(x) - cut) < share)
    x[places], y[places] = x[: len(places)], y[: len(places)]
    return x, y


# Arrays as files.


def _write_series(path: Path, x: Array, y: Array) -> None:
    names = [f"s{place}" for place in range(x.shape[2])]
    with path.open("w") as file:
        for number, (steps, kind) in enumerate(zip(x.round(4), y.tolist(), strict=True)):
            values = dict(zip(names, steps.T.tolist(), strict=True))
            file.write(json.dumps({"id": f"r{number}", **values, "target": f"k{kind}"}) + "\n")


def _write_texts(path: Path, x: Array, y: Array) -> None:
    write_table(path, list(zip(x.tolist(), (f"k{kind}" for kind in y.tolist()), strict=True)), ("text", "target"))


def _write_pictures(path: Path, x: Array, y: Array) -> None:
    np.savez(path, X=x.clip(0, 255).astype(np.uint8), target=y)


WRITERS: dict[str, tuple[str, Callable[[Path, Array, Array], Any], dict[str, Any]]] = {
    "tabular": ("csv", first.write_csv, {}),
    "image": ("npz", _write_pictures, {}),
    "series": ("jsonl", _write_series, {"options": {"series": "id"}}),
    "text": ("csv", _write_texts, {"kind": "text", "options": {"length": 24}}),
}
