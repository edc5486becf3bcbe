"""The drawn part of the corpus: a seed says what is drawn, and every kind of fault can be."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.corpus import drawn
from tests.corpus.cases import DRAWN, GROUPS
from tests.corpus.catalogue import case_of, catalogue
from tests.corpus.drawn import KINDS, kind_of, twins
from tests.corpus.scoring import harmless, report_of_harmless

needs_sets = pytest.mark.skipif(
    not Path(os.environ.get("TRAINWELL_SETS", ".venv/sets")).is_dir(), reason="needs the packages of make quality"
)


def _drawn(seed, numbers=range(12)):
    return [plan for number in numbers for plan in _settings(seed, number)]


def _settings(seed, number):
    """What a case and its twin are, drawn anew, in what can be compared."""
    kind, twin, changed = drawn.planned.__wrapped__(seed, number, 0)
    settings = (twin.door, twin.data, twin.family, twin.train, twin.net.widths, twin.options)
    return kind.name, settings, (changed.train, changed.options, changed.prepare, changed.rows, changed.copies)


@needs_sets
def test_the_same_seed_draws_the_same_and_another_one_others():
    assert _drawn(7) == _drawn(7)
    assert _drawn(7) != _drawn(8)


@needs_sets
def test_another_attempt_is_another_twin_of_the_same_kind():
    (_, first), (_, second) = drawn.drawn(7, 3, 0), drawn.drawn(7, 3, 1)

    assert first.name != second.name
    assert first.causes == second.causes


@needs_sets
@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(KINDS)))
def test_each_kind_can_be_drawn_and_is_found_by_its_name(number):
    healthy, fault = drawn.drawn(5, number)

    assert fault.name.endswith(kind_of(5, number).name)
    assert (healthy.half, fault.half) == (DRAWN, DRAWN)
    assert (fault.twin, healthy.causes) == (healthy.name, ())
    assert [case_of(one.name).name for one in (healthy, fault)] == [healthy.name, fault.name]


def test_every_kind_comes_before_any_comes_again():
    assert {kind_of(5, number).name for number in range(len(KINDS))} == set(KINDS)


def test_causes_are_codes_that_exist_and_every_group_has_kinds():
    codes = {code for case in catalogue().values() for code in case.causes}

    assert all(set(kind.causes) <= codes for kind in KINDS.values())
    assert {kind.group for kind in KINDS.values()} == set(GROUPS)
    assert len(KINDS) >= 30


def test_the_floor_lies_between_guessing_and_the_best_of_the_cheap_models():
    x, y = np.random.default_rng(0).normal(size=(400, 3)), np.arange(400) % 2
    x[:, 0] += 4 * y
    plan = SimpleNamespace(data=SimpleNamespace(kind="tabular", is_quantity=False, arrays=lambda: (x, y)))

    assert 0.5 < twins.floor_of(plan) < 1.0


def test_a_fault_that_does_no_harm_is_told_apart_unless_it_counts_always():
    job = SimpleNamespace(metric="score")
    fault = SimpleNamespace(name="fault", twin="twin", job=job, must_bite=True)
    came = {name: SimpleNamespace(score=0.9, loss=0.1, findings=[]) for name in ("fault", "twin")}

    assert harmless(fault, came)
    assert "fault: nothing" in report_of_harmless([fault], came)
    assert not harmless(SimpleNamespace(**vars(fault) | {"must_bite": False}), came)
    assert not harmless(fault, came | {"fault": SimpleNamespace(score=0.5, loss=0.1, findings=[])})
