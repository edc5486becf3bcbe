"""Row 20: a wall clock that jumps, in the server and in the worker."""

import time

import pytest

DAY = 86400.0


@pytest.mark.parametrize("seconds", [DAY, -DAY])
@pytest.mark.parametrize("where", ["worker", "server"])
def test_a_clock_that_jumps_by_a_day_gives_no_run_up_and_starts_none_twice(
    place, undisturbed, monkeypatch, seconds, where
):
    jump = {"fault": "clock", "seconds": seconds, "step": 50}
    place.faults({"fault": "save_often"}, *([jump] if where == "worker" else []))
    run = place.train(epochs=60)
    place.worker(run)
    if where == "server":
        true = time.time
        monkeypatch.setattr(time, "time", lambda: true() + seconds)
    for _ in range(20):
        assert place.services.start_waiting() == []
    seen = place.call("get_run", run=run)
    assert seen.get("eta_seconds") is None or 0 <= seen["eta_seconds"] < 3600
    row = place.ended(run)
    assert (row["state"], row["attempt"]) == ("completed", 1)
    assert place.hashes(run) == undisturbed(epochs=60)
    place.sound(run)


@pytest.mark.parametrize("seconds", [DAY, -DAY])
def test_no_duration_is_negative_or_a_day_long(place, seconds):
    place.faults({"fault": "clock", "seconds": seconds, "step": 50})
    run = place.train(epochs=6)
    place.ended(run)
    assert 0 <= place.call("get_run", run=run)["seconds"] < 3600


def test_a_clock_that_is_set_back_does_not_keep_a_retry_waiting(place, monkeypatch):
    place.faults({"fault": "die", "step": 5, "attempts": [1]})
    run = place.train(epochs=3)
    from tests.waiting import until

    until(lambda: place.services.start_waiting() or place.runs.get(run)["attempt"] >= 1, what="its first attempt")
    until(lambda: place.runs.get(run)["state"] != "running" or place.services.start_waiting() or True, what="a look")
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() - DAY)
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and place.runs.get(run)["state"] != "completed":
        place.services.start_waiting()
        time.sleep(0.05)
    assert place.runs.get(run)["state"] == "completed"
