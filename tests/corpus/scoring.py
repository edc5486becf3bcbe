"""What the figures of the bench mean, and the bench in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.corpus.cases import GROUPS, PARTS, Case

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.corpus.running import Outcome
    from trainwell.contract.findings import Finding

# A mended run is as good as its twin within this much of a score, or this share of a loss.
POINTS, SHARE_OF_LOSS = 0.02, 0.1
BINS = (0.0, 0.5, 0.7, 0.85, 0.95, 1.0)
HEAD = (
    "",
    "faults",
    "first",
    "in three",
    "precision",
    "mended",
    "in three tries",
    "no fix said",
    "healthy",
    "false alarms",
)


@dataclass
class Tally:
    """Counts over some cases.

    Attributes:
        alarmed: Runs with a finding that is more than information, healthy ones included.
        right: Those whose first finding names the cause.
        mendable: Faults that arguments can mend and that made the run worse than its twin; the first fix brought
            `mended` of them back, one of the first few `proven` of them.
        unmendable: Faults that a person must mend; `said` of them were told so.
        confidences: Confidence of each first finding, and whether it was right.
    """

    faults: int = 0
    first: int = 0
    three: int = 0
    alarmed: int = 0
    right: int = 0
    mendable: int = 0
    mended: int = 0
    proven: int = 0
    unmendable: int = 0
    said: int = 0
    healthy: int = 0
    false_alarms: int = 0
    confidences: list[tuple[float, bool]] = field(default_factory=list)

    def add(self, case: Case, outcomes: Mapping[str, Outcome], repaired: Mapping[str, Sequence[Outcome]]) -> None:
        """Count one case."""
        told = loud(outcomes[case.name].findings)
        if not case.causes:
            self.healthy += 1
            self.false_alarms += bool(told)
            self.alarmed += bool(told)
            self.confidences += [(told[0].confidence, False)] if told else []
            return
        self.faults += 1
        right = bool(told) and told[0].code in case.causes
        self.first += right
        self.three += any(one.code in case.causes for one in told[:3])
        self.alarmed += bool(told)
        self.right += right
        self.confidences += [(told[0].confidence, right)] if told else []
        self._count_repair(case, outcomes, repaired, right=right, fixes=bool(told) and has_fix(told[0]))

    def _count_repair(
        self,
        case: Case,
        outcomes: Mapping[str, Outcome],
        repaired: Mapping[str, Sequence[Outcome]],
        *,
        right: bool,
        fixes: bool,
    ) -> None:
        if not case.mends:
            self.unmendable += 1
            self.said += right and not fixes
            return
        twin = outcomes[case.twin or ""]
        if bites(case, outcomes[case.name], twin):
            self.mendable += 1
            good = [is_as_good(case, after, twin) for after in repaired.get(case.name, ())]
            self.mended += fixes and good[:1] == [True]
            self.proven += any(good)

    def row(self, name: str) -> tuple[str, ...]:
        """The counts as cells."""
        return (
            name, str(self.faults), share(self.first, self.faults), share(self.three, self.faults),
            share(self.right, self.alarmed), share(self.mended, self.mendable), share(self.proven, self.mendable),
            share(self.said, self.unmendable), str(self.healthy), str(self.false_alarms),
        )  # fmt: skip


def loud(findings: Sequence[Finding]) -> list[Finding]:
    """Findings that are more than information."""
    return [finding for finding in findings if finding.severity != "info"]


def has_fix(finding: Finding) -> bool:
    """Whether arguments would mend it, as the finding says; advice to a person has an empty patch."""
    return any(fix.patch for fix in finding.fixes)


def bites(case: Case, outcome: Outcome, twin: Outcome) -> bool:
    """Whether a fault made its run worse than its twin, by more than a mended run may differ."""
    return not is_as_good(case, outcome, twin)


def harmless(case: Case, outcomes: Mapping[str, Outcome]) -> bool:
    """Whether a fault that says nothing of the doctor unless it does harm did none."""
    known = {case.name, case.twin} <= outcomes.keys()
    return case.must_bite and known and not bites(case, outcomes[case.name], outcomes[case.twin or ""])


def is_as_good(case: Case, outcome: Outcome, twin: Outcome) -> bool:
    """Whether a run comes out as well as the twin of its case."""
    if case.job.metric == "loss":
        return outcome.loss is not None and outcome.loss <= (1 + SHARE_OF_LOSS) * (twin.loss or 0.0)
    return outcome.score is not None and outcome.score >= (twin.score or 0.0) - POINTS


def is_better(case: Case, outcome: Outcome, before: Outcome) -> bool:
    """Whether a run came out better than another of its case."""
    if case.job.metric == "loss":
        return outcome.loss is not None and (before.loss is None or outcome.loss < before.loss)
    return outcome.score is not None and (before.score is None or outcome.score > before.score)


def report(
    cases: Sequence[Case],
    outcomes: Mapping[str, Outcome],
    repaired: Mapping[str, Sequence[Outcome]],
    *,
    verbose: bool = True,
) -> str:
    """Tables of all figures, by half and group, and what went wrong."""
    known = [case for case in cases if case.name in outcomes and (case.twin is None or case.twin in outcomes)]
    parts = [_table(half, [case for case in known if case.half == half], outcomes, repaired) for half in PARTS]
    lines = [part for part in parts if part]
    if verbose:
        lines.append(_misses(known, outcomes, repaired))
    return "\n\n".join(lines)


def _table(
    half: str, cases: Sequence[Case], outcomes: Mapping[str, Outcome], repaired: Mapping[str, Sequence[Outcome]]
) -> str:
    if not cases:
        return ""
    tallies = {name: Tally() for name in (*GROUPS, "healthy", "all")}
    for case in cases:
        for name in (case.group, "all"):
            tallies[name].add(case, outcomes, repaired)
    rows = [HEAD, *(tally.row(name) for name, tally in tallies.items() if tally.faults or tally.healthy)]
    return f"{half}\n{aligned(rows)}\n{_calibration(tallies['all'].confidences)}"


def _calibration(confidences: Sequence[tuple[float, bool]]) -> str:
    """What was said of being right, and how often it was."""
    lines = ["confidence said -> right:"]
    for low, high in pairwise(BINS):
        inside = [(said, right) for said, right in confidences if low <= said < high or said == high == BINS[-1]]
        if inside:
            said = sum(said for said, _ in inside) / len(inside)
            lines.append(f"  {said:.2f} -> {sum(right for _, right in inside) / len(inside):.2f} ({len(inside)} runs)")
    return "\n".join(lines)


def _misses(cases: Iterable[Case], outcomes: Mapping[str, Outcome], repaired: Mapping[str, Sequence[Outcome]]) -> str:
    lines = ["what went wrong:"]
    for case in cases:
        outcome = outcomes[case.name]
        told = loud(outcome.findings)
        named = ", ".join(f"{one.code} {one.confidence:.2f}" for one in told[:3]) or "nothing"
        wrong = bool(told) if not case.causes else not (told and told[0].code in case.causes)
        if wrong:
            lines.append(
                f"  {case.half:8} {case.name} [{' '.join(case.causes) or 'healthy'}]: {named}; {_came_out(outcome)}"
            )
        elif case.causes and case.mends:
            twin = outcomes[case.twin or ""]
            after = next(iter(repaired.get(case.name, ())), None)
            if not bites(case, outcome, twin):
                lines.append(
                    f"  {case.half:8} {case.name}: does not bite, {_came_out(outcome)}; twin {_came_out(twin)}"
                )
            elif after is None or not is_as_good(case, after, twin):
                patch = told[0].fixes[0].patch if told[0].fixes else "no fix"
                lines.append(
                    f"  {case.half:8} {case.name}: {patch} gives {_came_out(after)} after {_came_out(outcome)}; "
                    f"twin {_came_out(twin)}"
                )  # fmt: skip
        elif case.causes and told and has_fix(told[0]):
            lines.append(f"  {case.half:8} {case.name}: has a fix, {told[0].fixes[0].patch}")
    return "\n".join(lines)


def report_of_harmless(cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> str:
    """Faults that did no harm, and what was said of them; they are counted nowhere."""
    lines = [f"harmless, counted neither as named nor as missed: {len(cases)}"] if cases else []
    for case in cases:
        named = ", ".join(f"{one.code} {one.confidence:.2f}" for one in loud(outcomes[case.name].findings)[:3])
        after, twin = outcomes[case.name], outcomes[case.twin or ""]
        lines.append(f"  {case.name}: {named or 'nothing'}; {_came_out(after)}; twin {_came_out(twin)}")
    return "\n".join(lines)


def _came_out(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not run"
    return " / ".join("none" if value is None else f"{value:.3f}" for value in (outcome.score, outcome.loss))


def share(part: int, whole: int) -> str:
    """A part as counts and per cent."""
    return f"{part}/{whole} = {part / whole:.0%}" if whole else "-"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Cells as a table in text."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
