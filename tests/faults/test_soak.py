"""Row 40: a stream of runs to which all kinds of harm come at random, for a long time, by a seed that is told."""

import os
import random
import signal
import time

import psutil
import pytest

from tests.faults.machinery import Server, all_ended, kill, times
from tests.waiting import until

SECONDS = times(20, 240)
SEED = 20261124


def killed(place, server, worker, chance):
    kill(worker)


def asked_to_end(place, server, worker, chance):
    kill(worker, signal.SIGTERM)


def paused(place, server, worker, chance):
    kill(worker, signal.SIGSTOP)
    time.sleep(chance.uniform(0.1, 1.0))
    kill(worker, signal.SIGCONT)


def asked_for_much(place, server, worker, chance):
    for _ in range(50):
        server.call(chance.choice(["list_runs", "system_info"]))


def nothing(place, server, worker, chance):
    pass


HARMS = (killed, asked_to_end, paused, asked_for_much, nothing)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEED, SEED + times(1, 5)))
def test_random_harm_for_a_long_time_costs_no_run_and_no_memory(place, undisturbed, seed, record_property):
    chance = random.Random(seed)
    expected = undisturbed(epochs=30)
    made = place.prepare()
    place.faults({"fault": "save_often"})
    runs, sizes, harms = [], [], 0
    end = time.monotonic() + SECONDS
    with Server(place.root) as server:
        while time.monotonic() < end:
            given = {"epochs": 30, "early_stopping": 0, "batch_size": 64, "seed": 7, "deterministic": True}
            runs.append(server.call("train", **made, **given, max_attempts=20)["run"])
            for _ in range(chance.randint(1, 4)):
                time.sleep(chance.uniform(0.0, 0.3))
                owner = place.runs.get(runs[-1])["owner"] or {}
                if "pid" in owner:
                    chance.choice(HARMS)(place, server, owner["pid"], chance)
                    harms += 1
            until(lambda: place.runs.get(runs[-1])["ended_at"], what=f"the end of {runs[-1]}")
            sizes.append(psutil.Process(server.process.pid).memory_info().rss)
        all_ended(place, runs)
        assert server.close() == 0
    record_property("times", harms)
    assert harms > 0
    for run in runs:
        row = place.runs.get(run)
        assert (row["state"], row["epoch"]) == ("completed", 30), (run, row["cause"], row["message"])
        assert place.hashes(run) == expected
        place.sound(run)
    settled = sizes[len(sizes) // 3]
    assert sizes[-1] < 1.05 * settled + 2**22, [size // 2**20 for size in sizes]
    assert not [one for one in os.listdir(place.services.workspace.state / "runs") if one not in runs]  # noqa: PTH208
