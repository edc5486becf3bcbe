"""From a trace to findings: causes first, what follows from them attached, the most important at the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import SEVERITIES, Finding
from trainwell.diagnosis import crashes
from trainwell.diagnosis.confidence import meant
from trainwell.diagnosis.rule import explained_by, rules

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

# A cause must be at least this likely to take its consequences along.
SURE_ENOUGH = 0.5


def diagnose(trace: Trace) -> list[Finding]:
    """Judge a trace by every rule and by the crashes that are known.

    Args:
        trace: The recorded numbers of a run, or what `told` made of an agent's words.

    Returns:
        Findings by severity, then by confidence; empty when nothing is wrong or nothing can be told. A finding that
        another one explains is not told by itself: the cause names it in `also` and takes its severity over. What a
        confidence means, `diagnosis.confidence` says.
    """
    verdicts = [*(rule.check(trace) for rule in rules().values()), *crashes.findings(trace)]
    found = sorted((finding for finding in verdicts if finding is not None), key=_importance)
    ranked = sorted(_causes(found), key=_importance)
    return [one.model_copy(update={"confidence": meant(one.confidence, trace)}) for one in ranked]


def _causes(found: list[Finding]) -> list[Finding]:
    """The findings that no other one explains, each with what it explains."""
    cause_of: dict[str, str] = {}
    for place, finding in enumerate(found):
        for other_place, other in enumerate(found):
            # Of two that explain each other, the more important one is the cause.
            first = other_place < place or not _explains(finding, other)
            if _explains(other, finding) and first and _root(other.code, cause_of) != finding.code:
                cause_of[finding.code] = other.code
                break
    groups: dict[str, list[Finding]] = {}
    for finding in found:
        groups.setdefault(_root(finding.code, cause_of), []).append(finding)
    causes = {finding.code: finding for finding in found}
    return [_with(causes[code], [one for one in group if one.code != code]) for code, group in groups.items()]


def _explains(cause: Finding, finding: Finding) -> bool:
    loud = cause.severity != "info" or finding.severity == "info"
    return loud and cause.confidence >= SURE_ENOUGH and finding.code in _follows(cause.code) - {cause.code}


def _follows(code: str) -> frozenset[str]:
    return explained_by(code) | crashes.explained_by(code)


def _root(code: str, cause_of: dict[str, str]) -> str:
    while code in cause_of:
        code = cause_of[code]
    return code


def _with(cause: Finding, consequences: list[Finding]) -> Finding:
    if not consequences:
        return cause
    severity = min((one.severity for one in (cause, *consequences)), key=SEVERITIES.index)
    return cause.model_copy(update={"severity": severity, "also": tuple(one.code for one in consequences)})


def _importance(finding: Finding) -> tuple[int, float, str]:
    return SEVERITIES.index(finding.severity), -finding.confidence, finding.code
