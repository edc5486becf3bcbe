"""The public corpora, rebuilt: there are enough of them, and what is found is counted as it should be."""

from types import SimpleNamespace

import pytest

from tests.corpus.cases import PUBLIC
from tests.corpus.catalogue import catalogue
from tests.corpus.public.published import PUBLISHED, SOURCES, beside
from tests.corpus.running import run
from tests.corpus.scoring import loud

CASES = [case for case in catalogue().values() if case.half == PUBLIC]
QUICK = ["SO 34311586", "SO 50306988"]


def test_there_are_enough_faults_each_with_its_correction():
    faults = [case for case in CASES if case.causes]

    assert len(faults) >= 35
    assert all(catalogue()[case.twin].half == PUBLIC for case in faults)
    assert all(case.name.split()[0] in SOURCES for case in CASES)


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_one_is_named(name):
    case = catalogue()[name]

    assert loud(run(case.job).findings)[0].code in case.causes


def test_the_table_counts_faults_and_false_alarms_apart_and_quotes_what_was_published():
    found = SimpleNamespace(code="target_shape", severity="warning")
    outcomes = {case.name: SimpleNamespace(findings=[found]) for case in CASES if case.name.startswith("DC regrNN")}

    lines = beside(CASES, outcomes).splitlines()

    line = next(line for line in lines if line.startswith(SOURCES["DC"]))
    own = [cell.strip() for cell in line.split("  ") if cell.strip()]
    faults = len(outcomes) - 1
    assert own[1:] == [str(faults), f"{faults}/{faults} = 100%", *[f"1/{faults} = {1 / faults:.0%}"] * 2, "1", "1"]
    assert len([line for line in lines if any(f"  {one.tool}: " in line for one in PUBLISHED)]) == len(PUBLISHED)


def test_without_public_cases_nothing_is_said():
    assert beside([case for case in catalogue().values() if case.half != PUBLIC], {}) == ""
