from trainwell.worker.watchdog import Silence


def looks(silence, *beats, passed=1.0, slow=False):
    return [silence.is_hang(count, passed, slow) for count in beats]


def test_silence_beyond_the_limit_is_a_hang():
    assert looks(Silence(3.0, 1.0), 5, 5, 5, 5, 5) == [False, False, False, False, True]


def test_slow_steps_are_given_twenty_times_their_usual_time():
    silence = Silence(3.0, 1.0)
    looks(silence, 1, 1, 2, 2, 3, 3)
    assert silence.limit(slow=False) == 40.0


def test_what_may_be_slow_is_waited_for():
    assert not any(looks(Silence(3.0, 1.0), *[5] * 80, slow=True))


def test_a_process_that_was_stopped_was_not_silent():
    assert looks(Silence(3.0, 1.0), 5, 5, passed=1000.0) == [False, False]
