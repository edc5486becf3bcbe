"""A finding: what is wrong with a run, why we think so, and what to call about it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from trainwell.contract.specs import Spec
from trainwell.contract.text import finite

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


#: proven: better by more than its spread, the symptom gone and no new critical finding. improved: better, but without
#: that. no_help: no clear difference. worse: clearly worse. not_tried: its twins did not end, or had no room.
Verdict = Literal["proven", "improved", "no_help", "worse", "not_tried"]


#: A fix that is proven is taken before one that was not tried, and that before one that did not help.
_FIRST: dict[Verdict, int] = {"proven": 0, "improved": 1, "not_tried": 1, "no_help": 2, "worse": 3}


class Proof(Spec):
    """What twins of a run have shown of a fix: the same short training with and without it, from several seeds.

    `without` and `with_fix` are means of `metric` over the `pairs` of seeds, `difference` is the mean of the paired
    differences (with minus without) and `spread` their standard deviation. All are None where runs failed.
    """

    verdict: Verdict
    told: str
    metric: str | None = None
    without: float | None = None
    with_fix: float | None = None
    difference: float | None = None
    spread: float | None = None
    pairs: int = 0


class Fix(Spec):
    """One repair: why it helps, what changes, what to expect, and the call that does it.

    `patch` names the tool whose arguments change: `{"train": {"lr": 0.0002}}`. `proof` is there when it was tried.
    """

    reason: str
    patch: dict[str, dict[str, Any]]
    expected: str
    next_call: dict[str, Any] | None = None
    proof: Proof | None = None

    @property
    def changes(self) -> str:
        """The patch in words: `lr 0.0002`."""
        parts: list[dict[str, Any]] = [part.get("options", part) for part in self.patch.values()]
        return ", ".join(f"{name} {value}" for part in parts for name, value in part.items())


class Finding(Spec):
    """`code` is the name of the rule's file.

    `cost` is what it costs to go on as it is; `also` names the consequences that need no fix of their own.
    """

    code: str
    severity: Severity
    symptom: str
    cause: str
    confidence: float = Field(ge=0, le=1)
    evidence: dict[str, Any]
    cost: str = ""
    also: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()

    @field_validator("evidence")
    @classmethod
    def _valid_json(cls, evidence: dict[str, Any]) -> dict[str, Any]:
        """JSON has no NaN and no infinity, whatever a rule has reckoned."""
        return finite(evidence)

    @property
    def best_fix(self) -> Fix | None:
        """The first fix, or the first of those that twins speak most for; their order stays, for it names them."""
        return min(self.fixes, key=lambda fix: _FIRST[fix.proof.verdict] if fix.proof else 1, default=None)
