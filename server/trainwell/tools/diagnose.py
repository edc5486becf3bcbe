"""Explain what is wrong with a run, or with symptoms, a log or numbers that you tell.

Symptom, cause, evidence, and fixes as calls that are ready to send. Changes nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anyio import to_thread

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.findings import Finding
from trainwell.contract.specs import Spec
from trainwell.diagnosis import WHAT_TO_TELL, diagnose, foreign, told, unjudged
from trainwell.runs.story import trace_of
from trainwell.tools.services import Services

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace
    from trainwell.diagnosis.foreign import Reading

TITLE = "Diagnose"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)
MOST_IN_SUMMARY = 3
# What is taken for the name of a file where no such file is there: one word that ends like a log.
_LIKE_A_PATH = re.compile(r"^\S+\.(?:csv|tsv|jsonl?|ndjson|log|txt|out|err)$|^\S*tfevents\S*$|^[\w.~-]*[/\\]\S+$")
LONGEST_PATH = 300


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    symptoms: str | None = None
    log: str | None = None
    metrics: dict[str, object] | None = None


class Read(Spec):
    """How a log was understood.

    `columns` maps our names to the columns that gave them; `not_judged` says what the log is too poor for.
    """

    format: str
    epochs: int
    columns: dict[str, str]
    ignored: list[str]
    notes: list[str]
    not_judged: list[str]


class Result(Answer):
    """Findings, most important first; none means that the rules see nothing wrong. `read` tells of a log."""

    run: str | None = None
    findings: list[Finding]
    read: Read | None = None


async def call(services: Services, arguments: Arguments) -> Result:
    """Ask the rules."""
    _exactly_one(arguments)
    if arguments.run is not None:
        run = services.find("run", arguments.run, "run")
        trace = trace_of(services.store, run)
        return _answer(run, trace, None)
    # A log may be long, and rules over words are slow: other calls go on meanwhile.
    return await to_thread.run_sync(_of_stranger, services, arguments)


def _exactly_one(arguments: Arguments) -> None:
    words = (arguments.symptoms, arguments.log, arguments.metrics)
    if (arguments.run is None) == all(word is None for word in words):
        raise TrainwellError(
            "exactly_one", "Give a run, or tell symptoms, a log or metrics.", argument="run",
            allowed=["run", "symptoms and/or log and/or metrics"], hint=WHAT_TO_TELL,
        )  # fmt: skip


def _of_stranger(services: Services, arguments: Arguments) -> Result:
    reading = None if arguments.log is None else _reading(services, arguments.log)
    trace = told(arguments.symptoms, reading, arguments.metrics)
    return _answer(None, trace, reading)


def _reading(services: Services, log: str) -> Reading:
    """A file of the workspace, where the text names one; else the text itself."""
    name = log.strip()
    if "\n" in name or len(name) > LONGEST_PATH:
        return foreign.read_text(log)
    if _LIKE_A_PATH.match(name):
        return foreign.read_path(services.workspace.resolve_read(name, "log", folder=True))
    try:
        path = services.workspace.resolve_read(name, "log", folder=True)
    except TrainwellError:
        return foreign.read_text(log)
    return foreign.read_path(path)


def _answer(run: str | None, trace: Trace, reading: Reading | None) -> Result:
    findings = diagnose(trace)
    lines = [f"{one.severity}: {one.symptom} Cause: {one.cause}" + (f" Fix: {one.fixes[0].reason}" if one.fixes else "")
             for one in findings[:MOST_IN_SUMMARY]]  # fmt: skip
    ready = next((fix.next_call for one in findings for fix in one.fixes if fix.next_call), None)
    if not findings and run:
        ready = next_call("evaluate", run=run)
    read = None if reading is None else _read(trace, reading)
    if not findings:
        lines = [_nothing_wrong(run, trace)]
    if read is not None:
        lines = [_told_of(read), *lines, f"Not judged: {'; '.join(read.not_judged)}."]
    return Result(summary="\n".join(lines), run=run, findings=findings, read=read, next_call=ready)


def _read(trace: Trace, reading: Reading) -> Read:
    columns = {field: column for field, column in reading.columns.items() if field not in ("epoch", "step")}
    return Read(
        format=reading.format, epochs=len(trace.epochs), columns=columns, ignored=reading.ignored, notes=reading.notes,
        not_judged=unjudged(trace),
    )  # fmt: skip


def _told_of(read: Read) -> str:
    """One line: what was read."""
    if not read.epochs:
        return f"Read as a {read.format}: no numbers by epoch in it."
    notes = " ".join(["", *read.notes])
    return f"Read {read.epochs} epochs of {', '.join(read.columns)} from a {read.format}.{notes}"


def _nothing_wrong(run: str | None, trace: Trace) -> str:
    if run is None and not trace.epochs:
        return f"These words match no known fault. {WHAT_TO_TELL}"
    state = "" if trace.finished else " so far"
    return f"The rules see nothing wrong{f' with {run}' if run else ''}{state}: {len(trace.epochs)} epochs looked at."
