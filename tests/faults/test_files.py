"""Rows 3 and 10-13: calls that fail, and checkpoint files that are not what was written."""

import random

import pytest

from tests.faults.machinery import times
from tests.waiting import until

SEED = 20261124
FILES = ("weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json")


def truncated(content, chance):
    return content[: chance.randrange(len(content))]


def emptied(content, chance):
    return b""


def zero_tailed(content, chance):
    kept = chance.randrange(len(content))
    return content[:kept] + bytes(len(content) - kept)


def flipped(content, chance):
    position = chance.randrange(len(content))
    return content[:position] + bytes([content[position] ^ 1 << chance.randrange(8)]) + content[position + 1 :]


HARMS = [(harm, file) for harm in (truncated, emptied, zero_tailed, flipped) for file in FILES]


def interrupted(place):
    """A run that was killed in its first attempt, behind several checkpoints; nobody has looked at it yet."""
    place.faults({"fault": "save_often", "wait": True}, {"fault": "die", "step": 150, "attempts": [1]})
    run = place.train()
    until(lambda: f"{place.runs.get(run)['owner']}" and len(place.checkpoints(run)) >= 2, what="two checkpoints")
    pid = place.runs.get(run)["owner"].get("pid")
    from tests.faults.machinery import gone

    until(lambda: pid is None or gone(pid), what="its death")
    return run


@pytest.mark.parametrize(("harm", "file"), random.Random(SEED).sample(HARMS, times(6, len(HARMS))))
@pytest.mark.parametrize("seed", range(times(1, 6)))
def test_a_damaged_newest_checkpoint_is_put_aside_and_the_one_before_it_leads_to_the_same_weights(
    place, undisturbed, harm, file, seed
):
    run = interrupted(place)
    newest = place.checkpoints(run)[-1] / file
    whole = newest.read_bytes()
    damaged = harm(whole, random.Random(SEED + seed))
    assert damaged != whole
    newest.write_bytes(damaged)
    assert place.ended(run)["state"] == "completed"
    assert place.hashes(run) == undisturbed()
    assert place.checkpoints(run, f"{newest.parent.name}.corrupt*")
    assert "damaged" in place.log(run)
    place.sound(run)


def test_a_newest_checkpoint_without_its_manifest_is_no_checkpoint(place, undisturbed):
    run = interrupted(place)
    (place.checkpoints(run)[-1] / "manifest.json").unlink()
    assert place.ended(run)["state"] == "completed"
    assert place.hashes(run) == undisturbed()
    place.sound(run)


def test_where_all_checkpoints_are_bad_the_run_ends_and_does_not_pretend(place):
    run = interrupted(place)
    for folder in place.checkpoints(run):
        content = bytearray((folder / "weights.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "weights.safetensors").write_bytes(content)
    row = place.ended(run)
    assert (row["state"], row["cause"]) == ("failed", "checkpoint_damaged")
    assert "damaged" in row["message"]
    place.sound(run, epochs=False)


def test_best_weights_that_are_damaged_are_refused_and_not_used(place):
    place.faults({"fault": "save_often"})
    run = place.train()
    place.ended(run)
    for folder in place.checkpoints(run, "best-????????"):
        (folder / "weights.safetensors").write_bytes(b"nonsense")
    assert place.refuse("evaluate", run=run)["code"] == "checkpoint_damaged"
    place.sound(run)


@pytest.mark.parametrize("number", range(times(2, 38), times(40, 70), times(9, 1)))
def test_a_call_that_fails_with_eio_costs_an_attempt_and_nothing_else(place, undisturbed, number):
    place.faults({"fault": "save_often"}, {"fault": "at_io", "do": "EIO", "n": number, "attempts": [1]})
    run = place.train()
    assert place.ended(run)["state"] == "completed"
    assert (place.root / "io-calls.txt").exists(), "the fault did not happen"
    assert place.attempts(run)[0].cause in {"io_error", None}  # what only tidies up may fail without harm
    assert place.hashes(run) == undisturbed()
    place.sound(run)


@pytest.mark.parametrize("number", range(times(30, 38), times(45, 70), times(7, 1)))
def test_a_call_that_finds_the_disk_full_ends_the_run_and_leaves_the_checkpoint_before(place, number):
    place.faults({"fault": "save_often"}, {"fault": "at_io", "do": "ENOSPC", "n": number})
    run = place.train()
    row = place.ended(run)
    assert (row["state"], row["cause"]) == ("failed", "disk_full")
    assert place.call("evaluate", run=run)["metrics"]["accuracy"] > 0.1
    place.sound(run, epochs=False)


def test_data_that_changed_since_it_was_prepared_does_not_change_the_run(place):
    rows = ["a,b,y", *(f"{i % 7},{i % 5},{'xyz'[i % 3]}" for i in range(300))]
    table = place.root / "table.csv"
    table.write_text("\n".join(rows))
    data = place.call("prepare_data", source="table.csv", target="y")["data"]
    made = {"train_loader": data, "model": place.call("build_model", data=data)["model"]}
    place.faults({"fault": "save_often"}, {"fault": "die", "step": 20, "attempts": [1]})
    run = place.train(made, batch_size=16, epochs=8)
    table.write_text("\n".join(rows[:1] + rows[:0:-1]))
    assert place.ended(run)["state"] == "completed"
    assert place.attempts(run)[0].cause == "process_died"
    again = place.call("prepare_data", source="table.csv", target="y")["data"]
    assert again != data
    place.sound(run)
