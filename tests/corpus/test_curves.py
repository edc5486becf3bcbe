"""Losses by epoch alone are enough to name seven faults, on curves that no threshold was chosen by."""

from collections import Counter

import pytest

from tests.corpus.curves import ACCEPTED, EACH, FIRST_REPORTED, HEALTHY, faulty, fine, trace
from trainwell.diagnosis import diagnose


@pytest.mark.parametrize("seed", [0, FIRST_REPORTED, FIRST_REPORTED + 1])
def test_more_than_137_of_140_curves_are_named_first_and_fewer_than_3_of_60_healthy_ones_blamed(seed):
    missed = Counter()
    for kind, curve in faulty(seed):
        found = diagnose(trace(curve))
        missed[kind] += not found or found[0].code not in ACCEPTED[kind]
    blamed = sum(bool(diagnose(trace(curve))) for curve in fine(seed))

    assert len(ACCEPTED) * EACH - missed.total() > 137, missed
    assert blamed < 3, f"{blamed} of {HEALTHY}"
