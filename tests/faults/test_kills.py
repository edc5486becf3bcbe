"""Rows 1 and 2: a worker that is killed at any moment goes on, and ends with the weights it would have had."""

import random
import time

import pytest

from tests.faults.machinery import kill, times
from tests.waiting import until
from trainwell.runs.lifecycle import FINAL

SEED = 20261124


@pytest.mark.parametrize("number", range(times(2, 20)))
def test_killed_again_and_again_at_random_moments_it_ends_with_the_same_weights(
    place, undisturbed, number, record_property
):
    kills = 10
    record_property("times", kills)
    chance = random.Random(SEED + number)
    expected = undisturbed(epochs=60)
    place.faults({"fault": "save_often"})
    run = place.train(epochs=60, max_attempts=20)
    killed = 0
    while killed < kills and place.runs.get(run)["state"] not in FINAL:
        attempt = killed + 1
        until(
            lambda attempt=attempt: (
                place.services.start_waiting()
                or (place.runs.get(run)["attempt"] == attempt and (place.runs.get(run)["owner"] or {}).get("pid"))
            ),
            what=f"attempt {attempt}",
        )
        time.sleep(chance.uniform(0.0, 0.25))
        owner = place.runs.get(run)["owner"] or {}
        if "pid" in owner:
            kill(owner["pid"])
            killed += 1
    row = place.ended(run)
    assert (row["state"], row["epoch"]) == ("completed", 60)
    died = [one.cause for one in place.attempts(run) if one.cause]
    assert died
    assert set(died) == {"process_died"}
    assert place.hashes(run) == expected
    place.sound(run)


# One checkpoint of best weights and one of the state are some 30 calls: the first pair, and the second, which
# also removes older ones.
@pytest.mark.parametrize("number", range(times(3, 40), times(41, 75), times(6, 1)))
def test_killed_at_any_call_of_a_checkpoint_the_one_before_or_the_new_one_loads(place, undisturbed, number):
    place.faults({"fault": "save_often"}, {"fault": "at_io", "do": "kill", "n": number, "attempts": [1]})
    run = place.train()
    assert place.ended(run)["state"] == "completed"
    assert (place.root / "io-calls.txt").exists(), "the fault did not happen"
    assert [one.cause for one in place.attempts(run)] == ["process_died", None]
    assert place.hashes(run) == undisturbed()
    place.sound(run)


@pytest.mark.parametrize("number", [2, 40])
def test_killed_in_the_middle_of_a_write_the_torn_file_is_never_taken_for_good(place, undisturbed, number):
    fault = {"fault": "at_io", "do": "tear", "bytes": 1000, "n": number, "attempts": [1]}
    place.faults({"fault": "save_often"}, fault)
    run = place.train()
    assert place.ended(run)["state"] == "completed"
    assert [one.cause for one in place.attempts(run)] == ["process_died", None]
    assert place.hashes(run) == undisturbed()
    place.sound(run)
