"""Row 24: work that does not end, with the interpreter's lock and without."""

import time

import pytest

from tests.faults.machinery import kill
from trainwell.runs import preloaded


@pytest.fixture
def impatient(monkeypatch):
    """Workers for whom two seconds without a step are a hang."""
    monkeypatch.setenv("TRAINWELL_STALL_SECONDS", "2")
    preloaded.socket_path.cache_clear()
    yield
    monkeypatch.undo()
    preloaded.socket_path.cache_clear()


@pytest.mark.slow
def test_a_worker_that_hangs_in_native_code_and_holds_the_interpreter_is_ended_all_the_same(
    place, undisturbed, impatient
):
    expected = undisturbed()
    place.faults({"fault": "save_often"}, {"fault": "locked", "step": 66, "attempts": [1]})
    run = place.train()
    assert place.ended(run)["state"] == "completed"
    assert [one.cause for one in place.attempts(run)] == ["process_died", None]
    assert "injected.py" in place.log(run)
    assert place.hashes(run) == expected
    place.sound(run)


@pytest.mark.parametrize("where", ["step", "loader"])
def test_a_hung_worker_says_where_it_hangs_and_its_run_goes_on(place, undisturbed, impatient, where):
    hang = {"fault": "hang", "where": where, "step": 6 if where == "loader" else 66, "attempts": [1]}
    place.faults({"fault": "save_often"}, hang)
    run = place.train()
    worker = place.worker(run)
    try:
        look = time.monotonic() + 15
        while time.monotonic() < look and not place.attempts(run)[0].cause:
            place.services.start_waiting()
            time.sleep(0.05)
        assert place.attempts(run)[0].cause == "stalled"
        assert place.ended(run)["state"] == "completed"
        assert "injected.py" in place.log(run)
        assert place.hashes(run) == undisturbed()
        place.sound(run)
    finally:
        kill(worker)
