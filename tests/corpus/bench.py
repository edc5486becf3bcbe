"""Runs cases, several at once, with what they came out as kept on the disk, so that rules can be judged anew."""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from tests.corpus.cases import GROUPS, WRITTEN, Case
from tests.corpus.catalogue import case_of, catalogue
from tests.corpus.drawn import drawn, is_sane
from tests.corpus.public.published import beside
from tests.corpus.running import Outcome, as_json, mended, read, run
from tests.corpus.scoring import bites, harmless, is_better, loud, report, report_of_harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.corpus.cases import Job, Loop, Program
    from trainwell.contract.findings import Fix


def main(arguments: Sequence[str]) -> int:
    """Returns: 0, or 1 when a case could not be run."""
    asked = _asked(arguments)
    with tempfile.TemporaryDirectory(prefix="tw-rt-") as folder:
        os.environ["TRAINWELL_RUNTIME_DIR"] = folder
        cases = _written(asked) if asked.draw is None else _drawn(asked)
        outcomes, broken = _outcomes(cases, asked)
        silent = [case for case in cases if harmless(case, outcomes)]
        cases = [case for case in cases if case not in silent]
        repaired = _repaired(cases, outcomes, asked)
    print(report(cases, outcomes, repaired))  # noqa: T201
    print(report_of_harmless(silent, outcomes))  # noqa: T201
    print(beside(cases, outcomes))  # noqa: T201
    for name, error in broken.items():
        print(f"broken: {name}: {error}")  # noqa: T201
    return int(bool(broken))


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--draw", type=int, metavar="SEED", help="faults drawn by this seed, instead of those written")
    parser.add_argument("--count", type=int, default=80, help="so many drawn faults, each with its twin")
    parser.add_argument("--half", choices=WRITTEN, help="only this half of the faults and of the healthy runs")
    parser.add_argument("--only", default="*", help="only cases whose names match, e.g. 'digits*'")
    parser.add_argument("--group", choices=(*GROUPS, "healthy"), help="only cases of this group")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="cases at once")
    parser.add_argument("--keep", type=Path, help="folder of outcomes: what lies there is judged anew, not run again")
    parser.add_argument("--tries", type=int, default=3, help="attempts to mend a fault by what the findings say")
    parser.add_argument("--no-repairs", dest="tries", action="store_const", const=0, help="try no fixes")
    return parser.parse_args(arguments)


def _written(asked: argparse.Namespace) -> list[Case]:
    return [case for case in catalogue().values() if _is_asked(case, asked)]


def _drawn(asked: argparse.Namespace) -> list[Case]:
    """Drawn faults and their twins; what came out too poor to be a twin, or could not be run, is drawn again."""
    attempts = dict.fromkeys(range(asked.count), 0)
    pairs: dict[int, tuple[Case, Case]] = {}
    while waiting := [number for number in attempts if number not in pairs]:
        asked_for = {number: drawn(asked.draw, number, attempts[number]) for number in waiting}
        found, broken = _run_all(dict.fromkeys((twin.name for twin, _ in asked_for.values()), ()), asked)
        for number, (twin, fault) in asked_for.items():
            if twin.name in found and is_sane(twin, found[twin.name].score):
                pairs[number] = twin, fault
                continue
            attempts[number] += 1
            came = found[twin.name].score if twin.name in found else broken[twin.name]
            print(f"drawn again: {twin.name}, of {twin.job.family}: {came}")  # noqa: T201
    print(f"{sum(attempts.values())} twins of {asked.count} were too poor and drawn again")  # noqa: T201
    return [case for number in sorted(pairs) for case in pairs[number]]


def _is_asked(case: Case, asked: argparse.Namespace) -> bool:
    wanted = asked.half in (None, case.half) and asked.group in (None, case.group)
    return wanted and fnmatch.fnmatch(case.name, asked.only)


def _outcomes(cases: Sequence[Case], asked: argparse.Namespace) -> tuple[dict[str, Outcome], dict[str, str]]:
    """Of the cases and of their twins, by name; and what could not be run."""
    twins = [case.twin for case in cases if case.twin]
    return _run_all(dict.fromkeys([*(case.name for case in cases), *twins], ()), asked)


@dataclass
class _Course:
    """Attempts to mend a fault, as an agent would go on.

    What made the run better is kept, and the next attempt is what that run's findings say; what did not help is taken
    back, and the next fix is tried.
    """

    case: Case
    twin: Outcome
    best: Outcome
    kept: tuple[Fix, ...] = ()
    tried: list[Fix] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def next_attempt(self) -> tuple[Fix, ...] | None:
        """What is kept and the next fix; None when the fault is mended, or nothing is left to try."""
        if not bites(self.case, self.best, self.twin):
            return None
        job, tried = _with(self.case, self.kept), [fix.patch for fix in self.tried]
        fixes = [fix for finding in loud(self.best.findings) for fix in finding.fixes if fix.patch not in tried]
        new = next((fix for fix in fixes if mended(job, fix) is not None), None)
        return None if new is None else (*self.kept, new)

    def add(self, attempt: tuple[Fix, ...], after: Outcome | None) -> None:
        """Note how an attempt came out; None when it could not be run."""
        self.tried.append(attempt[-1])
        if after is None:
            return
        self.outcomes.append(after)
        if is_better(self.case, after, self.best):
            self.kept, self.best = attempt, after


def _repaired(
    cases: Sequence[Case], outcomes: dict[str, Outcome], asked: argparse.Namespace
) -> dict[str, list[Outcome]]:
    """Of the faults one attempt after the other, until one has mended them, by name."""
    courses = {
        case.name: _Course(case, outcomes[case.twin or ""], outcomes[case.name])
        for case in cases
        if case.mends and {case.name, case.twin} <= outcomes.keys()
    }
    for _ in range(asked.tries):
        next_ones = {name: course.next_attempt() for name, course in courses.items()}
        attempts = {name: attempt for name, attempt in next_ones.items() if attempt is not None}
        found = _run_all(attempts, asked)[0]
        for name, attempt in attempts.items():
            courses[name].add(attempt, found.get(name))
    return {name: course.outcomes for name, course in courses.items() if course.outcomes}


def _with(case: Case, fixes: tuple[Fix, ...]) -> Job | Program | Loop:
    """Its job with fixes applied, which fit."""
    job = case.job
    for fix in fixes:
        changed = mended(job, fix)
        assert changed is not None
        job = changed
    return job


def _run_all(
    wanted: dict[str, tuple[Fix, ...]], asked: argparse.Namespace
) -> tuple[dict[str, Outcome], dict[str, str]]:
    found: dict[str, Outcome] = {}
    broken: dict[str, str] = {}
    todo: dict[str, tuple[Fix, ...]] = {}
    for name, fixes in wanted.items():
        file = None if asked.keep is None else asked.keep / _file_of(name, fixes)
        if file is not None and file.is_file():
            found[name] = read(file.read_text())
        else:
            todo[name] = fixes
    for name, result in _results(todo, asked.jobs):
        if isinstance(result, Exception):
            broken[name] = f"{type(result).__name__}: {result}"
            continue
        found[name] = read(result)
        if asked.keep is not None:
            asked.keep.mkdir(parents=True, exist_ok=True)
            (asked.keep / _file_of(name, todo[name])).write_text(result)
    return found, broken


def _results(todo: dict[str, tuple[Fix, ...]], jobs: int) -> Iterator[tuple[str, str | Exception]]:
    """Each case's outcome as JSON, or what went wrong: one case must not end the others. One job runs right here."""
    if jobs == 1 or len(todo) < 2:
        for name, fixes in todo.items():
            try:
                yield name, _one(name, fixes)
            except Exception as error:  # noqa: BLE001
                yield name, error
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_one, name, fixes): name for name, fixes in todo.items()}
        for future in as_completed(futures):
            error = future.exception()
            yield futures[future], error if isinstance(error, Exception) else future.result()


def _file_of(name: str, fixes: tuple[Fix, ...]) -> str:
    patches = json.dumps([fix.patch for fix in fixes], sort_keys=True)
    return f"{name} + {hashlib.sha256(patches.encode()).hexdigest()[:12]}.json" if fixes else f"{name}.json"


def _one(name: str, fixes: tuple[Fix, ...] = ()) -> str:
    """Run one case in this process, with the fixes that are given."""
    logger.remove()
    return as_json(run(_with(case_of(name), fixes)))
