"""A run as other programs read it: each file is read again by the program that it is for."""

import json
import re

import pytest

from tests.waiting import ended
from trainwell.reports.exports import html
from trainwell.reports.page import report


@pytest.fixture
def run(services, call):
    data = call("prepare_data", source="iris")["data"]
    model = call("build_model", data=data)["model"]
    run = call("train", model=model, train_loader=data, epochs=4, name="four epochs")["run"]
    assert ended(services, run)["state"] == "completed"
    return run


@pytest.fixture
def losses(services, run):
    return [one.val_loss for one in services.store.history.epochs(run)]


def given(page):
    return json.loads(re.search(r'<script type="application/json" id="given">(.*?)</script>', page, re.DOTALL)[1])


def test_text_from_data_does_not_leave_its_place_in_the_page():
    page = report([{"run": "</script><script>alert(1)</script>"}], {})
    assert given(page)["runs"] == [{"run": "</script><script>alert(1)</script>"}]
    assert page.count("</script>") == 2


def test_a_report_is_one_page_with_all_of_the_run(services, call, refuse, run, losses):
    answer = call("export_run", run=run)
    page = (services.workspace.root / answer["path"]).read_text()
    [told] = given(page)["runs"]
    assert told["full"]["history"]["val_loss"] == losses
    assert told["full"]["arguments"]["name"] == "four epochs"
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert refuse("export_run", run=run)["code"] == "file_exists"
    assert call("export_run", run=run, overwrite=True)["path"] == answer["path"]
    assert refuse("export_run", run=run, path="report.txt")["code"] == "unknown_format"


@pytest.mark.slow
def test_tensorboard_reads_its_event_file(services, call, run, losses):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    answer = call("export_run", run=run, format="tensorboard", path="out/events")
    read = EventAccumulator(str(services.workspace.root / answer["path"])).Reload()
    scalars = read.Scalars("val_loss")
    assert [one.step for one in scalars] == [1, 2, 3, 4]
    assert [one.value for one in scalars] == pytest.approx(losses)
    assert "steps_per_epoch" in read.Tensors("settings")[0].tensor_proto.string_val[0].decode()


@pytest.mark.slow
def test_mlflow_reads_its_folder(services, call, run, losses, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    answer = call("export_run", run=run, format="mlflow")
    folder = services.workspace.root / answer["path"]
    client = MlflowClient(folder.as_uri())
    experiment = client.get_experiment_by_name("trainwell")
    assert experiment.artifact_location == f"{folder.as_uri()}/artifacts"
    [found] = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(found.info.run_id, "val_loss")
    assert [one.value for one in sorted(history, key=lambda one: one.step)] == pytest.approx(losses)
    assert found.data.tags["trainwell.run"] == run
    assert found.info.status == "FINISHED"


def records_of(file):
    """What a .wandb file holds: after 7 bytes of its own a LevelDB log, blocks of 32 KiB with pieces of records."""
    data, at, piece = file.read_bytes(), 7, b""
    while at + 7 < len(data):
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        piece += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # a whole record, or the last piece of one
            yield piece
            piece = b""
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768


@pytest.mark.slow
def test_weights_and_biases_has_an_offline_file(services, call, run, losses):
    from wandb.proto.wandb_internal_pb2 import Record

    answer = call("export_run", run=run, format="wandb")
    [file] = (services.workspace.root / answer["path"]).glob("wandb/offline-run-*/*.wandb")
    logged = []
    for data in records_of(file):
        record = Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            values = {(item.key or item.nested_key[0]): item.value_json for item in record.history.item}
            logged.append(json.loads(values["val_loss"]))
    assert logged == pytest.approx(losses)


def test_a_tracker_that_is_not_installed_or_fails_is_said_and_leaves_nothing(services, refuse, run, monkeypatch):
    monkeypatch.setattr("trainwell.reports.exports.format_of", lambda name: html)
    monkeypatch.setattr(html, "NEEDS", "a_package_that_is_not_here")
    assert refuse("export_run", run=run, format="wandb", path="w.html")["code"] == "extra_missing"
    monkeypatch.setattr(html, "NEEDS", "json")
    monkeypatch.setattr("trainwell.reports.exports.sys.executable", "/bin/false")
    assert refuse("export_run", run=run, format="wandb", path="w.html")["code"] == "export_failed"
    assert not list(services.workspace.root.glob("*w.html*"))
