"""Every worker of these tests loads tests/faults/inject; a table of the cases ends the long form."""

import shutil
from collections import defaultdict

import pytest

from tests.faults.machinery import LONG, Place
from trainwell.contract.resources import resource

_cases = defaultdict(list)


@pytest.fixture(autouse=True, scope="package")
def _injection(injected_workers):
    """What a worker meets is said by its workspace."""


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """Our manifest, but a retry comes at once and not after a second."""
    path = tmp_path_factory.mktemp("skill") / "SKILL.md"
    path.write_text(resource("SKILL.md").read_text().replace("base_delay_ms: 1000", "base_delay_ms: 1"))
    return path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, quick):
    """A workspace in which data and network are made already; others start as copies of it."""
    place = Place(tmp_path_factory.mktemp("prepared"), quick)
    place.prepare()
    place.close()
    return place.root


@pytest.fixture
def place(tmp_path, quick, prepared):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    opened = Place(tmp_path, quick)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, quick, prepared):
    """How a run ends to which nothing happened; each kind of run is done once: `undisturbed(epochs=40)`."""
    known = {}

    def hashes(**arguments):
        key = repr(sorted(arguments.items()))
        if key not in known:
            root = shutil.copytree(prepared, tmp_path_factory.mktemp("undisturbed"), dirs_exist_ok=True)
            place = Place(root, quick)
            place.faults({"fault": "save_often"})
            run = place.train(**arguments)
            assert place.ended(run)["state"] == "completed"
            known[key] = place.hashes(run)
            place.close()
        return known[key]

    return hashes


def pytest_runtest_logreport(report):
    if "tests/faults/" in report.nodeid and (report.when == "call" or report.skipped):
        times = dict(report.user_properties).get("times", 1)
        why = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
        outcome = "expected failure" if hasattr(report, "wasxfail") and report.skipped else report.outcome
        _cases[report.nodeid.split("tests/faults/")[1]] = [times, outcome, report.duration, why]


def pytest_terminal_summary(terminalreporter):
    if LONG and _cases:
        terminalreporter.section("faults")
        for case, (times, outcome, seconds, why) in _cases.items():
            terminalreporter.write_line(f"{case:<95} {times:>4} times {seconds:7.1f} s  {outcome} {why}")
