"""Rows 21 and 22: memory of the device and of the host that does not suffice."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.machinery import gone
from tests.waiting import until

GROUPS = Path("/sys/fs/cgroup/memory")


def test_a_device_without_room_for_a_batch_gets_smaller_parts_of_it(place):
    place.faults({"fault": "out_of_memory", "rows": 20})
    run = place.train(epochs=3, batch_size=64)
    row = place.ended(run)
    assert (row["state"], row["epoch"]) == ("completed", 3), row["message"]
    place.sound(run)


def test_out_of_memory_in_the_middle_goes_on_with_the_same_rows_in_a_step(place):
    place.faults({"fault": "save_often"}, {"fault": "out_of_memory", "rows": 40, "step": 30})
    run = place.train(epochs=4, batch_size=64)
    row = place.ended(run)
    assert (row["state"], row["epoch"]) == ("completed", 4), row["message"]
    assert row["step"] == row["total_steps"]
    place.sound(run)


def test_out_of_memory_is_repeated_within_the_step_and_costs_no_attempt(place):
    place.faults({"fault": "out_of_memory", "rows": 40, "step": 30})
    run = place.train(epochs=3, batch_size=64)
    assert place.ended(run)["state"] == "completed"
    assert len(place.attempts(run)) == 1
    assert [one["changes"] for one in place.call("get_run", run=run)["attempts"]] == [{"micro_batch_divisor": 2}]
    assert "Memory ran out within a step" in place.log(run)


def test_a_device_without_room_for_one_row_ends_the_run_with_the_cause(place):
    place.faults({"fault": "out_of_memory", "rows": 0})
    run = place.train(epochs=3)
    row = place.ended(run)
    assert (row["state"], row["cause"]) == ("failed", "out_of_memory")
    place.sound(run, epochs=False)


@pytest.mark.slow
def test_a_real_allocation_that_fails_on_the_host_is_out_of_memory(place):
    data = place.call("prepare_data", source="digits")["data"]
    model = place.call("build_model", data=data, options={"hidden_dims": [8000], "batch_norm": False})["model"]
    place.faults({"fault": "memory", "step": 1, "rows": 600, "bytes": 2**20})
    run = place.train({"model": model, "train_loader": data}, epochs=1, batch_size=1024, deterministic=False)
    row = place.ended(run)
    causes = [one.cause for one in place.attempts(run)]
    assert "out_of_memory" in causes or "micro" in place.log(run), (row["state"], causes, row["message"])
    place.sound(run, epochs=False)


@pytest.mark.slow
def test_a_worker_that_the_kernel_kills_for_memory_is_tried_again(place):
    if not os.access(GROUPS, os.W_OK):
        pytest.skip("no memory cgroup (v1) that may be written")
    group = GROUPS / f"trainwell-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no memory cgroup may be made: {error}")
    try:
        run = place.train(epochs=1000)
        worker = place.worker(run)
        try:
            (group / "cgroup.procs").write_text(str(worker))
            (group / "memory.limit_in_bytes").write_text(str(4 * 2**20))
        except OSError as error:
            os.kill(worker, signal.SIGKILL)
            pytest.skip(f"the memory cgroup does not take a process: {error}")
        until(lambda: gone(worker), what="the kernel's kill")
        until(lambda: place.services.start_waiting() or place.runs.get(run)["attempt"] >= 2, what="another attempt")
        assert place.attempts(run)[0].cause in {"process_died", "host_out_of_memory", "out_of_memory"}
        place.call("stop_run", run=run, wait_seconds=20)
        place.sound(run)
    finally:
        until(lambda: not (group / "cgroup.procs").read_text().strip(), what="an empty cgroup")
        group.rmdir()
