"""What the rooms of data hand to each other and to their neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trainwell.contract.specs import Baseline, Spec, TargetColumn, Task, TensorSpec, Warned
    from trainwell.data.source import Source

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Request:
    """What was asked of `prepare_data`, without the source; `config` holds the options of the kind.

    Attributes:
        targets: Several columns instead of `target`.
        split_by: The column that a split by group or by time goes by.
        given: Sources that are the validation or the test part as a whole, by the name of the split.
    """

    target: str | None
    task: str
    split: str
    validation_fraction: float
    test_fraction: float
    seed: int
    config: Spec
    targets: tuple[str, ...] = ()
    split_by: str | None = None
    given: dict[str, Source] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """What a kind made of a source: the fields of `PreparedData` that it decides."""

    task: Task
    inputs: tuple[TensorSpec, ...]
    target: str
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    target_mean: float
    target_std: float
    splits: dict[str, int]
    baseline: Baseline
    encoding: dict[str, Any]
    warnings: tuple[Warned, ...]
    notes: tuple[str, ...]
    target_shape: tuple[int, ...] = ()
    target_columns: tuple[TargetColumn, ...] = ()


@dataclass(frozen=True)
class SplitArrays:
    """One split as training takes it.

    Attributes:
        inputs: One (rows, ...) array for each of `PreparedData.inputs`; memory-mapped copy-on-write, so
            that torch takes it as writable and the file stays as it is.
        target: (rows, *target_shape), see `PreparedData`.
        rows: (rows,) int64 row numbers in the source, from 0.
    """

    inputs: tuple[Array, ...]
    target: Array
    rows: Array


@dataclass(frozen=True)
class EncodedRows:
    """Raw rows as network inputs.

    Attributes:
        inputs: One (count, ...) array for each of `PreparedData.inputs`.
        target: As in `SplitArrays`, with -1 or NaN where a row's target is missing or of an unknown class; None where
            the rows hold no target at all.
        count: Rows.
        rows: (count,) int64 row numbers in the source, from 0; blank lines of a file are left out.
        notes: What was odd about them: unseen categories, cells taken as missing.
        about: What each row is, where that is more than its number: the group and the times of a forecast, the name of
            a series. Empty where there is nothing to say.
    """

    inputs: tuple[Array, ...]
    target: Array | None
    count: int
    rows: Array
    notes: list[str] = field(default_factory=list)
    about: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
