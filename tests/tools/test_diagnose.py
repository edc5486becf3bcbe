"""Other people's runs through the front door: a path or a text, what was understood, what could not be judged."""

import shutil
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "diagnosis" / "golden"
CSV = "epoch,train_loss,val_loss\n" + "\n".join(
    f"{epoch},{train},{val}"
    for epoch, (train, val) in enumerate([(1, 1.1), (0.5, 0.8), (0.3, 0.9), (0.2, 1.2), (0.1, 1.5), (0.05, 1.9)])
)


def test_a_file_of_the_workspace_is_read_and_judged(call, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "metrics.csv").write_text(CSV)

    by_path, by_text = call("diagnose", log="logs/metrics.csv"), call("diagnose", log=CSV)

    assert by_path["findings"][0]["code"] == "overfitting"
    assert by_path["findings"] == by_text["findings"]
    assert by_path["read"]["columns"] == {"train_loss": "train_loss", "val_loss": "val_loss"}
    assert "Read 6 epochs of train_loss, val_loss from a CSV log." in by_path["summary"]
    assert "causes by the learning rate (no rate)" in by_path["read"]["not_judged"]
    assert "Not judged: " in by_path["summary"]


def test_numbers_told_beside_a_log_are_judged_too(call):
    answer = call("diagnose", log=CSV, symptoms="Adam, lr 0.001, 10 classes")

    assert not [sentence for sentence in answer["read"]["not_judged"] if "rate" in sentence or "guessing" in sentence]


def test_an_event_file_and_a_folder_of_them_are_read(call, tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "runs")

    assert call("diagnose", log="runs/events.out.tfevents.torch")["read"]["epochs"] == 6
    assert call("diagnose", log="runs/keras")["read"]["columns"]["val_loss"] == "val_epoch_loss"


def test_a_traceback_is_named_and_the_missing_course_is_said(call):
    answer = call("diagnose", log='File "train.py", line 3\n    m(x)\nRuntimeError: mat1 and mat2 shapes cannot be '
                                  "multiplied (4x12 and 10x2)")  # fmt: skip

    assert [finding["code"] for finding in answer["findings"]] == ["layer_shape_mismatch"]
    assert answer["findings"][0]["evidence"]["where"] == "train.py:3"
    assert "no numbers by epoch" in answer["summary"]


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ("missing.csv", "file_not_found"),
        ("../outside.log", "path_outside_workspace"),
        ("/etc/hostname.log", "path_outside_workspace"),
        ("weights.bin", None),
        ("blob.log", "not_a_log"),
        ("nothing.csv", "empty_file"),
    ],
)
def test_a_path_that_cannot_be_read_is_refused(call, refuse, tmp_path, log, code):
    (tmp_path / "blob.log").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "nothing.csv").write_bytes(b"")

    if code is None:
        assert call("diagnose", log=log)["findings"] == []  # one word that names no file is a text
    else:
        assert (refuse("diagnose", log=log)["code"], refuse("diagnose", log=log)["argument"]) == (code, "log")


def test_a_link_out_of_the_workspace_is_not_followed(refuse, tmp_path):
    outside = tmp_path.parent / "secret.log"
    outside.write_text("loss: nan")
    (tmp_path / "log.log").symlink_to(outside)

    assert refuse("diagnose", log="log.log")["code"] == "path_outside_workspace"
