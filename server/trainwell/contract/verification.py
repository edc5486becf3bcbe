"""A verification: fixes of a run tried on short twins of it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from trainwell.contract.findings import Proof
from trainwell.contract.specs import Spec


class Arm(Spec):
    """One way of training the twins: as the run was trained (no fix), or with one fix.

    `twins` are handles in the order of the seeds. `proof` is there when the verification is over.
    """

    fix: str | None = None
    code: str | None = None
    patch: dict[str, dict[str, Any]] = Field(default_factory=dict)
    twins: tuple[str, ...] = ()
    proof: Proof | None = None


class Verification(Spec):
    """The newest trial of a run's fixes.

    `arms` begin with the one without a fix. Twins start from `from_epoch`, a sound checkpoint of the run, or anew from
    their seed where that is 0. `left_out` are fixes that the budget had no room for.
    """

    number: str
    budget_seconds: float
    began_at: float
    seeds: tuple[int, ...]
    from_epoch: int = 0
    share: float = 1.0
    arms: tuple[Arm, ...]
    left_out: tuple[str, ...] = ()
    over: bool = False

    @property
    def twins(self) -> tuple[str, ...]:
        """The handles of all twins."""
        return tuple(twin for arm in self.arms for twin in arm.twins)

    @property
    def fixes(self) -> tuple[Arm, ...]:
        """The arms that have a fix."""
        return self.arms[1:]

    @property
    def start(self) -> str:
        """Where twins start, in words."""
        return f"checkpoint of epoch {self.from_epoch}" if self.from_epoch else "seed"
