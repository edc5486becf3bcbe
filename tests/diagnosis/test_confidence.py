"""A confidence says how often such a finding is right; the order of findings is that of the rules."""

from itertools import pairwise

import pytest

from trainwell.contract.trace import Trace
from trainwell.diagnosis import diagnose
from trainwell.diagnosis.confidence import KNOTS, meant

SEEN = Trace(facts={"loss0": 2.3})


@pytest.mark.parametrize("said", [0.0, 0.31, 0.5, 0.6, 0.65, 0.77, 0.85, 0.9, 0.95, 0.98, 1.0])
def test_a_confidence_stays_one_and_keeps_its_place(said):
    assert 0 <= meant(said, SEEN) <= 1
    assert all(meant(low, SEEN) <= meant(high, SEEN) for low, high in [(0.0, said), (said, 1.0)])


def test_what_was_counted_is_told_and_the_line_rises():
    assert [meant(said, SEEN) for said, _ in KNOTS] == [told for _, told in KNOTS]
    assert all(low[0] < high[0] and low[1] < high[1] for low, high in pairwise(KNOTS))


def test_of_what_nobody_has_looked_at_the_word_of_the_rule_stands():
    assert meant(0.65, Trace()) == 0.65


def test_findings_bear_the_confidence_that_was_counted():
    facts = {"keeps_gradients": True}
    (finding,) = diagnose(Trace(facts=facts))

    assert finding.confidence == meant(0.95, SEEN) == 0.91
