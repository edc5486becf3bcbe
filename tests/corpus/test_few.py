"""A few fast cases of the corpus: the cause of a fault is named, and its twin is left alone."""

import pytest

from tests.corpus.cases import HALVES
from tests.corpus.catalogue import catalogue
from tests.corpus.running import as_json, mended, read, run
from tests.corpus.scoring import has_fix, is_as_good, loud

FAULTS = [
    "NaN in two rows",
    "a column that is the class, in Python",
    "classes numbered differently in validation",
    "validation pictures from 0 to 255",
    "noise learnt by heart, in Python",
    "rows in the order of their classes",
]


@pytest.mark.parametrize("name", FAULTS)
def test_the_cause_of_a_fault_comes_first(name):
    case = catalogue()[name]

    told = loud(run(case.job).findings)

    assert told, "nothing was found"
    assert told[0].code in case.causes
    assert has_fix(told[0]) == case.mends, "a fault that a person must mend is said to be one"


@pytest.mark.parametrize("name", ["python digits", "python wine"])
def test_their_twins_are_left_alone(name):
    assert loud(run(catalogue()[name].job).findings) == []


def test_the_first_fix_of_a_fault_brings_it_back_to_its_twin():
    case = catalogue()["rows in the order of their classes"]
    fix = run(case.job).findings[0].fixes[0]
    changed = mended(case.job, fix)

    assert changed is not None
    assert is_as_good(case, run(changed), run(catalogue()[case.twin].job))


def test_the_corpus_is_as_large_and_as_mixed_as_it_says():
    cases = catalogue().values()
    faults = [case for case in cases if case.causes]
    assert len(faults) >= 100
    assert len(cases) - len(faults) >= 50
    for half in HALVES:
        own = [case for case in faults if case.half == half]
        assert len(own) >= 40
        assert {case.group for case in own} == {"data", "optimisation", "capacity", "construction", "systems"}
        assert {case.job.kind for case in own} >= {"tabular", "image", "series", "text"}
    assert all(catalogue()[case.twin].causes == () for case in faults)


def test_an_outcome_can_be_kept_and_judged_again():
    outcome = run(catalogue()["python wine"].job)

    again = read(as_json(outcome))

    assert (again.trace.epochs, again.trace.facts) == (outcome.trace.epochs, outcome.trace.facts)
    assert again.findings == outcome.findings
