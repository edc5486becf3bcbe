"""A finding: what is wrong with a run, why we think so, and what to call about it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from trainwell.contract.specs import Spec

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


class Fix(Spec):
    """One repair: why it helps, what changes, what to expect, and the call that does it.

    `patch` names the tool whose arguments change: `{"train": {"lr": 0.0002}}`.
    """

    reason: str
    patch: dict[str, dict[str, Any]]
    expected: str
    next_call: dict[str, Any] | None = None

    @property
    def changes(self) -> str:
        """The patch in words: `lr 0.0002`."""
        parts: list[dict[str, Any]] = [part.get("options", part) for part in self.patch.values()]
        return ", ".join(f"{name} {value}" for part in parts for name, value in part.items())


class Finding(Spec):
    """`code` is the name of the rule's file."""

    code: str
    severity: Severity
    symptom: str
    cause: str
    confidence: float = Field(ge=0, le=1)
    evidence: dict[str, Any]
    fixes: tuple[Fix, ...] = ()
