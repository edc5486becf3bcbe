"""What a training survives within its process: memory, disks and numbers that run out."""

import errno
import math
import os
import shutil
import threading
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from tests.training.jobs import digits, job, network, spec
from tests.training.test_fit import always_look, always_save  # noqa: F401 - fixtures
from trainwell.contract.errors import TrainwellError
from trainwell.store import atomic
from trainwell.training import checkpoint, room
from trainwell.training.checkpoint import Checkpoint
from trainwell.training.errors import NonFiniteLoss
from trainwell.training.fit import fit
from trainwell.training.writer import Writer

DIGITS = digits(train=300, validation=100)
Usage = namedtuple("Usage", "total used free")


def small_device(module, rows):
    """A network on a device without memory for more than so many rows, and the rows that it was trained on."""
    seen = []

    def full(_module, inputs):
        if module.training and len(inputs[0]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        if module.training:
            seen.append(len(inputs[0]))

    module.register_forward_pre_hook(full)
    return module, seen


def test_a_step_without_memory_is_made_again_in_smaller_parts_and_no_row_is_lost(tmp_path):
    def curve(folder, module, **options):
        records = []
        fit(job(tmp_path / folder, module, DIGITS, spec(epochs=3), on_epoch=records.append, **options))
        return [record.train_loss for record in records]

    changes = []
    module, seen = small_device(network(), 20)
    cut = curve("cut", module, on_change=changes.append)

    assert cut == pytest.approx(curve("plain", network()), rel=1e-4)
    assert changes == [{"micro_batch_divisor": 4}]
    assert sum(seen) == 3 * 300


def test_where_smaller_parts_do_not_help_the_attempt_ends(tmp_path):
    module, _ = small_device(network(), 0)
    with pytest.raises(torch.OutOfMemoryError):
        fit(job(tmp_path, module, DIGITS, on_change=lambda _: pytest.fail("nothing helped")))


def test_a_write_goes_on_beside_the_training_and_the_next_waits_for_it():
    writer, go = Writer(), threading.Event()
    writer.start(go.wait)
    assert writer.busy()
    go.set()
    writer.wait()
    assert not writer.busy()


def test_what_a_write_died_of_is_raised_once_where_somebody_looks():
    writer = Writer()
    writer.start(Path("/nowhere").stat)
    with pytest.raises(FileNotFoundError):
        writer.wait()
    assert not writer.busy()


@pytest.mark.usefixtures("always_save")
def test_what_is_written_is_the_state_at_the_save_and_not_a_later_one(tmp_path, monkeypatch):
    run = spec(epochs=2, deterministic=True)
    real, states = checkpoint.write_step, []

    def write(folder, step, content, *more):
        states.append({name: tensor.clone() for name, tensor in content.weights.items()})
        return real(folder, step, content, *more)

    monkeypatch.setattr(checkpoint, "write_step", write)
    module = network()
    fit(job(tmp_path, module, DIGITS, run))
    live = {tensor.untyped_storage().data_ptr() for tensor in module.state_dict().values()}
    written, _ = checkpoint.read_last(tmp_path / "checkpoints")
    assert all(torch.equal(written[name], tensor) for name, tensor in states[-1].items())
    assert not live & {tensor.untyped_storage().data_ptr() for tensor in written.values()}


@pytest.mark.usefixtures("always_save")
def test_a_disk_without_room_ends_the_training_with_what_is_needed_and_keeps_what_is_there(tmp_path, monkeypatch):
    def little(_folder):
        done = list((tmp_path / "checkpoints").glob("step-*"))
        return Usage(10**9, 0, 17 if done else 10**9)

    monkeypatch.setattr(shutil, "disk_usage", little)
    with pytest.raises(TrainwellError) as error:
        fit(job(tmp_path, network(), DIGITS, spec(epochs=5)))
    assert error.value.code == "disk_full"
    assert "17 are free" in str(error.value)
    assert checkpoint.newest_good(tmp_path / "checkpoints") is not None
    monkeypatch.undo()
    assert fit(job(tmp_path, network(), DIGITS, spec(epochs=5))).resumed_from_step > 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_found_full_while_writing_leaves_no_temporary_file(tmp_path, monkeypatch, number):
    def full(_handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainwellError) as error:
        fit(job(tmp_path, network(), DIGITS, spec(epochs=1)))
    assert error.value.code == "disk_full"
    assert not list((tmp_path / "checkpoints").glob(f"{atomic.TEMPORARY}*"))


def test_a_nan_is_never_saved_but_infinity_may_be():
    def content(value):
        return Checkpoint({"a": torch.tensor([0.0, value])}, {"empty": torch.zeros(0)}, {"step": 3})

    room.must_be_numbers(content(-math.inf), 1)
    with pytest.raises(NonFiniteLoss):
        room.must_be_numbers(content(math.nan), 1)


@pytest.mark.usefixtures("always_save")
def test_a_damaged_checkpoint_is_told_to_the_record(tmp_path):
    run = spec(epochs=4, deterministic=True)
    fit(job(tmp_path, network(), DIGITS, run))
    newest = checkpoint.newest_good(tmp_path / "checkpoints")
    (newest / "weights.safetensors").write_bytes(b"torn")
    notes = []
    outcome = fit(job(tmp_path, network(), DIGITS, run, on_note=notes.append))
    assert len(notes) == 1
    assert notes[0].startswith(f"{newest.name} was damaged")
    assert notes[0].endswith(f"went on from step {outcome.resumed_from_step}.")


@pytest.mark.usefixtures("always_look")
def test_a_time_limit_counts_all_attempts(tmp_path):
    run = spec(epochs=1000, max_minutes=0.001)
    first = fit(job(tmp_path, network(), DIGITS, run))
    again = fit(job(tmp_path, network(), DIGITS, run))
    assert (first.reason, again.reason) == ("time_limit", "time_limit")
    assert again.steps == first.steps
