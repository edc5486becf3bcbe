"""What a program died of, read from its traceback: tables of known crashes, one file a group, found by being there.

A crash is a pattern over the text of an error, and what it means. Of several that match, the one that stands last is
the one that ended the program; a wrapper ("Caught ... in DataLoader worker") gives way to what it wraps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from trainwell.contract.findings import Finding, Fix
from trainwell.contract.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from re import Match

    from trainwell.contract.trace import Trace

#: What a rule would say of the same crash: the crash says more.
EXPLAINS = {"target_out_of_range": frozenset({"wrong_output_size"})}
LONGEST_GROUP, LONGEST_LINE = 80, 160
_FRAME = re.compile(r'File "([^"\n]{1,300})", line (\d+)(?:, in (\S{1,80}))?\n?([^\n]{0,200})')
_SLASH = r"[\\/]"
_LIBRARY = re.compile(r"site-packages|dist-packages|[\\/]lib[\\/]python|<frozen|<string>")


@dataclass(frozen=True)
class Crash:
    """A known crash.

    Attributes:
        code: As for a rule.
        pattern: Over the whole text; what its named groups caught fills the braces of the sentences.
        symptom: What happened, a sentence.
        cause: Why, as a rule.
        fixes: What to change in the program, and what to expect of it, most likely first.
        words: More words for the braces, out of the match; None where the crash is another one after all.
        confidence: That the cause is the one named.
        wrapper: Whether it only reports a crash within.
    """

    code: str
    pattern: re.Pattern[str]
    symptom: str
    cause: str
    fixes: tuple[tuple[str, str], ...]
    words: Callable[[Match[str]], dict[str, str] | None] | None = None
    confidence: float = 0.95
    wrapper: bool = False


def findings(trace: Trace) -> list[Finding]:
    """The crash that a run died of, as a finding; at most one."""
    text = trace.traceback or trace.error or ""
    matches = [(crash, match) for crash in known() for match in _last(crash, text)]
    ranked = sorted(matches, key=lambda one: (not one[0].wrapper, one[1].start()), reverse=True)
    made = (_finding(crash, match, text) for crash, match in ranked)
    first = next((finding for finding in made if finding is not None), None)
    return [] if first is None else [first]


@cache
def known() -> tuple[Crash, ...]:
    """Every crash of every file."""
    package = import_module("trainwell.diagnosis.crashes")
    names = sorted(module.name for module in iter_modules(package.__path__))
    tables: list[tuple[Crash, ...]] = [vars(import_module(f"{package.__name__}.{name}"))["CRASHES"] for name in names]
    return tuple(crash for table in tables for crash in table)


def _last(crash: Crash, text: str) -> list[Match[str]]:
    return list(crash.pattern.finditer(text))[-1:]


def _finding(crash: Crash, match: Match[str], text: str) -> Finding | None:
    words = {name: plain(value or "", LONGEST_GROUP) for name, value in match.groupdict().items()}
    more = crash.words(match) if crash.words is not None else {}
    if more is None:
        return None
    words |= more
    return Finding(
        code=crash.code,
        severity="critical",
        symptom=crash.symptom.format_map(words).replace(" ()", ""),
        cause=crash.cause.format_map(words),
        confidence=crash.confidence,
        evidence={"error": _line(text, match)} | _place(text[: match.start()]),
        fixes=tuple(
            Fix(reason=reason.format_map(words), patch={}, expected=expected.format_map(words))
            for reason, expected in crash.fixes
        ),
    )


def _line(text: str, match: Match[str]) -> str:
    """The line of the error, cut."""
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.start())
    line = text[start : end if end >= 0 else len(text)].strip()
    return plain(line[max(match.start() - start - LONGEST_LINE // 2, 0) :], LONGEST_LINE)


def _place(before: str) -> dict[str, Any]:
    """Where in the person's own code it happened: the last frame that is not a library's."""
    frames = list(_FRAME.finditer(before))
    own = [frame for frame in frames if not _LIBRARY.search(frame[1])] or frames
    if not own:
        return {}
    path, line, function, code = own[-1].groups()
    where = f"{plain(re.split(_SLASH, path)[-1])}:{line}" + (f" in {plain(function)}" if function else "")
    return {"where": where} | ({"code": plain(code.strip(), LONGEST_LINE)} if code.strip() else {})
