"""Logs of other programs: every usual format becomes epochs, what is damaged is said, and no bytes make it "
"fall over."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwell.contract.errors import TrainwellError
from trainwell.diagnosis import diagnose, foreign, told, unjudged
from trainwell.diagnosis.foreign import _document, tensorboard

GOLDEN = Path(__file__).parent / "golden"
OVERFITTING = [(1.0, 1.1), (0.6, 0.9), (0.4, 0.8), (0.25, 0.9), (0.15, 1.1), (0.08, 1.3), (0.05, 1.6), (0.03, 1.9)]


def csv_of_lightning():
    rows = ["epoch,lr-Adam,step,train_loss_epoch,train_loss_step,val_loss"]
    for epoch, (train, val) in enumerate(OVERFITTING):
        rows += [f"{epoch},,{epoch * 50 + 9},,{train + 0.5},", f",0.001,{epoch * 50 + 9},,,"]
        rows += [f"{epoch},,{epoch * 50 + 49},,,{val}", f"{epoch},,{epoch * 50 + 49},{train},,"]
    return "\n".join(rows)


def log_of_keras(count=8):
    rows = (f"{epoch},{0.9},{train},{0.7},{val}" for epoch, (train, val) in enumerate(OVERFITTING[:count]))
    return "\n".join(["epoch,accuracy,loss,val_accuracy,val_loss", *rows])


def states_of_trainer():
    history = []
    for epoch, (train, val) in enumerate(OVERFITTING):
        history += [
            {"epoch": epoch + part, "loss": train, "grad_norm": 1.0, "learning_rate": 5e-5, "step": epoch * 2 + 1}
            for part in (0.5, 1.0)
        ]
        history += [{"epoch": epoch + 1.0, "eval_loss": val, "eval_runtime": 3.2, "step": epoch * 2 + 2}]
    return json.dumps({"best_metric": None, "log_history": history}, indent=2)


LOGS = {
    "CSV log of Lightning": csv_of_lightning(),
    "CSV log of Keras": log_of_keras(),
    "CSV log of timm": "\n".join(
        ["epoch,train_loss,eval_loss,eval_top1,eval_top5,lr"]
        + [f"{epoch},{train},{val},60.1,91.0,0.01" for epoch, (train, val) in enumerate(OVERFITTING)]
    ),
    "CSV log of Ultralytics": "\n".join(
        ["                  epoch,   train/box_loss,   train/cls_loss,  metrics/mAP50(B),  val/box_loss,  val/cls_loss"]
        + [f"  {n}, {train / 2}, {train / 2}, 0.4, {val / 2}, {val / 2}" for n, (train, val) in enumerate(OVERFITTING)]
    ),
    "CSV log": "Epoch;Training Loss;Validation Loss\n"
    + "\n".join(f"{epoch};{train};{val}" for epoch, (train, val) in enumerate(OVERFITTING)),
    "table of progress": "learner.fit_one_cycle(8)\nepoch     train_loss  valid_loss  accuracy  time    \n"
    + "\n".join(f"{n}       {train:.6f}    {val:.6f}    0.61    00:12" for n, (train, val) in enumerate(OVERFITTING)),
    "JSON Lines log": "\n".join(
        json.dumps({"epoch": n, "train": {"loss": train}, "val": {"loss": val}, "note": "x"})
        for n, (train, val) in enumerate(OVERFITTING)
    ),
    "JSON log": json.dumps({"history": {"loss": [a for a, _ in OVERFITTING], "val_loss": [b for _, b in OVERFITTING]}}),
    "trainer_state.json of Hugging Face": states_of_trainer(),
    "text log": "\n".join(
        f"2026-01-01 12:00:0{n} INFO: Epoch {n}/10 | 100%|####| 50/50 loss: {train:.4f} - val_loss: {val:.4f} lr 3e-4"
        for n, (train, val) in enumerate(OVERFITTING)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
def test_a_log_of_any_usual_format_becomes_epochs_and_a_finding(name):
    reading = foreign.read_text(LOGS[name])
    trace = told(log=reading)

    assert name in reading.format or reading.format in (name, "table log")
    seen = [(record.train_loss, record.val_loss) for record in trace.epochs]
    assert seen == [(pytest.approx(train), pytest.approx(val)) for train, val in OVERFITTING]
    assert [finding.code for finding in diagnose(trace)] == ["overfitting"]


def test_columns_that_were_not_understood_are_named():
    reading = foreign.read_text(LOGS["CSV log of timm"])

    assert reading.columns["val_accuracy"] == "eval_top1"
    assert reading.ignored == ["eval_top5"]
    assert told(log=reading).epochs[0].val_accuracy == pytest.approx(0.601)


def test_of_several_losses_none_is_taken_for_the_whole():
    text = "step,g_loss,d_loss\n" + "\n".join(f"{n},1.{n},0.5" for n in range(9))

    assert foreign.read_text("epoch,loss,g_loss\n1,2.0,1.0\n").rows[0]["train_loss"] == 2.0
    assert "train_loss" not in foreign.read_text(text).columns


def test_the_score_of_a_table_that_tells_both_losses_is_of_validation():
    reading = foreign.read_text(LOGS["table of progress"])

    assert reading.columns["val_accuracy"] == "accuracy"


def test_many_steps_become_blocks_that_end_where_validation_was_measured():
    lines = [
        f"step {n} | loss {2 - n / 100:.3f} | lr 3e-4" + (" | val_loss 1.5" if n % 20 == 0 else "")
        for n in range(1, 101)
    ]

    reading = foreign.read_text("\n".join(lines))

    assert len(reading.rows) == 5
    assert [row["step"] for row in reading.rows] == [20, 40, 60, 80, 100]
    assert reading.rows[0]["train_loss"] == pytest.approx(2 - 10.5 / 100)
    assert "stand for epochs" in reading.notes[0]


def test_nan_among_the_steps_of_a_block_is_not_averaged_away():
    lines = [f"iter {n}: loss {'nan' if n > 400 else 1 / n}" for n in range(1, 601)]

    assert diagnose(told(log="\n".join(lines)))[0].code == "non_finite_loss"


def test_nan_for_what_was_not_measured_is_no_fault():
    rows = [f"{n},{'nan' if n % 2 else 1 / (n + 1)},{1 / (n + 1) if n % 2 else 'nan'}" for n in range(20)]

    assert diagnose(told(log="\n".join(["epoch,val_loss,train_loss", *rows]))) == []


def test_an_event_file_of_torch_is_read_without_tensorboard():
    reading = foreign.read_path(GOLDEN / "events.out.tfevents.torch")

    assert reading.format == tensorboard.FORMAT
    assert reading.columns | {"step": ""} == {
        "train_loss": "Loss/train",
        "val_loss": "Loss/val",
        "epoch": "epoch",
        "step": "",
    }
    assert [round(row["train_loss"], 3) for row in reading.rows] == [1.0, 0.5, 0.333, 0.25, 0.2, 0.167]
    assert [record.epoch for record in told(log=reading).epochs] == list(range(6))


def test_a_folder_of_keras_tells_training_from_validation():
    reading = foreign.read_path(GOLDEN / "keras")

    assert [(row["train_loss"], row["val_loss"]) for row in reading.rows] == [
        (pytest.approx(train), pytest.approx(val)) for train, val in [(1.0, 1.1), (0.5, 1.0), (0.3, 1.2), (0.2, 1.5)]
    ]
    assert reading.notes == []


def test_the_checksum_is_crc32c():
    crc = (tensorboard.masked_crc(b"123456789") - 0xA282EAD8) & 0xFFFFFFFF

    assert ((crc << 15) | (crc >> 17)) & 0xFFFFFFFF == 0xE3069283  # RFC 3720, appendix B.4


def test_a_damaged_event_file_is_read_up_to_the_damage(tmp_path):
    whole = (GOLDEN / "events.out.tfevents.torch").read_bytes()
    cut, flipped = tmp_path / "events.out.tfevents.cut", tmp_path / "events.out.tfevents.flipped"
    cut.write_bytes(whole[:400])
    flipped.write_bytes(whole[:380] + bytes([whole[380] ^ 1]) + whole[381:])

    for path in (cut, flipped):
        reading = foreign.read_path(path)
        assert 0 < len(reading.rows) < 6
        assert reading.notes == ["The event file ends in a record that is cut or damaged."]


def test_records_that_are_large_are_skipped_by_their_length(tmp_path):
    def record(data):
        length = struct.pack("<Q", len(data))
        crcs = (struct.pack("<I", tensorboard.masked_crc(part)) for part in (length, data))
        return length + next(crcs) + data + next(crcs)

    whole = (GOLDEN / "events.out.tfevents.torch").read_bytes()
    path = tmp_path / "events.out.tfevents.images"
    path.write_bytes(record(bytes(100_000)) + whole)

    assert len(foreign.read_path(path).rows) == 6


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.csv", b"", "empty_file"),
        ("events.out.tfevents.1", b"\x08\x00\x00\x00\x00\x00\x00\x00nothing", "bad_event_file"),
        ("weights.bin", bytes(range(256)) * 20, "not_a_log"),
    ],
)
def test_a_file_that_is_no_log_is_refused(tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(TrainwellError) as refused:
        foreign.read_path(tmp_path / name)

    assert (refused.value.code, refused.value.argument) == (code, "log")


def test_a_folder_of_several_runs_must_be_narrowed(tmp_path):
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "events.out.tfevents.1").write_bytes((GOLDEN / "events.out.tfevents.torch").read_bytes())

    with pytest.raises(TrainwellError) as refused:
        foreign.read_path(tmp_path)

    assert refused.value.code == "ambiguous_folder"
    assert '"a", "b"' in refused.value.hint
    assert len(foreign.read_path(tmp_path / "a").rows) == 6


def test_of_a_large_file_the_beginning_and_the_end_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_document, "HEAD_BYTES", 200)
    monkeypatch.setattr(_document, "TAIL_BYTES", 400)
    path = tmp_path / "log.csv"
    path.write_text("epoch,train_loss\n" + "\n".join(f"{n},{1000 - n}.25" for n in range(1000)))

    reading = foreign.read_path(path)

    epochs = [row["epoch"] for row in reading.rows]
    assert (epochs[0], epochs[-1]) == (0, 999)
    assert len(epochs) < 100
    assert all(row["train_loss"] == 1000.25 - row["epoch"] for row in reading.rows)
    assert "The file is large" in reading.notes[0]


def test_what_a_poor_log_cannot_show_is_said():
    poor = unjudged(told(log="epoch,train_loss\n" + "\n".join(f"{n},{1 / n}" for n in range(1, 9))))
    rich = unjudged(
        told(log="\n".join(f"epoch {n} loss {1 / n} val_loss {1 / n} lr 0.1 grad_norm 1.0" for n in range(1, 9)))
    )

    assert [sentence for sentence in poor if "rate" in sentence or "overfitting" in sentence or "gradient" in sentence]
    assert not [
        sentence for sentence in rich if "rate" in sentence or "overfitting" in sentence or "gradient" in sentence
    ]


# Property: whatever stands in a log, reading it ends with rows or with a refusal of ours.

LINES = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from([
            "epoch,train_loss,val_loss", "epoch\ttrain_loss", "1,2", '{"epoch": 1, "loss": NaN}', '{"loss": [1, {}]}',
            "[", "{", '"',
            "epoch train_loss valid_loss", "1/3 0.5 nan", "Epoch 1e999 loss 1e999", "epoch,loss\n1e400,-",
            "epoch 99999999999999999999 loss: 1", "Traceback (most recent call last):", "loss=tensor(nan)", "\x00,\x00",
            '{"log_history": 3}', '{"mode": "val", "step": -1e308, "acc": 1e308}', "step,loss", "inf,inf",
        ]),
    ),
    max_size=12,
)  # fmt: skip


@given(LINES)
def test_no_text_makes_a_reader_fall_over(lines):
    reading = foreign.read_text("\n".join(lines))

    findings = diagnose(told(log=reading))
    json.dumps([finding.model_dump() for finding in findings] + unjudged(told(log=reading)), allow_nan=False)
    assert all(isinstance(value, float) for row in reading.rows for value in row.values())


@given(st.binary(max_size=300), st.integers(0, 1000), st.booleans())
def test_no_bytes_make_a_reader_fall_over(tmp_path_factory, junk, place, named):
    whole = (GOLDEN / "events.out.tfevents.torch").read_bytes()
    path = tmp_path_factory.getbasetemp() / ("events.out.tfevents.x" if named else "x.log")
    path.write_bytes(whole[:place] + junk)

    try:
        outcome = "rows" if foreign.read_path(path).rows else "none"
    except TrainwellError as error:
        outcome = error.code

    assert outcome in ("rows", "none", "empty_file", "bad_event_file", "not_a_log")


@given(st.binary(max_size=200))
def test_no_message_makes_the_decoder_fall_over(data):
    assert all(isinstance(value, float) for _, _, value in tensorboard._scalars(data))
