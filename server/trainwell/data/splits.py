"""Which rows train, validate and test: by chance, alike in their classes, whole groups, or in order of time.

`split_rows` cuts numbers; `divide` does what was asked of `prepare_data` and says it in words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import Warned
from trainwell.contract.text import quoted
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trainwell.data.parts import Request

Rows = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

FEWEST_ROWS = 10
# Validation and test together; the rest trains.
_MOST_HELD_OUT = 0.9
_QUANTILE_GROUPS = 10
# Random orders of the groups that are tried for sizes and classes near what was asked.
_MOST_TRIES, _CELLS_TRIED = 64, 2_000_000
_MOST_STRATA = 50


@dataclass(frozen=True)
class SplitColumn:
    """The column that a split goes by, as numbers.

    Attributes:
        ranks: (count,) int64 place of each row's value among the different values in ascending order; -1 is missing.
        time: Whether the values are dates.
        ordered: Whether they are dates or numbers, so that a split by time can go by them.
        show: The value of a row as text.
    """

    name: str
    ranks: Rows
    time: bool
    ordered: bool
    show: Callable[[int], str]


@dataclass(frozen=True)
class Division:
    """Row numbers by split, and what is to be said of them.

    Attributes:
        how: `random`, `stratified`, `group`, `time` or `given`.
    """

    splits: dict[str, Rows]
    how: str
    notes: list[str] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)


def split_column(request: Request, known: Sequence[str]) -> str | None:
    """The column that the split goes by, if any; the kind reads it and makes it a `SplitColumn`.

    Args:
        request: Its `split` and `split_by` count.
        known: The columns there are.

    Raises:
        TrainwellError: `missing_argument`, `exclusive_arguments`, `missing_column`.
    """
    shown = [name[:80] for name in known[:20]]
    if request.split_by is None:
        if request.split in {"group", "time"}:
            raise TrainwellError(
                "missing_argument", f"A split by {request.split} needs the column to go by.", argument="split_by",
                allowed=shown,
            )  # fmt: skip
        return None
    if request.split in {"random", "stratified"}:
        raise TrainwellError(
            "exclusive_arguments", f"A {request.split} split goes by no column.", argument="split_by",
            got=request.split_by, hint="Pass split: group or split: time with it, or leave split_by out.",
        )  # fmt: skip
    if request.split_by not in known:
        raise TrainwellError(
            "missing_column", "There is no column of this name.", argument="split_by", got=request.split_by,
            allowed=shown, hint=did_you_mean(request.split_by, known),
        )  # fmt: skip
    return request.split_by


def divide(
    count: int,
    request: Request,
    strata: Rows | None = None,
    *,
    by: SplitColumn | None = None,
    given: Mapping[str, Rows] | None = None,
) -> Division:
    """Split as the request says.

    Args:
        count: Rows, those of given sources included.
        request: Its split, fractions and seed count.
        strata: (count,) class of each row, from `target.groups_for`; None does not stratify.
        by: The column named by `split_column`, over all rows.
        given: Rows that are the validation or the test part as a whole, by split; the rest is cut into the others.

    Raises:
        TrainwellError: `not_a_time`, or what `split_rows` raises.
    """
    how = request.split
    if by is not None and how == "auto":
        how = "time" if by.time else "group"
    if by is not None and how == "time" and not by.ordered:
        raise TrainwellError(
            "not_a_time", f"Column {quoted(by.name)} holds neither dates nor numbers.", argument="split_by",
            got=by.show(0), allowed="a column of dates or of numbers that grow with time",
            hint="Write dates as 2024-01-31, or pass split: group.",
        )  # fmt: skip
    if by is None:
        how = "random" if strata is None else "stratified"
    ranks = None if by is None else by.ranks
    splits = split_rows(
        count, strata, validation_fraction=request.validation_fraction, test_fraction=request.test_fraction,
        seed=request.seed, given=given, groups=ranks if how == "group" else None,
        order=ranks if how == "time" else None,
    )  # fmt: skip
    whole = set(given or ())
    notes = [f"The {name} part is the file given." for name in sorted(whole, reverse=True)]
    if whole >= {"validation", "test"}:
        return Division(splits, "given", notes)
    if by is None:
        return Division(splits, how, notes)
    said, warned = _say_time(by, splits, whole) if how == "time" else _say_groups(by, splits, whole)
    return Division(splits, how, [*notes, *said], warned)


def split_rows(
    count: int,
    strata: Rows | None,
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    groups: Rows | None = None,
    order: Rows | None = None,
    given: Mapping[str, Rows] | None = None,
) -> dict[str, Rows]:
    """Cut `count` rows into train, validation and test.

    Args:
        count: Rows to split, at least `FEWEST_ROWS`.
        strata: (count,) class of each row; each split gets its share of every class, and at least one row of every
            class trains. None splits at random. With `groups` the shares are as near as whole groups allow.
        validation_fraction: Of the rows that are not given.
        test_fraction: Of the rows that are not given.
        seed: The same seed gives the same split.
        groups: (count,) group of each row; no group comes into two parts.
        order: (count,) place in time of each row, -1 for unknown; train comes before validation, validation before
            test, equal times stay together, rows of unknown time come into no part.
        given: Rows that are a part as a whole.

    Returns:
        Row numbers by split, ascending, each at least one.

    Raises:
        TrainwellError: `too_few_rows`, `too_few_groups`, `too_few_times`, `fractions_too_large`.
    """
    whole = {name: np.sort(np.asarray(rows, np.int64)) for name, rows in (given or {}).items()}
    fractions = {"test": test_fraction, "validation": validation_fraction}
    fractions = {name: fraction for name, fraction in fractions.items() if name not in whole}
    rest = np.setdiff1d(np.arange(count, dtype=np.int64), np.concatenate(list(whole.values()))) if whole else None
    left = count if rest is None else len(rest)
    _check_sizes(left, whole, fractions)

    def of_rest(values: Rows | None) -> Rows | None:
        return values if values is None or rest is None else values[rest]

    strata, groups, order = of_rest(strata), of_rest(groups), of_rest(order)
    random = np.random.default_rng(seed)
    if not fractions:
        parts = {"train": np.arange(left, dtype=np.int64)}
    elif order is not None:
        parts = _by_time(order, fractions)
    elif groups is not None:
        parts = _by_group(groups, strata, fractions, random)
    else:
        parts = _by_chance(left, strata, fractions, random)
    cut = {name: np.sort(rows if rest is None else rest[rows]) for name, rows in parts.items()}
    return {name: whole[name] if name in whole else cut[name] for name in ("train", "validation", "test")}


def quantile_groups(values: np.ndarray[Any, np.dtype[np.float64]]) -> Rows:
    """Ten groups of equal size along the values, so that a numeric target can be split alike."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _QUANTILE_GROUPS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def column_of_array(name: str, values: np.ndarray[Any, Any]) -> SplitColumn:
    """A (count,) array of numbers, texts or datetime64 as the column to split by; NaN, NaT and "" are missing."""
    kind = values.dtype.kind
    missing = np.isnan(values) if kind in "fmM" else values == "" if kind in "US" else np.zeros(len(values), np.bool_)
    ranks = np.full(len(values), -1, np.int64)
    ranks[~missing] = np.unique(values[~missing], return_inverse=True)[1]
    return SplitColumn(name, ranks, kind in "mM", kind in "iufmM", lambda row: str(values[row]))


def _check_sizes(left: int, whole: Mapping[str, Rows], fractions: Mapping[str, float]) -> None:
    if left < FEWEST_ROWS:
        raise TrainwellError(
            "too_few_rows", f"There are {left} usable rows.", argument="source", allowed=f"at least {FEWEST_ROWS} rows"
        )
    empty = next((name for name, rows in whole.items() if not len(rows)), None)
    if empty is not None:
        raise TrainwellError(
            "too_few_rows", "The file has no usable rows.", argument=f"{empty}_source", allowed="at least 1 row"
        )
    if sum(fractions.values()) > _MOST_HELD_OUT + 1e-9:
        raise TrainwellError(
            "fractions_too_large",
            f"Validation and test would take {sum(fractions.values()):.2f} of the rows.",
            argument="validation_fraction",
            allowed=f"validation_fraction + test_fraction <= {_MOST_HELD_OUT}",
        )


def _by_chance(
    count: int, strata: Rows | None, fractions: Mapping[str, float], random: np.random.Generator
) -> dict[str, Rows]:
    place = random.permutation(count) / count if strata is None else _spread(strata, random)
    order = np.argsort(place, kind="stable").astype(np.int64)
    parts: dict[str, Rows] = {}
    start = 0
    for name, fraction in fractions.items():
        stop = start + max(1, round(count * fraction))
        parts[name] = order[start:stop]
        start = stop
    return {**parts, "train": order[start:]}


def _by_time(order: Rows, fractions: Mapping[str, float]) -> dict[str, Rows]:
    """The last times are the test part, those before validation; equal times stay together."""
    known = np.flatnonzero(order >= 0)
    times, place, sizes = np.unique(order[known], return_inverse=True, return_counts=True)
    names = ["train", *reversed(list(fractions))]
    if len(times) < len(names):
        raise TrainwellError(
            "too_few_times", f"The column to split by holds {counted(len(times), 'different time')}.",
            argument="split_by", allowed=f"at least {len(names)}",
            hint="Name a column of more times, or leave split and split_by out.",
        )  # fmt: skip
    ends = np.cumsum(sizes)
    held = np.cumsum([fractions[name] for name in names[:0:-1]])[::-1]
    cuts = _cuts(ends, len(known) * (1 - held))
    part = np.searchsorted(cuts, place, side="right")
    return {name: known[part == number].astype(np.int64) for number, name in enumerate(names)}


def _by_group(
    groups: Rows, strata: Rows | None, fractions: Mapping[str, float], random: np.random.Generator
) -> dict[str, Rows]:
    """Whole groups in random order, cut at the sizes asked; the best of several orders, by size and by class."""
    different, place = np.unique(groups, return_inverse=True)
    names = [*fractions, "train"]
    if len(different) < len(names):
        raise TrainwellError(
            "too_few_groups", f"The column to split by holds {counted(len(different), 'group')}.",
            argument="split_by", allowed=f"at least {len(names)}, one for each part",
        )  # fmt: skip
    counts = _counts_of_groups(place, len(different), strata)
    shares = np.array([*fractions.values(), 1 - sum(fractions.values())])
    wanted = shares[:, None] * counts.sum(axis=0)
    best, parts = np.inf, np.zeros(len(different), np.int64)
    for _ in range(int(np.clip(_CELLS_TRIED // counts.size, 1, _MOST_TRIES))):
        shuffled = random.permutation(len(different))
        ends = np.cumsum(counts[shuffled, 0])
        cuts = _cuts(ends, len(groups) * np.cumsum(shares)[:-1])
        tried = np.empty(len(different), np.int64)
        tried[shuffled] = np.searchsorted(cuts, np.arange(len(different)), side="right")
        got = np.stack([counts[tried == number].sum(axis=0) for number in range(len(names))])
        error = float(np.abs(got - wanted).sum())
        if error < best:
            best, parts = error, tried
    of_rows = parts[place]
    return {name: np.flatnonzero(of_rows == number).astype(np.int64) for number, name in enumerate(names)}


def _counts_of_groups(place: Rows, count: int, strata: Rows | None) -> Rows:
    """(groups, 1 + classes) rows of each group, in all and of each class; of the classes only while they are few."""
    sizes = np.bincount(place, minlength=count)[:, None]
    if strata is None:
        return sizes
    kinds, codes = np.unique(strata, return_inverse=True)
    if len(kinds) > _MOST_STRATA or count * len(kinds) > _CELLS_TRIED:
        return sizes
    of_kind = np.bincount(place * len(kinds) + codes, minlength=count * len(kinds)).reshape(count, len(kinds))
    return np.concatenate([sizes, of_kind], axis=1)


def _cuts(ends: Rows, wanted: Floats) -> Rows:
    """Where to cut blocks that end at `ends` so that the parts end nearest to `wanted`; every part gets a block."""
    blocks, cuts = len(ends), np.empty(len(wanted), np.int64)
    for number, size in enumerate(wanted):
        nearest = int(np.abs(ends - size).argmin()) + 1
        lowest = int(cuts[number - 1]) + 1 if number else 1
        cuts[number] = np.clip(nearest, lowest, blocks - (len(wanted) - number))
    return cuts


def _spread(strata: Rows, random: np.random.Generator) -> Floats:
    """A place in [0, 1) for each row, so that every class is spread evenly; the last of each class comes last."""
    count = len(strata)
    shuffled = random.permutation(count)
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    _, starts, sizes = np.unique(strata[order], return_index=True, return_counts=True)
    rank = np.arange(count) - np.repeat(starts, sizes)
    place = np.empty(count)
    place[order] = (rank + np.repeat(random.random(len(sizes)), sizes)) / np.repeat(sizes, sizes)
    place[order[starts + sizes - 1]] = 2.0
    return place


def _say_time(by: SplitColumn, splits: dict[str, Rows], given: set[str]) -> tuple[list[str], list[Warned]]:
    ends = [
        f"{name} to {by.show(int(rows[by.ranks[rows].argmax()]))}" for name, rows in splits.items() if name not in given
    ]
    lost = int(np.count_nonzero(by.ranks < 0)) - sum(int(np.sum(by.ranks[splits[name]] < 0)) for name in given)
    warned: list[Warned] = []
    if lost:
        message = f"{counted(lost, 'row')} without a time in {quoted(by.name)} were left out."
        warned.append(Warned(code="time_missing", message=message, column=by.name[:80]))
    late = by.ranks[splits["train"]].max()
    early = [name for name in sorted(given) if bool((by.ranks[splits[name]] <= late).any())]
    if early:
        message = f"The {' and '.join(early)} file holds times that are not after the training rows."
        warned.append(Warned(code="time_overlap", message=message, column=by.name[:80]))
    return [f"Split by time, column {quoted(by.name)}: {', '.join(ends)}."], warned


def _say_groups(by: SplitColumn, splits: dict[str, Rows], given: set[str]) -> tuple[list[str], list[Warned]]:
    sizes = {name: len(np.unique(by.ranks[rows])) for name, rows in splits.items()}
    shown = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    notes = [f"Split by group, column {quoted(by.name)}; groups: {shown}."]
    missing = int(np.count_nonzero(by.ranks < 0))
    if missing:
        notes.append(f"{counted(missing, 'row')} without a group were taken as one group.")
    trained = by.ranks[splits["train"]]
    shared = [name for name in sorted(given) if np.isin(by.ranks[splits[name]], trained).any()]
    if not shared:
        return notes, []
    message = f"The {' and '.join(shared)} file holds groups that training sees too."
    return notes, [Warned(code="groups_across_splits", message=message, column=by.name[:80])]
