"""From a trace to findings, the most important first, and one root cause as one finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import SEVERITIES, Finding
from trainwell.diagnosis import crashes
from trainwell.diagnosis.rule import explains, rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainwell.contract.trace import Trace

# A root must be at least this sure before what follows from it is left to it.
SURE_ENOUGH = 0.6


def diagnose(trace: Trace) -> list[Finding]:
    """Judge a trace by every rule and by the crashes that are known.

    Args:
        trace: The recorded numbers of a run, or what `told` made of an agent's words.

    Returns:
        Findings by severity, then by confidence; empty when nothing is wrong or nothing can be told. What follows from
        another finding is named in that finding's `also`.
    """
    verdicts = [*(rule.check(trace) for rule in rules().values()), *crashes.findings(trace)]
    return sorted(_roots([finding for finding in verdicts if finding is not None]), key=_importance)


def _roots(findings: list[Finding]) -> Iterable[Finding]:
    """Findings that follow from no other, each as severe as the worst that follows from it."""
    sure = [finding for finding in findings if finding.severity != "info" and finding.confidence >= SURE_ENOUGH]
    followers = {one.code for root in sure for one in findings if _follows(one, root)}
    for root in findings:
        if root.code in followers:
            continue
        own = [one for one in findings if root in sure and _follows(one, root)]
        worst = min((SEVERITIES.index(one.severity) for one in (root, *own)), default=0)
        also = (*root.also, *(one.code for one in own if one.code not in root.also))
        yield root.model_copy(update={"severity": SEVERITIES[worst], "also": also}) if own else root


def _follows(finding: Finding, root: Finding) -> bool:
    """Whether a finding follows from a root; of two that explain each other, none does."""
    return finding.code in explains(root.code) and root.code not in explains(finding.code)


def _importance(finding: Finding) -> tuple[int, float, str]:
    return SEVERITIES.index(finding.severity), -finding.confidence, finding.code
