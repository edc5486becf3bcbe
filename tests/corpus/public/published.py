"""Our figures on the public corpora, beside those that their authors published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.corpus.cases import PUBLIC
from tests.corpus.scoring import aligned, loud, share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.corpus.cases import Case
    from tests.corpus.running import Outcome

# How the names of the cases begin, and where they are from.
SOURCES = {"SO": "DeepLocalize's posts", "AT": "AUTOTRAINER's models", "DC": "TheDeepChecker's programs",
           "TC": "TrainCheck's programs"}  # fmt: skip
HEAD = ("", "faults", "told", "first", "in three", "corrected", "false alarms")


@dataclass(frozen=True)
class Figure:
    """Of so many programs a tool did right by so many, as somebody counted."""

    tool: str
    right: int
    programs: int
    counts: str
    told_by: str


PUBLISHED = (
    Figure("DeepLocalize", 34, 40, "faulty programs in which it says that something is wrong", "its authors"),
    Figure("DeepLocalize", 7, 52, "faulty programs with at least one cause named", "DeepFD's authors"),
    Figure("DeepDiagnosis", 46, 53, "faulty programs in which it says that something is wrong", "its authors"),
    Figure("DeepDiagnosis", 38, 53, "faulty programs whose symptom it names", "its authors"),
    Figure("DeepFD", 47, 52, "faulty programs in which it says that something is wrong", "its authors"),
    Figure("DeepFD", 27, 52, "faulty programs with at least one cause named", "its authors"),
    Figure("UMLAUT", 14, 52, "faulty programs with at least one cause named", "DeepFD's authors"),
    Figure("AUTOTRAINER", 10, 52, "faulty programs with at least one cause named", "DeepFD's authors"),
    Figure("TrainCheck", 18, 20, "silent errors in which it says that something is wrong", "its authors"),
)


def beside(cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> str:
    """A table of the public cases by their source, and under it what was published; empty without such cases."""
    ours = [case for case in cases if case.half == PUBLIC and case.name in outcomes]
    if not ours:
        return ""
    rows = [HEAD]
    for prefix, source in SOURCES.items():
        rows.append(_row(source, [case for case in ours if case.name.startswith(f"{prefix} ")], outcomes))
    rows.append(_row("all", ours, outcomes))
    lines = [
        f"  {one.tool}: {share(one.right, one.programs)} {one.counts} (told by {one.told_by})" for one in PUBLISHED
    ]
    return "\n".join([
        "public corpora, rebuilt", aligned(rows),
        "published, on the authors' own programs, of which those above are the part that could be rebuilt:", *lines,
    ])  # fmt: skip


def _row(name: str, cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    told = {case.name: [finding.code for finding in loud(outcomes[case.name].findings)] for case in cases}
    ill = [case for case in cases if case.causes]
    first = sum(told[case.name][:1] != [] and told[case.name][0] in case.causes for case in ill)
    three = sum(any(code in case.causes for code in told[case.name][:3]) for case in ill)
    well = [case for case in cases if not case.causes]
    return (
        name, str(len(ill)), share(sum(bool(told[case.name]) for case in ill), len(ill)), share(first, len(ill)),
        share(three, len(ill)), str(len(well)), str(sum(bool(told[case.name]) for case in well)),
    )  # fmt: skip
