"""A run that repairs itself: which finding makes it, and what the next attempt changes. Pure judgement, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trainwell.contract.findings import Finding
    from trainwell.contract.specs import RetryPolicy

#: Confidence from which a critical finding ends or repairs a run that is asked to.
SURE = 0.8
#: Changes with which a training may go on from a checkpoint of one without them; others begin anew.
GOES_ON = frozenset({"lr", "grad_clip", "weight_decay", "label_smoothing"})


@dataclass(frozen=True)
class Repair:
    """What the next attempt is to change.

    Attributes:
        finding: What made it necessary.
        changes: The whole set of adjustments of the next attempt.
        goes_on: Whether it may go on from a checkpoint.
        told: The repair in words.
    """

    finding: Finding
    changes: dict[str, Any]
    goes_on: bool
    told: str


def alarm(findings: Iterable[Finding]) -> Finding | None:
    """The first finding that is critical and sure."""
    return next((one for one in findings if one.severity == "critical" and one.confidence >= SURE), None)


def next_repair(policy: RetryPolicy, attempt: int, finding: Finding, tried: Sequence[dict[str, Any]]) -> Repair | None:
    """The repair of a run that goes on, or None when the policy allows no more or every fix was tried.

    Args:
        policy: The manifest's retry_logic: repairs count as attempts.
        attempt: The number of the attempt at hand, from 1.
        finding: What is wrong.
        tried: The adjustments of all attempts so far, those of the one at hand last.
    """
    if policy.strategy == "none" or not policy.repairs or attempt >= policy.max_attempts:
        return None
    now = tried[-1] if tried else {}
    for fix in finding.fixes:
        changes = {**now, **fix.patch.get("train", {})}
        if set(fix.patch) == {"train"} and changes not in tried:
            told = f"Repair {attempt} of {policy.max_attempts - 1}: {fix.changes}."
            return Repair(finding, changes, goes_on=fix.patch["train"].keys() <= GOES_ON, told=told)
    return None
