"""Data sets in the layouts of the library datasets, all local: nothing here has a network."""

from __future__ import annotations

import json
import shutil
import sys

import huggingface_hub
import numpy as np
import polars as pl
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value
from PIL import Image as Picture

from tests.texts import TOPICS, docstrings
from trainwell import data
from trainwell.contract.errors import TrainwellError
from trainwell.data import hub as datasets
from trainwell.store import hub
from trainwell.store.workspace import Workspace

TEXTS = docstrings()[:300]
PARTS = {"train": TEXTS[:200], "validation": TEXTS[200:240], "test": TEXTS[240:]}
FEATURES = Features({"text": Value("string"), "topic": ClassLabel(names=list(TOPICS))})


def dataset(rows):
    columns = {"text": [text for text, _ in rows], "topic": [TOPICS.index(topic) for _, topic in rows]}
    return Dataset.from_dict(columns, features=FEATURES)


@pytest.fixture
def repository(workspace):
    """As a repository lies on the hub: Parquet files by part, and a card."""
    folder = workspace.root / "topics"
    (folder / "data").mkdir(parents=True)
    for part, rows in PARTS.items():
        dataset(rows).to_parquet(folder / "data" / f"{part}-00000-of-00001.parquet")
    (folder / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: ../secret.csv\n---\n")
    return folder


def check(workspace, prepared):
    assert (prepared.kind, prepared.classes) == ("text", TOPICS)
    assert prepared.splits == {part: len(rows) for part, rows in PARTS.items()}
    for part, rows in PARTS.items():
        split = data.load_split(workspace, prepared, part)
        assert [prepared.classes[number] for number in split.target] == [rows[row][1] for row in split.rows]


def test_a_repository_keeps_its_parts_and_its_class_names(workspace, repository):
    check(workspace, data.prepare(workspace, {"source": "topics", "target": "topic"}))
    assert data.inspect(workspace, {"source": "topics"})["target_candidates"] == ["topic"]


def test_what_save_to_disk_wrote_is_read_alike(workspace):
    DatasetDict({part: dataset(rows) for part, rows in PARTS.items()}).save_to_disk(workspace.root / "saved")
    check(workspace, data.prepare(workspace, {"source": "saved", "target": "topic"}))
    dataset(TEXTS).save_to_disk(workspace.root / "single")
    prepared = data.prepare(workspace, {"source": "single", "target": "topic"})
    assert sum(prepared.splits.values()) == len(TEXTS)


def test_csv_and_json_lines_by_part_are_read_too(workspace):
    for place, write in (("c", "to_csv"), ("j", "to_json")):
        folder = workspace.root / place
        folder.mkdir()
        for part, rows in PARTS.items():
            frame = Dataset.from_dict({"text": [row[0] for row in rows], "topic": [row[1] for row in rows]})
            {"to_csv": frame.to_csv, "to_json": frame.to_json}[write](
                folder / f"{part}.{'csv' if place == 'c' else 'jsonl'}"
            )
        check(workspace, data.prepare(workspace, {"source": place, "target": "topic"}))


def test_a_table_of_numbers_stays_a_table(workspace):
    random = np.random.default_rng(0)
    folder = workspace.root / "t"
    folder.mkdir()
    for part, rows in (("train", 80), ("test", 20)):
        frame = {"a": random.normal(size=rows), "b": random.normal(size=rows), "y": random.integers(0, 2, rows)}
        Dataset.from_dict(frame).to_parquet(folder / f"{part}.parquet")
    prepared = data.prepare(workspace, {"source": "t", "target": "y"})
    assert (prepared.kind, prepared.splits["test"]) == ("tabular", 20)


def test_an_image_with_a_class_becomes_a_file_in_its_folder(workspace):
    pictures = [Picture.fromarray(np.full((4, 4, 3), shade, np.uint8)) for shade in (0, 90, 200)]
    features = Features({"image": Image(), "label": ClassLabel(names=["dark", "light"])})
    made = Dataset.from_dict({"image": pictures, "label": [0, 1, -1]}, features=features)
    (workspace.root / "pics").mkdir()
    made.to_parquet(workspace.root / "pics" / "train-0.parquet")
    place = datasets.parts_of(workspace, "pics", "source")["train"]
    assert sorted(str(file.relative_to(place)) for file in place.rglob("*.png")) == [
        "dark/0000000.png",
        "light/0000001.png",
    ]


def test_a_changed_repository_is_read_anew_and_an_unchanged_one_is_not(workspace, repository, monkeypatch):
    first = data.prepare(workspace, {"source": "topics", "target": "topic"})
    monkeypatch.setattr(datasets, "_export", lambda *_: pytest.fail("exported twice"))
    assert data.prepare(workspace, {"source": "topics", "target": "topic"}).handle == first.handle
    monkeypatch.undo()
    dataset(TEXTS[:150]).to_parquet(repository / "data" / "train-00000-of-00001.parquet")
    assert data.prepare(workspace, {"source": "topics", "target": "topic"}).splits["train"] == 150


def test_the_hub_is_not_asked_unless_that_was_allowed(workspace, monkeypatch):
    asked = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *name, **_: asked.append(name))
    with pytest.raises(TrainwellError) as refusal:
        data.prepare(workspace, {"source": "hub://someone/topics", "target": "topic"})
    assert (refusal.value.code, asked) == ("not_allowed", [])
    for name in ("hub://", "hub://../../etc", "hub://a/b/c"):
        with pytest.raises(TrainwellError) as refusal:
            data.prepare(workspace, {"source": name, "target": "topic"})
        assert refusal.value.code == "bad_hub_name"


def test_what_was_downloaded_once_needs_neither_hub_nor_permission_again(tmp_path, repository, monkeypatch):
    def download(name, *, repo_type, local_dir, allow_patterns, token):
        assert (name, repo_type, token) == ("someone/topics", "dataset", False)
        assert not any(".py" in pattern for pattern in allow_patterns)
        shutil.copytree(repository, local_dir)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    allowed = Workspace.open(tmp_path, allow=["hub"])
    check(allowed, data.prepare(allowed, {"source": "hub://someone/topics", "target": "topic"}))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked again"))
    plain = Workspace.open(tmp_path)
    check(plain, data.prepare(plain, {"source": "hub://someone/topics", "target": "topic"}))


def test_a_hub_that_cannot_be_reached_is_said_so(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(TrainwellError) as refusal:
        hub.snapshot(Workspace.open(tmp_path, allow=["hub"]), "hub://a/b", "dataset", ["*.csv"], "source")
    assert refusal.value.code == "hub_unreachable"


def test_without_the_library_the_command_that_installs_it_is_told(workspace, repository, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(TrainwellError) as refusal:
        data.prepare(workspace, {"source": "topics", "target": "topic"})
    assert (refusal.value.code, "trainwell[hub]" in refusal.value.hint) == ("extra_missing", True)


def test_a_data_set_that_names_files_elsewhere_is_refused(workspace):
    dataset(TEXTS).save_to_disk(workspace.root / "saved")
    state = workspace.root / "saved" / "state.json"
    told = json.loads(state.read_text())
    told["_data_files"] = [{"filename": "../../elsewhere.arrow"}]
    state.write_text(json.dumps(told))
    with pytest.raises(TrainwellError) as refusal:
        data.prepare(workspace, {"source": "saved", "target": "topic"})
    assert refusal.value.code == "dataset_unreadable"


def test_a_broken_file_is_refused_and_leaves_nothing(workspace, repository):
    (repository / "data" / "test-00000-of-00001.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(TrainwellError) as refusal:
        data.prepare(workspace, {"source": "topics", "target": "topic"})
    assert refusal.value.code == "dataset_unreadable"
    assert not list((workspace.state / "hub").iterdir())


def test_rows_without_a_class_have_none(workspace):
    (workspace.root / "t").mkdir()
    columns = {"text": [text for text, _ in TEXTS], "topic": [-1, *[number % 3 for number in range(len(TEXTS) - 1)]]}
    Dataset.from_dict(columns, features=FEATURES).to_parquet(workspace.root / "t" / "train.parquet")
    place = datasets.parts_of(workspace, "t", "source")["train"]
    assert pl.read_parquet(place)["topic"].to_list()[:2] == [None, TOPICS[0]]
