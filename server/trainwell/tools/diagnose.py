"""Explain what is wrong with a run, or with symptoms, a log or numbers that you tell.

Symptom, cause, evidence, and fixes as calls that are ready to send. Changes nothing.
"""

from __future__ import annotations

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.findings import Finding
from trainwell.contract.specs import Spec
from trainwell.contract.trace import Trace
from trainwell.diagnosis import WHAT_TO_TELL, diagnose, told
from trainwell.runs.story import trace_of
from trainwell.tools.services import Services

TITLE = "Diagnose"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)
MOST_IN_SUMMARY = 3


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    symptoms: str | None = None
    log: str | None = None
    metrics: dict[str, object] | None = None


class Result(Answer):
    """Findings, most important first; none means that the rules see nothing wrong."""

    run: str | None = None
    findings: list[Finding]


async def call(services: Services, arguments: Arguments) -> Result:
    """Ask the rules."""
    run, trace = _trace(services, arguments)
    findings = diagnose(trace)
    if not findings:
        said = _nothing_wrong(run, trace)
        return Result(summary=said, run=run, findings=[], next_call=next_call("evaluate", run=run) if run else None)
    lines = [f"{one.severity}: {one.symptom} Cause: {one.cause}" + (f" Fix: {one.fixes[0].reason}" if one.fixes else "")
             for one in findings[:MOST_IN_SUMMARY]]  # fmt: skip
    ready = next((fix.next_call for one in findings for fix in one.fixes if fix.next_call), None)
    return Result(summary="\n".join(lines), run=run, findings=findings, next_call=ready)


def _trace(services: Services, arguments: Arguments) -> tuple[str | None, Trace]:
    words = (arguments.symptoms, arguments.log, arguments.metrics)
    if (arguments.run is None) == all(word is None for word in words):
        raise TrainwellError(
            "exactly_one", "Give a run, or tell symptoms, a log or metrics.", argument="run",
            allowed=["run", "symptoms and/or log and/or metrics"], hint=WHAT_TO_TELL,
        )  # fmt: skip
    if arguments.run is None:
        return None, told(*words)
    run = services.find("run", arguments.run, "run")
    return run, trace_of(services.store, run)


def _nothing_wrong(run: str | None, trace: Trace) -> str:
    if run is None:
        return f"These words match no known fault. {WHAT_TO_TELL}"
    state = "" if trace.finished else " so far"
    return f"The rules see nothing wrong with {run}{state}: {len(trace.epochs)} epochs looked at."
