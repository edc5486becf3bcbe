"""From a trace to findings, the most important first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.findings import SEVERITIES, Finding
from trainwell.diagnosis import crashes
from trainwell.diagnosis.rule import rules

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace


def diagnose(trace: Trace) -> list[Finding]:
    """Judge a trace by every rule and by the crashes that are known.

    Args:
        trace: The recorded numbers of a run, or what `told` made of an agent's words.

    Returns:
        Findings by severity, then by confidence; empty when nothing is wrong or nothing can be told.
    """
    verdicts = [*(rule.check(trace) for rule in rules().values()), *crashes.findings(trace)]
    return sorted((finding for finding in verdicts if finding is not None), key=_importance)


def _importance(finding: Finding) -> tuple[int, float, str]:
    return SEVERITIES.index(finding.severity), -finding.confidence, finding.code
