"""Runs cases, several at once, with what they came out as kept on the disk, so that rules can be judged anew."""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from tests.corpus.cases import GROUPS, PARTS, Case
from tests.corpus.catalogue import catalogue
from tests.corpus.public.published import beside
from tests.corpus.running import Outcome, as_json, mended, read, run
from tests.corpus.scoring import bites, is_better, loud, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.corpus.cases import Job, Loop, Program
    from trainwell.contract.findings import Fix


def main(arguments: Sequence[str]) -> int:
    """Returns: 0, or 1 when a case could not be run."""
    asked = _asked(arguments)
    cases = [case for case in catalogue().values() if _is_asked(case, asked)]
    with tempfile.TemporaryDirectory(prefix="tw-rt-") as folder:
        os.environ["TRAINWELL_RUNTIME_DIR"] = folder
        outcomes, broken = _outcomes(cases, asked)
        repaired = _repaired(cases, outcomes, asked)
    print(report(cases, outcomes, repaired))  # noqa: T201
    print(beside(cases, outcomes))  # noqa: T201
    for name, error in broken.items():
        print(f"broken: {name}: {error}")  # noqa: T201
    return int(bool(broken))


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--half", choices=PARTS, help="only this half of the faults and of the healthy runs")
    parser.add_argument("--only", default="*", help="only cases whose names match, e.g. 'digits*'")
    parser.add_argument("--group", choices=(*GROUPS, "healthy"), help="only cases of this group")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="cases at once")
    parser.add_argument("--keep", type=Path, help="folder of outcomes: what lies there is judged anew, not run again")
    parser.add_argument("--tries", type=int, default=3, help="attempts to mend a fault by what the findings say")
    parser.add_argument("--no-repairs", dest="tries", action="store_const", const=0, help="try no fixes")
    return parser.parse_args(arguments)


def _is_asked(case: Case, asked: argparse.Namespace) -> bool:
    wanted = asked.half in (None, case.half) and asked.group in (None, case.group)
    return wanted and fnmatch.fnmatch(case.name, asked.only)


def _outcomes(cases: Sequence[Case], asked: argparse.Namespace) -> tuple[dict[str, Outcome], dict[str, str]]:
    """Of the cases and of their twins, by name; and what could not be run."""
    twins = [case.twin for case in cases if case.twin]
    return _run_all(dict.fromkeys([*(case.name for case in cases), *twins], ()), asked)


def _repaired(
    cases: Sequence[Case], outcomes: dict[str, Outcome], asked: argparse.Namespace
) -> dict[str, list[Outcome]]:
    """Of the faults one attempt after the other, until one has mended them, by name.

    As an agent would go on: what made the run better is kept, and the next attempt is what that run's findings say;
    what did not help is taken back, and the next fix is tried.
    """
    ill = {case.name: case for case in cases if case.mends and {case.name, case.twin} <= outcomes.keys()}
    kept: dict[str, tuple[Fix, ...]] = dict.fromkeys(ill, ())
    best = {name: outcomes[name] for name in ill}
    tried: dict[str, list[Any]] = {name: [] for name in ill}
    repaired: dict[str, list[Outcome]] = {}
    for _ in range(asked.tries):
        ill = {name: case for name, case in ill.items() if bites(case, best[name], outcomes[case.twin or ""])}
        left = {name: _fixes(case, kept[name], best[name], tried[name]) for name, case in ill.items()}
        attempts = {name: (*kept[name], fixes[0]) for name, fixes in left.items() if fixes}
        ill = {name: case for name, case in ill.items() if name in attempts}
        for name, after in _run_all(attempts, asked)[0].items():
            repaired.setdefault(name, []).append(after)
            tried[name].append(attempts[name][-1].patch)
            if is_better(ill[name], after, best[name]):
                kept[name], best[name] = attempts[name], after
    return repaired


def _fixes(case: Case, kept: tuple[Fix, ...], outcome: Outcome, tried: Sequence[Any]) -> list[Fix]:
    """Those of a run's findings that can be applied to it and were not, in the order in which they are given."""
    job = _with(case, kept)
    fixes = [fix for finding in loud(outcome.findings) for fix in finding.fixes if fix.patch not in tried]
    return [fix for fix in fixes if mended(job, fix) is not None]


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
    return as_json(run(_with(catalogue()[name], fixes)))
