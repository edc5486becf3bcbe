"""How a budget is divided among twins, and what their ends prove."""

import pytest

from trainwell.runs.twins import Division, Ending, Length, divide, needed_seconds, prove

ACCURACY = {"code": "learning_rate_too_high", "score_name": "val_accuracy"}
SICK = {"learning_rate_too_high": "critical"}


def endings(*scores, found=None, loss=None):
    return [Ending(failed=True) if score is None else Ending(score, loss, found=found or {}) for score in scores]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1.0, Division(3, 4, 1.0)),
        (10.0, Division(2, 4, 0.7)),
        (30.0, Division(2, 3, pytest.approx(0.317, abs=0.001))),
        (100.0, Division(2, 2, pytest.approx(0.145))),
        (1000.0, None),
    ],
)
def test_a_budget_buys_whole_trainings_then_shorter_ones_then_fewer_fixes(seconds, expected):
    lengths = [Length(seconds, 40)] * 4
    assert divide(lengths, 60.0) == expected
    least = needed_seconds(lengths)
    assert divide(lengths, least) is not None
    assert divide(lengths, 0.99 * least) is None


def test_a_large_difference_in_every_seed_is_proven_when_the_symptom_is_gone():
    proof = prove(endings(0.1, 0.12, 0.1, found=SICK), endings(0.95, 0.96, 0.97), **ACCURACY)
    assert (proof.verdict, proof.pairs) == ("proven", 3)
    assert proof.difference == pytest.approx(0.853, abs=0.001)
    assert proof.spread == pytest.approx(0.015, abs=0.001)
    assert proof.told.startswith("val_accuracy 0.107 -> 0.96 (+0.85")


def test_better_with_the_symptom_or_a_new_alarm_is_no_proof():
    still = prove(endings(0.1, 0.1, found=SICK), endings(0.9, 0.9, found=SICK), **ACCURACY)
    new = prove(endings(0.1, 0.1, found=SICK), endings(0.9, 0.9, found={"non_finite_loss": "critical"}), **ACCURACY)
    milder = prove(endings(0.1, 0.1, found=SICK), endings(0.9, 0.9, found=dict.fromkeys(SICK, "warning")), **ACCURACY)
    assert [one.verdict for one in (still, new, milder)] == ["improved", "improved", "proven"]


def test_a_difference_within_its_spread_is_no_help_and_a_clear_fall_is_worse():
    assert prove(endings(0.5, 0.6), endings(0.7, 0.5), **ACCURACY).verdict == "no_help"
    assert prove(endings(0.900, 0.901), endings(0.905, 0.906), **ACCURACY).verdict == "no_help"
    assert prove(endings(0.9, 0.9), endings(0.5, 0.5), **ACCURACY).verdict == "worse"


def test_where_scores_are_alike_the_loss_decides():
    proof = prove(endings(0.9, 0.9, loss=1.0), endings(0.9, 0.9, loss=0.5), **ACCURACY)
    assert (proof.verdict, proof.metric, proof.difference) == ("proven", "val_loss", -0.5)


def test_failures_count_more_than_scores():
    assert prove(endings(None, None), endings(0.2, 0.2), **ACCURACY).verdict == "proven"
    assert prove(endings(0.9, 0.9), endings(None, 0.99), **ACCURACY).verdict == "worse"
    assert prove(endings(None, None), endings(None, None), **ACCURACY).verdict == "no_help"
    assert prove([Ending(), Ending()], endings(0.9, 0.9), **ACCURACY).verdict == "not_tried"
