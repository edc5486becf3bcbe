"""What a case is: a job that the product's front door takes, and what a good doctor would say of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.utils.data import DataLoader

Rows = tuple["Tensor", "Tensor", "Tensor", "Tensor"]
GROUPS = ("data", "optimisation", "capacity", "construction", "systems")
HALVES = ("tuning", "held_out")
# Out of public corpora.
PUBLIC = "public"
WRITTEN = (*HALVES, PUBLIC)
# Drawn by a seed.
DRAWN = "drawn"
PARTS = (*WRITTEN, DRAWN)


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
class Loop:
    """Somebody's own loop, watched with `trainwell.watch`.

    Attributes:
        rows: Training inputs and targets, then those of validation.
        network: Made anew, after torch's generator was seeded.
        loss: Name of the loss module in `torch.nn`.
        settings: What a fix may change; see `tests.corpus.loops.DEFAULTS`.
        weights: Those of the network that the optimizer gets.
        step: Makes a step from the optimizer and the batch's loss.
        modes: Whether the network is in training mode while it learns, and while it is judged.
        lost_rate: What the rate is multiplied by after each epoch.
    """

    rows: Callable[[], Rows]
    kind: str
    network: Callable[[], nn.Module]
    loss: str = "CrossEntropyLoss"
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: Callable[[nn.Module], Iterable[Tensor]] | None = None
    step: Callable[[Optimizer, Tensor], None] | None = None
    modes: tuple[bool, bool] = (True, False)
    lost_rate: float = 1.0
    family: str = "loop"
    metric: str = "score"

    def changed(self, *, train: Mapping[str, Any] | None = None, **fields: Any) -> Loop:
        """The loop with some settings changed, the others as they were."""
        return replace(self, settings={**self.settings, **(train or {})}, **fields)


@dataclass(frozen=True)
class Case:
    """A job with a name.

    Attributes:
        causes: Codes that name the cause rightly, of which one must come first; none for a healthy run.
        twin: Name of the healthy case that it was made from.
        mends: Whether a change of arguments can mend it; else a person must, and the right answer has no fix.
        part: See `half`.
        must_bite: Whether it says nothing about the doctor unless its score is worse than its twin's.
    """

    name: str
    job: Job | Program | Loop
    group: str = "healthy"
    causes: tuple[str, ...] = ()
    twin: str | None = None
    mends: bool = True
    part: str | None = None
    must_bite: bool = False

    @property
    def half(self) -> str:
        """The half it belongs to, by its name and by nothing else: thresholds are chosen on `tuning` alone.

        Cases that were written apart are a part of their own.
        """
        return self.part or HALVES[hashlib.sha256(self.name.encode()).digest()[0] % 2]


class Collection:
    """Cases in the order in which they were added, each name once."""

    def __init__(self, part: str | None = None) -> None:
        self.part = part
        self.cases: dict[str, Case] = {}

    def healthy(self, name: str, job: Job | Program | Loop) -> None:
        """Add a run of which there is nothing bad to say."""
        self._add(Case(name, job, part=self.part))

    def fault(self, name: str, group: str, twin: str, causes: str, *, mends: bool = True, **changes: Any) -> None:
        """Add a fault: its twin, changed as `changed` of its job takes it."""
        job = self.cases[twin].job.changed(**changes)
        self._add(Case(name, job, group, tuple(causes.split()), twin, mends, self.part))

    def _add(self, case: Case) -> None:
        if case.name in self.cases:
            raise ValueError(case.name)
        self.cases[case.name] = case
