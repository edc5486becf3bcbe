"""What can be shuffled of a network's inputs: the columns of a table, channels and windows of a series, patches."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.data.table.columns_again import columns_again, fits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import PreparedData, TensorSpec
    from trainwell.data.parts import Array

    Place = tuple[int, tuple[slice, ...]]

MOST_GROUPS = 400
WINDOWS, PATCHES = 8, 5
# Columns whose ranks go together this much can stand in for each other.
TOGETHER = 0.8
MOST_COMPARED = 300


@dataclass(frozen=True)
class Group:
    """Parts of the inputs that are shuffled as one.

    Attributes:
        name: For a reader.
        places: The number of an input, and where in a row of it.
        joint: The names of the groups that it joins, where it is not one of its own.
    """

    name: str
    places: tuple[Place, ...]
    joint: tuple[str, ...] = ()


def groups_of(prepared: PreparedData) -> list[Group]:
    """All groups of the data's inputs, in the order of the inputs."""
    if prepared.kind == "tabular":
        return _blocks(_columns(prepared))
    found: list[Group] = []
    for number, spec in enumerate(prepared.inputs):
        if spec.role == "sequence":
            found += _of_series(prepared, number, spec)
        elif spec.role == "features" and len(spec.shape) == 1:
            names = [f"{spec.name}[{place}]" for place in range(spec.shape[0])]
            found += [Group(name, ((number, (slice(place, place + 1),)),)) for place, name in enumerate(names)]
        elif len(spec.shape) >= 2:
            found += _patches(number, spec)
    return _blocks(found)


def joined_groups(prepared: PreparedData, groups: Sequence[Group], inputs: Sequence[Array]) -> list[Group]:
    """Groups of columns that go together, each as one; columns are compared by ranks (Spearman)."""
    if not fits(prepared) or len(groups) > MOST_COMPARED:
        return []
    columns = columns_again(prepared, inputs)
    names = [group.name for group in groups]
    if columns.values.shape[1] != len(names):  # dates are several columns
        return []
    plain = [place for place in range(len(names)) if place not in columns.levels]
    ranks = np.stack([_ranks(columns.values[:, place]) for place in plain]) if plain else np.zeros((0, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        related = np.nan_to_num(np.corrcoef(ranks)) if len(plain) > 1 else np.zeros((1, 1))
    clusters = _clusters(np.abs(related) >= TOGETHER)
    return [_join([groups[plain[one]] for one in cluster]) for cluster in clusters]


def _columns(prepared: PreparedData) -> list[Group]:
    from trainwell.data.table.encode import embedded, width  # noqa: PLC0415 - polars starts threads

    encodings: list[dict[str, Any]] = prepared.encoding["columns"]
    found: list[Group] = []
    start = 0
    for encoding in encodings:
        stop = start + width(encoding)
        if stop > start:
            found.append(Group(encoding["name"], ((0, (slice(start, stop),)),)))
        start = stop
    last = len(prepared.inputs) - 1
    many = embedded(encodings)
    return found + [Group(one["name"], ((last, (slice(place, place + 1),)),)) for place, one in enumerate(many)]


def _of_series(prepared: PreparedData, number: int, spec: TensorSpec) -> list[Group]:
    """Every channel over all of its time, and every window of time over all channels."""
    steps, channels = spec.shape
    names = _channel_names(prepared, spec)
    ahead = spec.name == "future"
    when = "known ahead: " if ahead else ""
    by_channel = [
        Group(f"{when}{names[place]}", ((number, (slice(None), slice(place, place + 1))),)) for place in range(channels)
    ]
    if ahead or steps < 2:
        return by_channel
    shift = -steps - 1 if prepared.task == "forecasting" else 0
    edges = np.unique(np.linspace(0, steps, min(WINDOWS, steps) + 1).round().astype(int)).tolist()
    by_time = [
        Group(f"steps {start + 1 + shift} to {stop + shift}", ((number, (slice(start, stop), slice(None))),))
        for start, stop in pairwise(edges)
    ]
    return by_channel + by_time if channels > 1 else by_time


def _channel_names(prepared: PreparedData, spec: TensorSpec) -> list[str]:
    form: dict[str, Any] = prepared.encoding.get("form") or {}
    names: list[str] = list(form.get("channels") or [column.name for column in prepared.target_columns])
    return [names[place] if place < len(names) and spec.name != "future" else f"channel {place + 1}"
            for place in range(spec.shape[1])]  # fmt: skip


def _patches(number: int, spec: TensorSpec) -> list[Group]:
    """A grid over the first two dimensions."""
    rows, columns = (
        np.unique(np.linspace(0, size, min(PATCHES, size) + 1).round().astype(int)).tolist() for size in spec.shape[-2:]
    )
    before = (slice(None),) * (len(spec.shape) - 2)
    cells = [(slice(*up), slice(*side)) for up in pairwise(rows) for side in pairwise(columns)]
    return [
        Group(f"{spec.name}[{up.start}:{up.stop}, {side.start}:{side.stop}]", ((number, (*before, up, side)),))
        for up, side in cells
    ]


def _blocks(groups: list[Group]) -> list[Group]:
    """At most `MOST_GROUPS`: neighbours are taken together where there are more."""
    size = -(-len(groups) // MOST_GROUPS)
    if size <= 1:
        return groups
    parts = [groups[start : start + size] for start in range(0, len(groups), size)]
    return [Group(f"{part[0].name} to {part[-1].name}", tuple(p for one in part for p in one.places)) for part in parts]


def _join(members: list[Group]) -> Group:
    names = tuple(one.name for one in members)
    shown = " + ".join(names[:3]) + (f" + {len(names) - 3} more" if len(names) > 3 else "")
    return Group(shown, tuple(place for one in members for place in one.places), joint=names)


def _ranks(values: Array) -> Array:
    known = np.where(np.isnan(values), np.nanmedian(values) if not np.isnan(values).all() else 0.0, values)
    _, places, counts = np.unique(known, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - counts / 2.0)[places]


def _clusters(linked: Array) -> list[list[int]]:
    """Connected parts of more than one."""
    waiting = set(range(len(linked)))
    found: list[list[int]] = []
    while waiting:
        part, edge = set[int](), {waiting.pop()}
        while edge:
            one = edge.pop()
            part.add(one)
            edge |= {int(other) for other in np.flatnonzero(linked[one])} - part
        waiting -= part
        if len(part) > 1:
            found.append(sorted(part))
    return found
