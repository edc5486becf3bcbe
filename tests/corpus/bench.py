"""Runs cases, several at once, with what they came out as kept on the disk, so that rules can be judged anew."""

from __future__ import annotations

import argparse
import fnmatch
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from tests.corpus.cases import GROUPS, PARTS, Case
from tests.corpus.catalogue import catalogue
from tests.corpus.public.published import beside
from tests.corpus.running import Outcome, kept, mended, read, run
from tests.corpus.scoring import bites, loud, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    parser.add_argument("--tries", type=int, default=3, help="fixes that are tried in turn until one mends the fault")
    parser.add_argument("--no-repairs", dest="tries", action="store_const", const=0, help="try no fixes")
    return parser.parse_args(arguments)


def _is_asked(case: Case, asked: argparse.Namespace) -> bool:
    wanted = asked.half in (None, case.half) and asked.group in (None, case.group)
    return wanted and fnmatch.fnmatch(case.name, asked.only)


def _outcomes(cases: Sequence[Case], asked: argparse.Namespace) -> tuple[dict[str, Outcome], dict[str, str]]:
    """Of the cases and of their twins, by name; and what could not be run."""
    twins = [case.twin for case in cases if case.twin]
    return _run_all(dict.fromkeys([*(case.name for case in cases), *twins]), asked)


def _repaired(
    cases: Sequence[Case], outcomes: dict[str, Outcome], asked: argparse.Namespace
) -> dict[str, list[Outcome]]:
    """Of the faults with one fix applied after the other, until one has mended them, by name."""
    ill = [case for case in cases if case.mends and {case.name, case.twin} <= outcomes.keys()]
    ill = [case for case in ill if bites(case, outcomes[case.name], outcomes[case.twin or ""])]
    repaired: dict[str, list[Outcome]] = {}
    for number in range(asked.tries):
        fixes = {case.name: _fixes(case, outcomes[case.name])[number:] for case in ill}
        found = _run_all({name: left[0] for name, left in fixes.items() if left}, asked)[0]
        for name, after in found.items():
            repaired.setdefault(name, []).append(after)
        ill = [case for case in ill if case.name in found and bites(case, found[case.name], outcomes[case.twin or ""])]
    return repaired


def _fixes(case: Case, outcome: Outcome) -> list[Fix]:
    """Those that can be applied, in the order in which the findings give them, each change once."""
    fixes = [fix for finding in loud(outcome.findings) for fix in finding.fixes if mended(case.job, fix) is not None]
    return [fix for place, fix in enumerate(fixes) if fix.patch not in [one.patch for one in fixes[:place]]]


def _run_all(wanted: dict[str, Fix | None], asked: argparse.Namespace) -> tuple[dict[str, Outcome], dict[str, str]]:
    found: dict[str, Outcome] = {}
    broken: dict[str, str] = {}
    todo: dict[str, Fix | None] = {}
    for name, fix in wanted.items():
        file = None if asked.keep is None else asked.keep / _file_of(name, fix)
        if file is not None and file.is_file():
            found[name] = read(file.read_text())
        else:
            todo[name] = fix
    for name, result in _results(todo, asked.jobs):
        if isinstance(result, Exception):
            broken[name] = f"{type(result).__name__}: {result}"
            continue
        found[name] = read(result)
        if asked.keep is not None:
            asked.keep.mkdir(parents=True, exist_ok=True)
            (asked.keep / _file_of(name, todo[name])).write_text(result)
    return found, broken


def _results(todo: dict[str, Fix | None], jobs: int) -> Iterator[tuple[str, str | Exception]]:
    """Each case's outcome as JSON, or what went wrong: one case must not end the others. One job runs right here."""
    if jobs == 1 or len(todo) < 2:
        for name, fix in todo.items():
            try:
                yield name, _one(name, fix)
            except Exception as error:  # noqa: BLE001
                yield name, error
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_one, name, fix): name for name, fix in todo.items()}
        for future in as_completed(futures):
            error = future.exception()
            yield futures[future], error if isinstance(error, Exception) else future.result()


def _file_of(name: str, fix: Fix | None) -> str:
    patch = (
        "" if fix is None else " + " + "".join(c if c.isalnum() or c in "._-" else "_" for c in str(fix.patch))[:120]
    )
    return f"{name}{patch}.json"


def _one(name: str, fix: Fix | None) -> str:
    """Run one case in this process, with a fix if one is given."""
    job = catalogue()[name].job
    changed = job if fix is None else mended(job, fix)
    logger.remove()
    assert changed is not None
    return kept(run(changed))
