"""Explain what is wrong with a run, or with symptoms, a log or numbers that you tell.

Symptom, cause, evidence, and fixes as calls that are ready to send. apply starts the repaired run. Changes nothing
else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.findings import Finding
from trainwell.contract.specs import Spec
from trainwell.diagnosis import WHAT_TO_TELL, diagnose, told
from trainwell.runs.story import trace_of
from trainwell.tools.repairing import chosen, fixable, start_repaired
from trainwell.tools.services import Services

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

TITLE = "Diagnose"
HINTS = Hints(read_only=False, destructive=False, idempotent=False)
MOST_IN_SUMMARY = 3


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    symptoms: str | None = None
    log: str | None = None
    metrics: dict[str, object] | None = None
    apply: bool
    verify: bool
    fix: str | None = None
    budget_seconds: float
    wait_seconds: float
    idempotency_key: str | None = None


class Result(Answer):
    """Findings, most important first; none means that the rules see nothing wrong.

    `started` is the repaired run, `applied` the fix that it has.
    """

    run: str | None = None
    findings: list[Finding]
    started: str | None = None
    applied: str | None = None


async def call(services: Services, arguments: Arguments) -> Result:
    """Ask the rules, and carry out what they propose if that is asked for."""
    _check(arguments)
    if arguments.run is None:
        return _told(None, told(arguments.symptoms, arguments.log, arguments.metrics))
    run = services.find("run", arguments.run, "run")
    trace = trace_of(services.store, run)
    if not arguments.apply:
        return _told(run, trace)
    return await _applied(services, run, diagnose(trace), arguments)


def _check(arguments: Arguments) -> None:
    """Refuse arguments that do not go together.

    Raises:
        TrainwellError: `exactly_one`, `run_needed`, `fix_without_use`.
    """
    words = (arguments.symptoms, arguments.log, arguments.metrics)
    acts = arguments.apply or arguments.verify
    if acts and arguments.run is None:
        raise TrainwellError(
            "run_needed", "Only a run of this workspace can be repaired.", argument="run",
            hint="Without a run, send the next_call of a fix yourself.", next_call=next_call("list_runs"),
        )  # fmt: skip
    if (arguments.run is None) == all(word is None for word in words):
        raise TrainwellError(
            "exactly_one", "Give a run, or tell symptoms, a log or metrics.", argument="run",
            allowed=["run", "symptoms and/or log and/or metrics"], hint=WHAT_TO_TELL,
        )  # fmt: skip
    if arguments.fix is not None and not acts:
        raise TrainwellError(
            "fix_without_use", "A fix is named, but neither apply nor verify.", argument="fix", got=arguments.fix,
            next_call=next_call("diagnose", run=arguments.run, fix=arguments.fix, apply=True),
        )  # fmt: skip


def _told(run: str | None, trace: Trace) -> Result:
    findings = diagnose(trace)
    if not findings:
        said = _nothing_wrong(run, trace)
        return Result(summary=said, run=run, findings=[], next_call=next_call("evaluate", run=run) if run else None)
    lines = [f"{one.severity}: {one.symptom} Cause: {one.cause}" + (f" Fix: {one.fixes[0].reason}" if one.fixes else "")
             for one in findings[:MOST_IN_SUMMARY]]  # fmt: skip
    ready = next((fix.next_call for one in findings for fix in one.fixes if fix.next_call), None)
    return Result(summary="\n".join(lines), run=run, findings=findings, next_call=ready)


async def _applied(services: Services, run: str, findings: list[Finding], arguments: Arguments) -> Result:
    found = fixable(services, run, findings)
    taken = chosen(found, arguments.fix) or found[0]
    started = await start_repaired(services, run, taken.fix, arguments.idempotency_key)
    return Result(
        summary=f"{started} is {run} with {taken.fix.changes}: {taken.fix.reason}\n"
        f"Expected: {taken.fix.expected}",
        run=run, findings=findings, started=started, applied=taken.name,
        next_call=next_call("get_run", run=started, wait_seconds=20),
    )  # fmt: skip


def _nothing_wrong(run: str | None, trace: Trace) -> str:
    if run is None:
        return f"These words match no known fault. {WHAT_TO_TELL}"
    state = "" if trace.finished else " so far"
    return f"The rules see nothing wrong with {run}{state}: {len(trace.epochs)} epochs looked at."
