import errno
import json
import os
import pickle  # noqa: TID251 - to see it refused
import random
from contextlib import suppress

import pytest
import torch
from safetensors.torch import save_file

from tests.training.jobs import network
from trainwell.contract.errors import TrainwellError
from trainwell.store import atomic
from trainwell.training import checkpoint
from trainwell.training.checkpoint import Checkpoint

WEIGHTS = {name: tensor.clone() for name, tensor in network(batch_norm=True).state_dict().items()}


def content(step, best=None):
    return Checkpoint(WEIGHTS, {"moment": torch.full((3,), float(step))}, {"step": step, "best_step": best, "epoch": 1})


def saved(folder, *steps):
    checkpoint.clean(folder)
    for step in steps:
        checkpoint.write_step(folder, step, content(step))
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_is_read_bit_for_bit(tmp_path):
    path = checkpoint.newest_good(saved(tmp_path / "c", 7))
    back = checkpoint.read_checkpoint(path)

    assert all(torch.equal(back.weights[name], tensor) for name, tensor in WEIGHTS.items())
    assert back.weights.keys() == WEIGHTS.keys()
    assert torch.equal(back.optimizer["moment"], torch.full((3,), 7.0))
    assert back.state["step"] == 7


def test_the_newest_two_are_kept_and_the_best_that_they_name(tmp_path):
    folder = tmp_path
    for step in (1, 2, 3, 4):
        best = {1: 1, 2: 1, 3: 3, 4: 3}[step]
        if step == best:
            checkpoint.write_best(folder, best, WEIGHTS, {"step": best, "epoch": best, "metrics": {}})
        checkpoint.write_step(folder, step, content(step, best))

    assert names(folder) == ["best-00000003", "step-00000003", "step-00000004"]
    assert checkpoint.read_best(folder)[1]["step"] == 3
    assert checkpoint.read_last(folder)[1]["step"] == 4


def test_a_state_that_is_known_to_be_sound_is_kept_and_gone_back_to(tmp_path):
    for step in (1, 2, 3, 4, 5):
        checkpoint.write_step(tmp_path, step, content(step), healthy=2)

    assert names(tmp_path) == ["step-00000002", "step-00000004", "step-00000005"]
    assert checkpoint.go_back(tmp_path, 3) == (2, 1)
    assert names(tmp_path) == ["step-00000002"]
    assert checkpoint.go_back(tmp_path, None) == (0, 0)
    assert names(tmp_path) == []


def harm(path, kind, chance):
    size = path.stat().st_size
    if kind == "cut":
        os.truncate(path, chance.randrange(size))
    elif kind == "zero tail":
        start = chance.randrange(size - 1)
        before = path.read_bytes()
        path.write_bytes(before[:start] + bytes(size - start))
        return path.read_bytes() != before
    elif kind == "flip":
        data = bytearray(path.read_bytes())
        data[chance.randrange(size)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    else:
        path.unlink()
    return True


@pytest.mark.parametrize("kind", ["cut", "zero tail", "flip", "gone"])
@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(tmp_path, kind, file):
    chance = random.Random(f"{kind}{file}")
    for number in range(5):
        folder = saved(tmp_path / str(number), 1, 2)
        if not harm(folder / "step-00000002" / file, kind, chance):
            continue
        told = []
        assert checkpoint.newest_good(folder, told.append).name == "step-00000001"
        assert names(folder) == ["step-00000001", "step-00000002.corrupt"]
        assert len(told) == 1
        checkpoint.write_step(folder, 2, content(2))
        assert checkpoint.newest_good(folder).name == "step-00000002"


def test_with_every_checkpoint_damaged_it_does_not_pretend_to_be_at_the_beginning(tmp_path):
    folder = saved(tmp_path, 1, 2)
    for path in folder.iterdir():
        (path / "weights.safetensors").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(TrainwellError) as error:
            checkpoint.newest_good(folder)
        assert error.value.code == "checkpoint_damaged"


def test_a_run_that_never_saved_has_no_checkpoint(tmp_path):
    assert checkpoint.newest_good(tmp_path) is None
    with pytest.raises(TrainwellError) as error:
        checkpoint.read_best(tmp_path)
    assert error.value.code == "no_checkpoint"


class Failing:
    """A function whose n-th call finds the disk full."""

    def __init__(self, real, failing):
        self.real, self.left = real, failing

    def __call__(self, *arguments):
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.real(*arguments)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_whichever_write_fails_the_checkpoint_before_stays_whole(tmp_path, monkeypatch, call):
    folder = saved(tmp_path, 1)
    for failing in range(1, 20):
        with monkeypatch.context() as patch, suppress(OSError):
            patch.setattr(os, call, Failing(getattr(os, call), failing))
            checkpoint.write_step(folder, 2, content(2))
            break
        assert checkpoint.newest_good(folder).name in {"step-00000001", "step-00000002"}
        assert not list(folder.glob(f"{atomic.TEMPORARY}*"))
        assert not list(folder.glob("*.corrupt*"))
    assert failing > 1
    assert checkpoint.newest_good(folder).name == "step-00000002"


def test_what_a_killed_writer_left_behind_is_swept(tmp_path):
    dead = tmp_path / f"{atomic.TEMPORARY}{2**22 + 1}-step-00000009"
    alive = tmp_path / f"{atomic.TEMPORARY}{os.getppid()}-step-00000009"
    for path in (dead, alive):
        path.mkdir()
    checkpoint.clean(tmp_path)

    assert names(tmp_path) == [alive.name]


def test_going_back_forgets_what_came_after(tmp_path):
    folder = saved(tmp_path, 1, 5)
    for step in (1, 5):
        checkpoint.write_best(folder, step, WEIGHTS, {"step": step})
    checkpoint.forget_after(folder, 1, 1)

    assert names(folder) == ["best-00000001", "step-00000001"]


def test_tied_weights_are_written_whole(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    tied = {"a": shared, "b": shared, "c": shared.t(), "d": shared[0]}
    checkpoint.export_file(tmp_path / "x.safetensors", tied, {})
    back, _ = checkpoint.read_file(tmp_path / "x.safetensors")

    assert all(torch.equal(back[name], tensor) for name, tensor in tied.items())


CARD = {"model": {"architecture": "mlp"}, "metrics": {"val_accuracy": 0.5}, "words": "naïve \u202e"}


def test_a_portable_file_gives_back_weights_and_card(tmp_path):
    path = tmp_path / "x.safetensors"
    sha256 = checkpoint.export_file(path, WEIGHTS, CARD)
    weights, card = checkpoint.read_file(path)

    assert card == CARD
    assert len(sha256) == 64
    assert all(torch.equal(weights[name], tensor) for name, tensor in WEIGHTS.items())
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("kind", ["cut", "zero tail", "flip"])
def test_a_damaged_portable_file_is_never_read(tmp_path, kind):
    chance = random.Random(kind)
    path = tmp_path / "x.safetensors"
    for _ in range(40):
        checkpoint.export_file(path, WEIGHTS, CARD)
        if harm(path, kind, chance):
            with pytest.raises(TrainwellError) as error:
                checkpoint.read_file(path)
            assert error.value.code in {"checkpoint_damaged", "not_a_checkpoint"}


def test_a_changed_card_is_found_out(tmp_path):
    path = tmp_path / "x.safetensors"
    checkpoint.export_file(path, WEIGHTS, CARD)
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.9"))
    with pytest.raises(TrainwellError) as error:
        checkpoint.read_file(path)
    assert error.value.code == "checkpoint_damaged"


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (lambda path: torch.save(WEIGHTS, path), "pickle_refused"),
        (lambda path: torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False), "pickle_refused"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "pickle_refused"),
        (lambda path: path.write_bytes(b""), "not_a_checkpoint"),
        (lambda path: path.write_text("a,b\n1,2\n"), "not_a_checkpoint"),
        (lambda path: path.write_bytes(b"\xff" * 8 + b"{"), "checkpoint_damaged"),
        (lambda path: save_file(WEIGHTS, path), "not_a_checkpoint"),
        (lambda path: save_file(WEIGHTS, path, {"format": "pt"}), "not_a_checkpoint"),
    ],
    ids=["zip", "legacy", "pickle", "empty", "csv", "length", "bare", "foreign"],
)
def test_other_files_are_refused_by_what_they_contain(tmp_path, write, code):
    path = tmp_path / "model.safetensors"
    write(path)
    with pytest.raises(TrainwellError) as error:
        checkpoint.read_file(path)
    assert error.value.code == code
    assert path.name in json.dumps(error.value.to_json())
