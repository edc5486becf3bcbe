"""What happens to the rows of the third set before they are learnt: slips of those who collect and prepare them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.corpus.sources import Array, Spoil

if TYPE_CHECKING:
    import pandas as pd

    from tests.corpus.third.sources import Change

# What happens to tables.


def mistyped(share: float, column: str = "class") -> Change:
    """So many answers are another one."""

    def change(part: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        known, wrong = part[column].to_numpy(object), random.random(len(part)) < share
        kinds = np.unique(known.astype(str))
        known[wrong] = [random.choice(kinds[kinds != value]) for value in known[wrong]]
        part[column] = known
        return part

    return change


def one_row_off(part: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    part["class"] = np.roll(part["class"].to_numpy(), 1)
    return part


def repeated(kind: str, times: int) -> Change:
    """The rows of one class are there several times, so that it is no longer rare."""

    def change(part: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        often = np.where(part["class"] == kind, times, 1)
        return part.loc[part.index.repeat(often)].sample(frac=1.0, random_state=3)

    return change


def with_column(name: str, made: Callable[[pd.DataFrame, np.random.Generator], Any]) -> Change:
    """A further column in the middle."""

    def change(part: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        part.insert(2, name, made(part, random))
        return part

    return change


def numbered(part: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Classes by their number."""
    part["class"] = part["class"].str[1:].astype(float).astype(int)
    return part


def brighter(gain: float, offset: float) -> Change:
    """All numbers as another instrument shows them."""

    def change(part: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        columns = part.columns.drop("class")
        part[columns] = gain * part[columns] + offset
        return part

    return change


def is_kind(kind: str) -> Change:
    """Is it this class?"""

    def change(part: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        part["class"] = np.where(part["class"] == kind, "yes", "no")
        return part

    return change


# What happens to arrays.


def times(factor: float) -> Spoil:
    """Inputs in another unit."""
    return lambda x, y, random: (x * factor, y)


def copied(count: int) -> Spoil:
    """Each picture is there several times, under a little other noise."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        order = random.permutation(np.repeat(np.arange(len(x)), count))
        return np.clip(x[order] + 3 * random.normal(size=x[order].shape), 0, 255), y[order]

    return spoil


def renumbered(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Classes by the numbers of another list."""
    return x, random.permutation(y.max() + 1)[y]


def in_logarithms(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    with np.errstate(divide="ignore"):
        return np.log(x), y


def lost_answers(count: int) -> Spoil:
    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        y[random.permutation(len(y))[:count]] = np.nan
        return x, y

    return spoil


def dead_columns(left: int) -> Spoil:
    """Only the first columns still say something."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        x[:, left:] = 0.0
        return x, y

    return spoil


def empty(count: int) -> Spoil:
    """So many pictures are black."""

    def spoil(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
        x[random.permutation(len(x))[:count]] = 0.0
        return x, y

    return spoil


def from_one(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    return x, y + 1
