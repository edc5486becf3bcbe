"""Data that cannot be learnt from, and libraries, memory and disk that are not there to read it."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from tokenizers import Tokenizer, models

from tests.contracts.refusals.front import Front, Refusal, fault, refusals_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def refusals(root: Path) -> Iterator[Refusal]:
    """Of tables, arrays, series, texts and data sets; then of what their reading needs."""
    for write in (_write_tables, _write_arrays, _write_series, _write_folders):
        write(root)
    with Front(root, allow=["hub"]) as front:
        yield from refusals_of(front, _calls())
        yield from _without(front)


def _write_tables(root: Path) -> None:
    wide = ",".join(f"c{number}" for number in range(50_001))
    texts = {
        "pattern.csv": "*,y\n" + "1,2\n" * 20,
        "long.csv": 'x,y\n1,"' + "a" * 9_000_000 + '"\n',
        "wide.csv": "\n".join([wide, *[",".join("1" * 50_001)] * 2]),
        "oops.csv": "x,y\n" + "".join(f"{n % 7},{n}.5\n" if n != 3000 else "1,oops\n" for n in range(36_000)),
        "marks.csv": "x,red,green\n" + "".join(f"{n},{n % 2},{n % 5}\n" for n in range(60)),
        "keywords.csv": "x,y\n" + "".join(f"{n},w{n};w{n + 1}\n" for n in range(2100)),
        "cities.csv": "x,y\n" + "".join(f"{n},city{n * 2 // 3}\n" for n in range(90)),
        "two_days.csv": "x,y,day\n" + "".join(f"{n},{n % 3},2024-01-0{1 + n % 2}\n" for n in range(60)),
        "talk.csv": "text,reply,y\n" + "".join(f"a good day {n},a bad day {n},{n % 2}\n" for n in range(60)),
        "towns.csv": "town,sales\n" + "".join(f"town {n % 7},{n}\n" for n in range(60)),
        "parts.csv": "id,x,kind\n" + "".join(f"s{n // 10},{n % 7}.5,{'abb'[n % 3]}\n" for n in range(300)),
    }
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")


def _write_arrays(root: Path) -> None:
    random = np.random.default_rng(0)
    np.savez(root / "broad.npz", X=random.normal(size=(20, 50_001)).astype(np.float32), y=np.arange(20) % 2)
    with zipfile.ZipFile(root / "archive.npz", "w") as archive:
        for number in range(1001):
            archive.writestr(f"a{number}.npy", b"")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)})
    (root / "huge.npy").write_bytes(header.getvalue() + bytes(100))


def _write_series(root: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 20, 3)).astype(np.float32)
    np.savez(root / "waves.npz", X=x, y=np.arange(60) % 3, lengths=np.full(60, 30))
    kinds = {"walks": {"x": [1.0, 2.0], "y": [1.0]}, "steps": {"x": [1.0, "a"]}}
    tags = [{"x": n, "tags": [n, n + 1], "y": "ab"[n % 2]} for n in range(40)]
    (root / "tags.jsonl").write_text("\n".join(map(json.dumps, tags)), encoding="utf-8")
    for name, odd in kinds.items():
        rows: list[dict[str, Any]] = [{"x": [1.0 * n, 2.0], "kind": "ab"[n % 2]} for n in range(40)]
        whole = [row | ({"y": [1.0, 3.0]} if "y" in odd else {}) for row in rows]
        text = "\n".join(json.dumps(row) for row in [*whole[:5], whole[5] | odd, *whole[6:]])
        (root / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _write_folders(root: Path) -> None:
    for folder in ("deep/topics/sport", "tokens", "empty_tokens", "broken_set"):
        (root / folder).mkdir(parents=True)
    (root / "deep/topics/sport/one.txt").write_text("The match was long.")
    (root / "tokens/tokenizer.json").write_text('{"version": "1.0"}')
    DatasetDict({part: Dataset.from_dict({"x": [1, 2], "y": [3, 4]}) for part in ("validation", "test")}).save_to_disk(
        root / "only_test"
    )
    (root / "words").mkdir()
    Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "day": 2}, "[UNK]")).save(str(root / "words/tokenizer.json"))
    (root / "broken_set/train-0.parquet").write_bytes(b"PAR1 and no more")


def _calls() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, target in (("pattern", "y"), ("long", "y"), ("wide", "y"), ("oops", "y"), ("cities", "y")):
        yield "prepare_data", {"source": f"{name}.csv", "target": target}
    yield "prepare_data", {"source": "marks.csv", "targets": ["red", "green"], "task": "multilabel"}
    yield "prepare_data", {"source": "keywords.csv", "target": "y", "task": "multilabel"}
    yield "prepare_data", {"source": "two_days.csv", "target": "y", "split": "time", "split_by": "day"}
    yield "prepare_data", {"source": "talk.csv", "target": "reply", "kind": "text", "options": {"text": "text"}}
    yield "prepare_data", {"source": "talk.csv", "target": "y", "kind": "text", "task": "forecasting"}
    by_town = {"target": "sales", "task": "forecasting", "options": {"time": "town"}}
    yield "prepare_data", {"source": "towns.csv", **by_town}
    by_part = {"target": "kind", "task": "classification", "kind": "series", "options": {"series": "id"}}
    yield "prepare_data", {"source": "parts.csv", **by_part}
    for name in ("broad.npz", "archive.npz", "huge.npy", "waves.npz"):
        yield "prepare_data", {"source": name, "target": "y"}
    for name in ("walks", "steps"):
        yield "prepare_data", {"source": f"{name}.jsonl", "target": "kind", "kind": "series"}
    yield "prepare_data", {"source": "tags.jsonl", "target": "y", "kind": "tabular", "split_by": "tags"}
    yield "prepare_data", {"source": "deep", "kind": "text"}
    for options in ({"tokenizer": "empty_tokens"}, {"tokenizer": "tokens"}, {"tokenizer": "words", "lowercase": True}):
        yield "prepare_data", {"source": "talk.csv", "target": "y", "kind": "text", "options": options}
    for name in ("only_test", "broken_set", "hub://no/such/name"):
        yield "prepare_data", {"source": name, "target": "y"}
    yield "prepare_data", {"rows": [{}] * 20, "target": "y"}
    yield "prepare_data", {"rows": [{"x": [1, 2], "y": 1}] * 20, "target": "y"}


def _without(front: Front) -> Iterator[Refusal]:
    """Without the hub, a library, a set, room on the disk; and with a file that changes meanwhile."""
    texts = {"source": "talk.csv", "target": "y", "kind": "text"}
    with fault("huggingface_hub.snapshot_download", _no_route):
        yield front.refuse("prepare_data", source="hub://some/set", target="y")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tokenizers", None)
        yield front.refuse("prepare_data", **texts, options={"tokenizer": "bpe"})
    with fault("trainwell.data.source.find_spec", lambda _name: None):
        yield front.refuse("prepare_data", source="digits")
    with fault("shutil.disk_usage", lambda _folder: SimpleNamespace(free=10)):
        yield front.refuse("prepare_data", **texts)
    with fault("trainwell.data.text.tokenizer.LARGEST_PACKED", 50):
        yield front.refuse("prepare_data", **texts)
    stamps = count()
    with fault("trainwell.data.doors.state_of", lambda _path: str(next(stamps))):
        yield front.refuse("prepare_data", source="cities.csv", target="x")


def _no_route(*_: object, **__: object) -> None:
    message = "no route to the hub"
    raise ConnectionError(message)
