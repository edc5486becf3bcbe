"""Explain what is wrong with a run, or with symptoms, a log or numbers that you tell.

Symptom, cause, evidence, and fixes as calls that are ready to send. apply starts the repaired run. verify first tries
the fixes on short twins of the run, in the background: ask again with the same call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.findings import Finding, Fix
from trainwell.contract.specs import Spec
from trainwell.diagnosis import WHAT_TO_TELL, Understood, diagnose, foreign, told, understood
from trainwell.reports.asking import picture_of
from trainwell.runs.story import findings_of, trace_of
from trainwell.runs.verification import progress, settle
from trainwell.tools import verifying
from trainwell.tools.repairing import chosen, comparable, fixable, start_repaired
from trainwell.tools.services import Services

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace
    from trainwell.contract.verification import Verification
    from trainwell.tools.repairing import Candidate

TITLE = "Diagnose"
HINTS = Hints(read_only=False, destructive=False, idempotent=False)
MOST_IN_SUMMARY, MOST_FINDINGS = 3, 5
POLL_SECONDS = 0.1


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    symptoms: str | None = None
    log: str | None = None
    metrics: dict[str, object] | None = None
    plot: bool
    apply: bool
    verify: bool
    fix: str | None = None
    budget_seconds: float
    wait_seconds: float
    idempotency_key: str | None = None
    detail: str


class Result(Answer):
    """Findings, most important first; none means that the rules see nothing wrong. `read` tells of a log.

    Brief: the first findings, with the call of the best fix of each; `left_out` counts the other findings.

    `started` is the repaired run, `applied` the fix that it has. `verification` tells how far the trial of the fixes
    is; when it is over, each fix that was tried has its `proof`.
    """

    run: str | None = None
    findings: list[Finding]
    left_out: int | None = None
    read: Understood | None = None
    started: str | None = None
    applied: str | None = None
    verification: dict[str, Any] | None = None


async def call(services: Services, arguments: Arguments) -> Result:
    """Ask the rules, and carry out what they propose if that is asked for."""
    _check(arguments)
    answer = await _answer(services, arguments)
    return answer if arguments.detail == "full" else _brief(answer)


def _brief(answer: Result) -> Result:
    """The first findings, whose fixes keep their numbers; only the best fix of each has its call."""
    findings = [
        one.model_copy(update={"fixes": tuple(_without_call(fix) if fix != one.best_fix else fix for fix in one.fixes)})
        for one in answer.findings[:MOST_FINDINGS]
    ]
    return answer.model_copy(update={"findings": findings, "left_out": len(answer.findings) - len(findings) or None})


def _without_call(fix: Fix) -> Fix:
    return fix.model_copy(update={"next_call": None})


async def _answer(services: Services, arguments: Arguments) -> Result:
    if arguments.run is None:
        trace, read = await _of_stranger(services, arguments)
        return await _drawn(services, arguments, trace, _told(None, diagnose(trace), _nothing_wrong(None, trace), read))
    run = services.find("run", arguments.run, "run")
    settle(services.store, run)
    findings = findings_of(services.store, run)
    if not (arguments.apply or arguments.verify):
        trace = trace_of(services.store, run)
        return await _drawn(services, arguments, trace, _told(run, findings, _nothing_wrong(run, trace)))
    found = fixable(services, run, findings)
    taken = chosen(found, arguments.fix)
    if arguments.verify:
        return await _verified(services, run, comparable(run, [taken] if taken else found), arguments)
    best = next((one.best_fix for one in findings if one.best_fix in [each.fix for each in found]), found[0].fix)
    taken = taken or next(one for one in found if one.fix == best)
    return await _applied(services, run, taken, arguments.idempotency_key)


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


async def _of_stranger(services: Services, arguments: Arguments) -> tuple[Trace, Understood | None]:
    """What was told, as a trace. A log may be long: other calls go on while it is read."""
    if arguments.log is None:
        return told(arguments.symptoms, None, arguments.metrics), None
    reading = await to_thread.run_sync(foreign.read, services.workspace, arguments.log)
    trace = await to_thread.run_sync(told, arguments.symptoms, reading, arguments.metrics)
    return trace, understood(trace, reading)


def _told(run: str | None, findings: list[Finding], otherwise: str, read: Understood | None = None) -> Result:
    lines = [_line(one) for one in findings[:MOST_IN_SUMMARY]] or [otherwise]
    ready = next((one.best_fix.next_call for one in findings if one.best_fix and one.best_fix.next_call), None)
    if not findings and run:
        ready = next_call("evaluate", run=run)
    if read is not None:
        lines = [read.told(), *lines, f"Not judged: {'; '.join(read.not_judged)}."]
    return Result(summary="\n".join(lines), run=run, findings=findings, read=read, next_call=ready)


async def _drawn(services: Services, arguments: Arguments, trace: Trace, answer: Result) -> Result:
    """The answer with its picture, if one is wanted and there is something to draw."""
    if not arguments.plot or not (len(trace.epochs) > 1 or trace.signals):
        return answer
    path = services.workspace.state / "reports" / f"diagnosis-{answer.run or 'log'}.png"
    title = answer.run or "A log that was told"
    await services.ask("plot_diagnosis", **picture_of(trace, answer.findings, path, title))
    return answer.model_copy(update={"picture": services.workspace.shown(path)})


def _line(finding: Finding) -> str:
    fix = f" Fix: {finding.best_fix.reason}" if finding.best_fix else ""
    return f"{finding.severity}: {finding.symptom} Cause: {finding.cause}{fix}"


async def _applied(services: Services, run: str, taken: Candidate, key: str | None) -> Result:
    started = await start_repaired(services, run, taken.fix, key)
    return Result(
        summary=f"{started} is {run} with {taken.fix.changes}: {taken.fix.reason}\nExpected: {taken.fix.expected}",
        run=run, findings=findings_of(services.store, run), started=started, applied=taken.name,
        next_call=next_call("get_run", run=started, wait_seconds=20),
    )  # fmt: skip


async def _verified(services: Services, run: str, found: list[Candidate], arguments: Arguments) -> Result:
    """Begin a verification, tell how far it is, or tell what it has shown and apply the best."""
    known = services.store.verifications.find(run)
    if known is None or not verifying.is_answered(known, found, arguments.budget_seconds):
        known = await verifying.begin(services, run, found, arguments.budget_seconds)
    known = await _waited(services, run, known, arguments.wait_seconds)
    now = progress(services.store, run, known)
    shown = {**now, "start": known.start, "seeds": list(known.seeds), "number": known.number}
    lines = verifying.told(known, now)
    best = verifying.best_proven(known, found) if known.over else None
    if best is not None and arguments.apply:
        key = arguments.idempotency_key or f"proven by {known.number}"  # however often it is asked, one run
        applied = await _applied(services, run, best, key)
        return applied.model_copy(update={"summary": "\n".join([*lines, applied.summary]), "verification": shown})
    if known.over and best is None:
        lines.append("No fix is proven: nothing was started." if arguments.apply else "No fix is proven.")
    return Result(
        summary="\n".join(lines), run=run, findings=findings_of(services.store, run), verification=shown,
        next_call=_following(run, known, best, arguments),
    )  # fmt: skip


async def _waited(services: Services, run: str, known: Verification, seconds: float) -> Verification:
    """The verification after it is over, or after so many seconds."""
    with anyio.move_on_after(seconds):
        while not known.over:
            await anyio.sleep(POLL_SECONDS)
            services.start_waiting()
            known = settle(services.store, run) or known
            if services.progress and not known.over:
                now = progress(services.store, run, known)
                await services.progress(now["done"], now["twins"], "twins")
    return known


def _following(run: str, known: Verification, best: Candidate | None, arguments: Arguments) -> dict[str, Any]:
    """Ask again while it goes on; apply what is proven; else try with more time."""
    same: dict[str, Any] = {"run": run, "verify": True, "budget_seconds": arguments.budget_seconds}
    same |= {"fix": arguments.fix} if arguments.fix else {}
    if not known.over:
        return next_call("diagnose", **same, apply=arguments.apply, wait_seconds=20)
    if best is not None:
        return next_call("diagnose", **same, apply=True)
    return next_call("get_run", run=run, detail="full")


def _nothing_wrong(run: str | None, trace: Trace) -> str:
    if run is None and not trace.epochs:
        return f"These words match no known fault. {WHAT_TO_TELL}"
    state = "" if trace.finished else " so far"
    return f"The rules see nothing wrong{f' with {run}' if run else ''}{state}: {len(trace.epochs)} epochs looked at."
