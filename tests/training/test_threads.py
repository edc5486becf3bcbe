import pytest

from trainwell.training.threads import FIRST_REST, ThreadTuner, spare

IDLE, BUSY = (lambda: 63.0), (lambda: 0.0)


def run(tuner, seconds, steps, spare_cores=IDLE):
    """Let the tuner see steps whose time is a function of its threads."""
    counts = []
    for _ in range(steps):
        counts.append(tuner.threads)
        tuner.observe(seconds[tuner.threads], spare_cores)
    return counts


def test_it_starts_with_one_thread_and_keeps_what_was_fastest():
    tuner = ThreadTuner(8)
    counts = run(tuner, {1: 0.1, 2: 0.06, 4: 0.05, 8: 0.052}, 60)

    assert counts[:5] == [1] * 5
    assert counts[-1] == 4
    assert counts.count(8) <= 4


def test_short_steps_are_left_alone_for_good():
    tuner = ThreadTuner(8)
    run(tuner, {1: 0.001}, 500)

    assert tuner.settled
    assert tuner.threads == 1


def test_no_trial_while_others_need_the_cores():
    assert set(run(ThreadTuner(2), {1: 0.1, 2: 0.05}, 100, BUSY)) == {1}


def test_a_trial_ends_with_its_first_slow_step():
    counts = run(ThreadTuner(2), {1: 0.1, 2: 5.0}, 100)

    assert counts.count(2) == 1
    assert counts[-1] == 1


def test_a_neighbour_that_wakes_up_brings_it_back_to_one_thread():
    tuner = ThreadTuner(2)
    run(tuner, {1: 0.1, 2: 0.06}, 50)
    assert tuner.threads == 2

    counts = run(tuner, {1: 0.1, 2: 4.0}, 40, BUSY)
    assert counts.count(2) <= 5
    assert tuner.threads == 1


def test_it_tries_again_when_the_neighbour_has_gone():
    tuner = ThreadTuner(2)
    run(tuner, {1: 0.1, 2: 0.05}, 50, BUSY)
    counts = run(tuner, {1: 0.1, 2: 0.05}, int(FIRST_REST / 0.1) + 50)

    assert counts[-1] == 2


def test_each_failure_doubles_the_rest():
    counts = run(ThreadTuner(2), {1: 1.0, 2: 50.0}, 4 * int(FIRST_REST))
    trials = [number for number, count in enumerate(counts) if count == 2]

    assert len(trials) == 3
    assert trials[2] - trials[1] > 1.5 * (trials[1] - trials[0])


def test_one_core_is_never_timed():
    tuner = ThreadTuner(1)

    assert tuner.settled
    assert tuner.words == ["threads 1: this process may use one core"]


@pytest.mark.parametrize(
    ("cores", "machine", "wall", "others", "left"),
    [
        (2, 2, 1.0, 0.0, 1.0),
        (2, 2, 1.0, 1.0, 0.0),
        (4, 64, 2.0, 20.0, 3.0),
        (8, 8, 1.0, 6.5, 0.5),
        (2, 2, 0.0, 0.0, 0.0),
    ],
)
def test_spare_cores_are_those_that_nobody_used(cores, machine, wall, others, left):
    assert spare(cores, machine, wall, others) == pytest.approx(left)
