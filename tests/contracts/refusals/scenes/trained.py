"""What cannot be asked of a trained network, or made of its files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.contracts.refusals.front import Front, Refusal, fault
from trainwell.store.jobs import Job, job_key
from trainwell.training import portable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HORIZON = {"window": 6, "horizon": 2, "time": "day", "known_future": ["promotion"]}


def refusals(root: Path) -> Iterator[Refusal]:
    """Of a table, arrays, texts, pictures, whole series and a forecast, each trained for an epoch."""
    _write(root)
    with Front(root, allow=["code"]) as front:
        yield from _of_a_table(front)
        yield from _of_arrays(front)
        yield from _of_texts(front)
        yield from _of_pictures(front)
        yield from _of_series(front)
        yield from _of_a_forecast(front)
        yield from _of_own_modules(front)


def _write(root: Path) -> None:
    people = "".join(f"{n % 9},{n * 7 % 11},{'yes' if n % 2 else 'no'}\n" for n in range(80))
    (root / "people.csv").write_text(f"age,height,member\n{people}")
    (root / "guests.csv").write_text(
        "age,height,member\n" + "".join(f"{n % 9},{n * 7 % 11},{'perhaps' if n % 2 else 'never'}\n" for n in range(60))
    )
    (root / "talk.csv").write_text("text,y\n" + "".join(f"a good day {n},{n % 2}\n" for n in range(60)))
    days = (f"2024-{1 + n // 28:02}-{1 + n % 28:02},{n % 7},{n % 2}\n" for n in range(84))
    (root / "sales.csv").write_text("day,sales,promotion\n" + "".join(days))
    random = np.random.default_rng(0)
    np.savez(root / "numbers.npz", X=random.normal(size=(60, 3)), y=random.normal(size=60))
    for number in range(20):
        place = root / "pictures" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(place / f"{number}.png")
    rows = [{"x": random.normal(size=8).tolist(), "kind": "ab"[n % 2]} for n in range(40)]
    (root / "walks.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (root / "pickled.pt").write_bytes(b"\x80\x04K\x01.")
    (root / "net.py").write_text(
        "from torch import nn\n\n\nclass Own(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.output = nn.Linear(3, 1)\n\n    def forward(self, x):\n        return self.output(x)\n"
    )


def _of_a_table(front: Front) -> Iterator[Refusal]:
    data = front.call("prepare_data", source="people.csv", target="member")["data"]
    run = front.train(data)
    yield front.refuse("evaluate", run=run, slices=["hight"])
    yield front.refuse("evaluate", run=run, plot="residuals")
    yield front.refuse("explain", run=run, method="occlusion")
    yield front.refuse("predict", run=run, rows=[{"age": 3, "height": "tall"}])
    yield front.refuse("predict", run=run, rows=[{"age": 3, "height": 2}, "three"])
    guests = front.call("prepare_data", source="guests.csv", target="member")["data"]
    yield front.refuse("evaluate", run=run, data=guests)
    yield from _of_files(front, data, run)
    yield from _of_jobs(front, run)
    for split in ("train", "test"):
        next(front.services.workspace.data_dir(data).glob(f"{split}_*.npy")).unlink()
    yield front.refuse("evaluate", run=run)


def _of_files(front: Front, data: str, run: str) -> Iterator[Refusal]:
    saved = front.call("save_checkpoint", run=run, path="good.safetensors")
    other = front.model(data, hidden_dims=[5])
    yield front.refuse("train", model=other, train_loader=data, checkpoint=saved["checkpoint"])
    good = (front.root / "good.safetensors").read_bytes()
    (front.root / "cut.safetensors").write_bytes(good[:-64])
    yield front.refuse("load_checkpoint", path="cut.safetensors")
    yield front.refuse("load_checkpoint", path="pickled.pt")
    weights, card = portable.read_file(front.root / "good.safetensors")
    named = {f"{name}.old": tensor for name, tensor in weights.items()}
    portable.export_file(front.root / "renamed.safetensors", named, card)
    yield front.refuse("load_checkpoint", path="renamed.safetensors")
    later = card | {"data": card["data"] | {"kind": "video"}}
    portable.export_file(front.root / "later.safetensors", weights, later)
    newest = front.call("load_checkpoint", path="later.safetensors")["checkpoint"]
    yield front.refuse("predict", checkpoint=newest, rows=[{"age": 3, "height": 2}])
    with fault("trainwell.evaluation.exporting.onnx.find_spec", lambda _name: None):
        yield front.refuse("export_model", run=run, format="onnx")
    with fault("trainwell.evaluation.exporting.safetensors.read_file", _other_weights):
        yield front.refuse("export_model", run=run, format="safetensors")
    with fault("trainwell.reports.exports.sys.executable", "/bin/false"):
        yield front.refuse("export_run", run=run, format="tensorboard")


def _other_weights(path: Path) -> Any:
    weights, card = portable.read_file(path)
    return {name: tensor + 0.1 for name, tensor in weights.items()}, card


def _of_jobs(front: Front, run: str) -> Iterator[Refusal]:
    """Predictions into a file that another process is at, and one whose process has died."""
    asked: dict[str, Any] = {"run": run, "source": "people.csv", "output": "told.csv"}
    trained = front.services.trained(run, None)
    trained.pop("name")
    key = job_key("predict", {**trained, "rows": None, "source": "people.csv", "on_bad_row": "error"}, "told.csv")
    job = Job(front.services.workspace, key)
    job.begin()
    with fault("trainwell.tools.services.PATIENCE_SECONDS", 0.1):
        yield front.refuse("predict", **asked)
    lives = iter([True, True])
    with fault("trainwell.store.jobs._lives", lambda *_: next(lives, False)):
        yield front.refuse("predict", **asked)


def _of_arrays(front: Front) -> Iterator[Refusal]:
    data = front.call("prepare_data", source="numbers.npz", target="y")["data"]
    run = front.train(data)
    yield front.refuse("evaluate", run=run, slices=["age"])
    yield front.refuse("predict", run=run, rows=[[1.0, 2.0]])
    model = front.model(data, hidden_dims=[4])
    yield front.refuse("train", model=model, train_loader=data, class_weights="balanced")
    table = front.call("prepare_data", source="people.csv", target="member")["data"]
    yield front.refuse("train", model=model, train_loader=table)
    yield front.refuse("compare_runs", runs=[run, front.train(table)])
    with fault("trainwell.training.range_test.seconds_of", lambda *_: 1.0):
        yield front.refuse("find_lr", model=model, train_loader=data, seconds=2)


def _of_texts(front: Front) -> Iterator[Refusal]:
    data = front.call("prepare_data", source="talk.csv", target="y", kind="text")["data"]
    run = front.train(data, front.model(data, "gru", hidden_size=4))
    yield front.refuse("export_model", run=run, format="torch_export")
    (front.services.workspace.data_dir(data) / "raw_test.parquet").unlink()
    yield front.refuse("explain", run=run)


def _of_pictures(front: Front) -> Iterator[Refusal]:
    data = front.call("prepare_data", source="pictures")["data"]
    run = front.train(data)
    yield front.refuse("predict", run=run, rows=[{"path": "pictures/a/no.png"}])


def _of_series(front: Front) -> Iterator[Refusal]:
    data = front.call("prepare_data", source="walks.jsonl", target="kind", kind="series")["data"]
    run = front.train(data)
    yield front.refuse("predict", run=run, rows=[{"x": [1.0, 2.0]}])


def _of_a_forecast(front: Front) -> Iterator[Refusal]:
    asked = {"source": "sales.csv", "target": "sales", "task": "forecasting"}
    data = front.call("prepare_data", **asked, options=HORIZON)["data"]
    run = front.train(data)
    rows = [{"day": f"2024-05-{day:02}", "sales": day, "promotion": 1} for day in range(1, 13)]
    yield front.refuse("predict", run=run, rows=rows[:3])
    yield front.refuse("predict", run=run, rows=rows)
    yield front.refuse("predict", run=run, rows=[rows[0] | {"day": "1924-05-01"}, *rows])
    other = front.call("prepare_data", **asked, options=HORIZON | {"window": 5})["data"]
    yield front.refuse("evaluate", run=run, data=other)


def _of_own_modules(front: Front) -> Iterator[Refusal]:
    data = front.call("prepare_data", source="numbers.npz", target="y")["data"]
    model = front.call("build_model", data=data, module="net.py:Own")["model"]
    yield front.refuse("export_model", run=front.train(data, model), format="script")
