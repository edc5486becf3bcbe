"""Explain what is wrong with a run, or with symptoms, a log or numbers that you tell.

Symptom, cause, evidence, and fixes as calls that are ready to send. Changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.findings import Finding
from trainwell.contract.specs import Spec
from trainwell.diagnosis import WHAT_TO_TELL, Understood, diagnose, foreign, told, understood
from trainwell.reports.asking import picture_of
from trainwell.runs.story import trace_of
from trainwell.tools.services import Services

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

TITLE = "Diagnose"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)
MOST_IN_SUMMARY = 3


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    symptoms: str | None = None
    log: str | None = None
    metrics: dict[str, object] | None = None
    plot: bool


class Result(Answer):
    """Findings, most important first; none means that the rules see nothing wrong. `read` tells of a log."""

    run: str | None = None
    findings: list[Finding]
    read: Understood | None = None


async def call(services: Services, arguments: Arguments) -> Result:
    """Ask the rules."""
    run, trace, read = await _trace(services, arguments)
    answer = _answer(run, trace, read)
    if not arguments.plot or not (trace.epochs or trace.signals):
        return answer
    path = services.workspace.state / "reports" / f"diagnosis-{run or 'log'}.png"
    await services.ask("plot_diagnosis", **picture_of(trace, answer.findings, path, run or "A log that was told"))
    return answer.model_copy(update={"picture": services.workspace.shown(path)})


async def _trace(services: Services, arguments: Arguments) -> tuple[str | None, Trace, Understood | None]:
    words = (arguments.symptoms, arguments.log, arguments.metrics)
    if (arguments.run is None) == all(word is None for word in words):
        raise TrainwellError(
            "exactly_one", "Give a run, or tell symptoms, a log or metrics.", argument="run",
            allowed=["run", "symptoms and/or log and/or metrics"], hint=WHAT_TO_TELL,
        )  # fmt: skip
    if arguments.run is not None:
        run = services.find("run", arguments.run, "run")
        return run, trace_of(services.store, run), None
    if arguments.log is None:
        return None, told(arguments.symptoms, None, arguments.metrics), None
    # A log may be long: other calls go on while it is read.
    reading = await to_thread.run_sync(foreign.read, services.workspace, arguments.log)
    trace = await to_thread.run_sync(told, arguments.symptoms, reading, arguments.metrics)
    return None, trace, understood(trace, reading)


def _answer(run: str | None, trace: Trace, read: Understood | None) -> Result:
    findings = diagnose(trace)
    lines = [f"{one.severity}: {one.symptom} Cause: {one.cause}" + (f" Fix: {one.fixes[0].reason}" if one.fixes else "")
             for one in findings[:MOST_IN_SUMMARY]]  # fmt: skip
    ready = next((fix.next_call for one in findings for fix in one.fixes if fix.next_call), None)
    if not findings:
        lines = [_nothing_wrong(run, trace)]
        ready = next_call("evaluate", run=run) if run else None
    if read is not None:
        lines = [read.told(), *lines, f"Not judged: {'; '.join(read.not_judged)}."]
    return Result(summary="\n".join(lines), run=run, findings=findings, read=read, next_call=ready)


def _nothing_wrong(run: str | None, trace: Trace) -> str:
    if run is None and not trace.epochs:
        return f"These words match no known fault. {WHAT_TO_TELL}"
    state = "" if trace.finished else " so far"
    return f"The rules see nothing wrong{f' with {run}' if run else ''}{state}: {len(trace.epochs)} epochs looked at."
