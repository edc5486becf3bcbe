"""What a case is: a job that the product's front door takes, and what a good doctor would say of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.data import DataLoader

Rows = tuple["Tensor", "Tensor", "Tensor", "Tensor"]
GROUPS = ("data", "optimisation", "capacity", "construction", "systems")
HALVES = ("tuning", "held_out")


@dataclass(frozen=True)
class Job:
    """A training by tools, as an agent asks for it.

    Attributes:
        data: Writes its files into the workspace and gives the arguments of `prepare_data`.
        family: An architecture, or `module` or `layers`.
        options: Of the architecture.
        network: Text of a Python file with a class `Net`, for `module`.
        layers: For `layers`.
        train: Arguments of `train`.
    """

    data: Callable[[Path], dict[str, Any]]
    kind: str
    family: str = "mlp"
    options: Mapping[str, Any] = field(default_factory=dict)
    network: str | None = None
    layers: tuple[Any, ...] = ()
    train: Mapping[str, Any] = field(default_factory=dict)
    prepare: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "score"

    def changed(self, *, train: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None,
                prepare: Mapping[str, Any] | None = None, **fields: Any) -> Job:  # fmt: skip
        """The job with some arguments changed, the others as they were."""
        return replace(
            self,
            train={**self.train, **(train or {})},
            options={**self.options, **(options or {})},
            prepare={**self.prepare, **(prepare or {})},
            **fields,
        )


@dataclass(frozen=True)
class Program:
    """A training by `trainwell.train(model, loader)`.

    Attributes:
        rows: Training inputs and targets, then those of validation.
        network: Made anew, after torch's generator was seeded.
        loader: From inputs, targets and the batch size.
        train: Arguments of `trainwell.train`, and `batch_size`.
    """

    rows: Callable[[], Rows]
    kind: str
    family: str
    network: Callable[[], nn.Module]
    loader: Callable[[Tensor, Tensor, int], DataLoader[Any]]
    train: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "score"

    def changed(self, *, train: Mapping[str, Any] | None = None, **fields: Any) -> Program:
        """The program with some arguments changed, the others as they were."""
        return replace(self, train={**self.train, **(train or {})}, **fields)


@dataclass(frozen=True)
class Case:
    """A job with a name.

    Attributes:
        causes: Codes that name the cause rightly, of which one must come first; none for a healthy run.
        twin: Name of the healthy case that it was made from.
        mends: Whether a change of arguments can mend it; else a person must, and the right answer has no fix.
    """

    name: str
    job: Job | Program
    group: str = "healthy"
    causes: tuple[str, ...] = ()
    twin: str | None = None
    mends: bool = True

    @property
    def half(self) -> str:
        """The half it belongs to, by its name and by nothing else: thresholds are chosen on `tuning` alone."""
        return HALVES[hashlib.sha256(self.name.encode()).digest()[0] % 2]


class Collection:
    """Cases in the order in which they were added, each name once."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}

    def healthy(self, name: str, job: Job | Program) -> None:
        """Add a run of which there is nothing bad to say."""
        self._add(Case(name, job))

    def fault(
        self, name: str, group: str, twin: str, causes: str, change: Callable[[Any], Job | Program], *,
        mends: bool = True,
    ) -> None:  # fmt: skip
        """Add a fault: its twin, changed."""
        self._add(Case(name, change(self.cases[twin].job), group, tuple(causes.split()), twin, mends))

    def _add(self, case: Case) -> None:
        if case.name in self.cases:
            raise ValueError(case.name)
        self.cases[case.name] = case
