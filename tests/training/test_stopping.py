import pytest

from trainwell.training.stopping import Ending, out_of_patience


@pytest.mark.parametrize(
    ("patience", "waited", "epoch", "rising", "ended"),
    [(5, 4, 30, 0, False), (5, 5, 30, 0, True), (5, 9, 20, 16, False), (5, 9, 21, 16, True), (0, 99, 99, 0, False)],
)
def test_patience_is_counted_from_the_best_epoch_and_not_while_the_rate_rises(patience, waited, epoch, rising, ended):
    assert out_of_patience(patience, waited, epoch, rising) is ended


def test_the_last_fall_takes_a_share_of_the_epochs_done_and_comes_once():
    ending = Ending()

    assert ending.bring_forward(31, 40)
    assert (ending.since, ending.until) == (31, 38)
    assert not ending.bring_forward(33, 40)
    assert (ending.since, ending.until) == (31, 38)


def test_a_planned_end_that_is_as_near_stays():
    ending = Ending()

    assert not ending.bring_forward(36, 40)
    assert ending == Ending()


def test_the_rate_goes_to_zero_along_a_line_from_where_it_was():
    rates = Ending(since=10, until=12).rates(0.5, 50, 60, steps_per_epoch=5)

    assert rates == pytest.approx([0.5 * (1 - step / 10) for step in range(10)])
