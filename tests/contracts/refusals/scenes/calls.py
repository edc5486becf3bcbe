"""Calls that are refused for what they say, or for the file that they name.

Nothing is trained here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tests import factories
from tests.contracts.refusals.front import Front, refusals_of
from trainwell.store.runs import Queueing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contracts.refusals.front import Refusal

RUN = "run_toy_000001"
#: No process here has what the toy run needs, so it waits, and what is said of it does not depend on the clock.
NEVER = Queueing(needs=frozenset({"code"}))


def people(rows=60):
    return [
        {"age": 20 + n % 40, "town": ("Bern", "Genf")[n % 2], "member": "yes" if n % 3 else "no"} for n in range(rows)
    ]


def _gappy_days():
    """Dates of a month, then of another year."""
    return [f"{year}-03-{day:02}" for year in (2020, 2024) for day in (1, 2, 3, 5, 8, 9, 14, 15, 20, 27)]


def write_files(root):
    """Files, good and bad, for the calls below."""
    frame = pl.DataFrame(people())
    frame.write_csv(root / "people.csv")
    texts = {
        "empty.csv": "",
        "header.csv": "age,town\n",
        "ragged.csv": "a,b\n1,2\n3\n",
        "quote.csv": 'a,b\n"1,2\n3,4\n',
        "twice.csv": "a,a\n1,2\n",
        "page.csv": "<!doctype html><p>no</p>",
        "broken.jsonl": '{"a": 1}\n{"a"\n',
        "returns.csv": "a,b\r1,2\r",
        "few.csv": "a,y\n1,no\n2,yes\n",
        "constant.csv": "a,y\n" + "1,same\n2,same\n" * 30,
        "ids.csv": "a,y\n" + "".join(f"{n},id{n}\n" for n in range(60)),
        "gone.csv": "a,y\n" + "1,\n" * 50 + "2,no\n3,yes\n" * 10,
        "infinite.csv": "a,y\n" + "1,2.5\n2,3.7\n" * 30 + "3,inf\n",
        "alone.csv": "y\n" + "no\nyes\n" * 30,
        "dates.csv": "a,y\n" + "".join(f"{n},2020-01-{n % 28 + 1:02}\n" for n in range(60)),
        "level.csv": "a,y\n" + "1,7\n2,7\n" * 30,
        "long_name.csv": "a" * 2000 + ",y\n1,no\n2,yes\n",
        "series.csv": "day,sales\n" + "".join(f"2024-01-{n % 28 + 1:02},{n}\n" for n in range(56)),
        "gaps.csv": "day,sales\n" + "".join(f"{day},{n}\n" for n, day in enumerate(_gappy_days())),
        "tags.csv": "text,y\n" + "good day,yes\nbad day,no\n" * 30,
        "secret.py": "print(1)\n",
        "logs/one.csv": "epoch,loss\n1,2\n",
        "logs/two.csv": "epoch,loss\n1,2\n",
    }
    for name in ("logs", "pictures", "letters"):
        (root / name).mkdir()
    for name, text in texts.items():
        (root / name).write_text(text, newline="")
    (root / "latin.csv").write_bytes("a,b\nZürich,1\n".encode("latin-1"))
    (root / "wide.csv").write_bytes("a,b\n1,2\n".encode("utf-16"))
    (root / "binary.csv").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "bad.csv").write_text("age,town\n30,Bern\nold,Genf\n")
    (root / "folder").mkdir()
    (root / "weights.safetensors").write_bytes(b"not weights")
    (root / "weights.bin").write_bytes(bytes(range(256)) * 20)
    (root / "events.out.tfevents.1").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00nothing")
    np.savez(root / "arrays.npz", a=np.zeros((3, 2)), b=np.zeros((4, 2)))
    rows = np.arange(60, dtype=np.float64)
    np.savez(root / "alike.npz", X=np.ones((60, 2)), y=rows % 2)
    np.savez(root / "words.npz", X=rows.reshape(-1, 1).astype(str), y=rows % 2)
    np.savez(root / "lonely.npz", y=rows % 2)
    np.save(root / "objects.npy", np.array([{"a": 1}, {"a": 2}]), allow_pickle=True)
    (root / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'sha")


UNREADABLE = ("empty", "header", "ragged", "quote", "twice", "page", "returns", "latin", "wide", "binary", "long_name")
UNLEARNABLE = ("few", "constant", "ids", "gone", "infinite", "alone", "dates", "level")


def calls(data, model):
    """Tool and arguments of each case; of several with one code the first is told."""
    ours = {"model": model, "train_loader": data}
    return [
        ("get_rum", {}),
        ("get_run", {"run": RUN, "wait": 5, "nonsense": 1}),
        ("get_run", {"run": "run_of_nobody"}),
        *(("train", arguments) for arguments in _trainings(ours)),
        ("diagnose", {"metrics": json.loads("[" * 80 + "]" * 80)}),
        ("list_runs", {"cursor": "nowhere"}),
        *(("inspect_data", {"source": name}) for name in _sources()),
        *(("prepare_data", arguments) for arguments in _preparations()),
        *(("build_model", {"data": data, **arguments}) for arguments in _models()),
        *(("save_checkpoint", {"run": RUN, **arguments}) for arguments in _places()),
        ("load_checkpoint", {"path": "weights.safetensors"}),
        ("load_checkpoint", {"path": "folder"}),
        ("delete_run", {"run": RUN}),
        ("resume_run", {"run": RUN}),
        ("reproduce", {"run": RUN}),
        ("get_run", {"run": "run_toy"}),
        ("compare_runs", {"runs": [RUN]}),
        *(("diagnose", arguments) for arguments in _diagnoses()),
        *(("tune", {**ours, "space": space}) for space in ({"lr": [7]}, {"seed": [1, 2]}, {"dropout": "some"})),
    ]


def _trainings(ours):
    yield {"model": ours["model"]}
    for odd in (
        {"lr": "fast"}, {"epochs": 5000}, {"optimizer": "lion"}, {"lr": float("nan")}, {"name": "\ud800"},
        {"name": "../run"}, {"augment": ["flip"]}, {"augment": ["flop"]}, {"checkpoint": "ckpt_of_nobody"},
    ):  # fmt: skip
        yield {**ours, **odd}


def _sources():
    yield from ("peeple.csv", "../secret.csv", "http://example.org/a.csv", "broken.jsonl")
    yield from (f"{name}.csv" for name in UNREADABLE)


def _preparations():
    source = {"source": "people.csv"}
    yield from ({}, source, {**source, "target": "membre"})
    yield {**source, "targets": ["age", "town"], "task": "regression"}
    for odd in (
        {"task": "regression"}, {"options": {"size": 5}}, {"targets": ["age"]}, {"split": "time", "split_by": "town"},
        {"columns": ["hight"]}, {"kind": "images"}, {"split": "group"}, {"split": "group", "split_by": "member"},
        {"split": "time", "split_by": "member"}, {"validation_fraction": 0.5, "test_fraction": 0.5},
        {"kind": "text"}, {"kind": "text", "options": {"text": "age"}}, {"task": "multilabel"},
        {"options": {"tokenizer": "nowhere"}, "kind": "text"},
    ):  # fmt: skip
        yield {**source, "target": "member", **odd}
    yield from ({"source": f"{name}.csv", "target": "y"} for name in UNLEARNABLE)
    yield {"source": "arrays.npz", "target": "b"}
    yield from ({"source": f"{name}.npz", "target": "y"} for name in ("alike", "words", "lonely"))
    yield from ({"source": name, "target": "y"} for name in ("objects.npy", "cut.npy", "secret.py"))
    yield from ({"source": "tags.csv", "target": "y", "kind": "text", "options": one} for one in _text_options())
    yield from ({"source": "letters", "kind": "text"}, {"source": "pictures", "kind": "images"})
    forecast = {"target": "sales", "task": "forecasting"}
    yield {"source": "series.csv", **forecast}
    for odd in (
        {"split": "group", "split_by": "day"}, {"options": {"window": 500}}, {"options": {"time": "sales"}},
        {"options": {"known_future": ["sales"]}}, {"options": {"known_future": ["sails"]}},
    ):  # fmt: skip
        yield {"source": "gaps.csv", **forecast, **odd}


def _text_options():
    yield from ({"tokenizer": "nowhere"}, {"tokenizer": "char", "lowercase": True, "vocabulary": 2})


def _models():
    yield from ({"architecture": "mpl"}, {"architecture": "cnn"}, {"module": "net.py:Net"})
    yield from ({"options": {"hidden": [8]}}, {"options": {"hidden_dims": [-1]}})
    yield {"options": {"hidden_dims": [10_000_000, 10_000_000]}}
    yield from ({"layers": [layer]} for layer in ({"type": "Liner", "out_features": 2}, {"type": "Linear"}))
    yield from ({"layers": ["Conv2d"]}, {"layers": [{"type": "Conv2d", "out_channels": 4, "kernel_size": 3}]})
    yield from ({"pretrained": "nowhere"}, {"pretrained": "folder"}, {"pretrained": "hub://some/thing"})


def _diagnoses():
    yield from ({}, {"run": RUN, "fix": "plateau"}, {"symptoms": "NaN", "apply": True})
    yield from ({"metrics": one} for one in ({"train_lots": [2.0, 1.0], "lr": 0.1}, {"train_loss": ["low"]}))
    yield from ({"log": name} for name in ("logs", "weights.bin", "events.out.tfevents.1", "nowhere.log"))
    yield {"metrics": {"train_loss": [1.0] * 20_001}}


def _places():
    names = ("model.pt", "weights.safetensors", ".trainwell/w.safetensors")
    yield from ({}, *({"path": name} for name in names))


def refusals(root: Path) -> Iterator[Refusal]:
    """The first of several with one code is told."""
    write_files(root)
    with Front(root) as front:
        data = front.call("prepare_data", source="people.csv", target="member")["data"]
        model = front.call("build_model", data=data)["model"]
        spec = factories.run_spec(RUN, model=front.store.artifacts.model(model), data=front.store.artifacts.data(data))
        for name, one in ((RUN, spec), ("toy", spec.model_copy(update={"run": "run_toy_000002"}))):
            front.store.runs.add(
                one, name=name, arguments={}, plan={"total_steps": 20}, tags=[], key=None, queueing=NEVER
            )
        yield from refusals_of(front, calls(data, model))
