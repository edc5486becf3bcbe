"""Every kind of refusal that can be provoked cheaply, as an agent reads it: `python -m tests.contracts.refusals`.

Writes `refusals.md`, which people read before it is committed and which `test_refusals.py` holds the tools to. Nothing
is forked: what workers do is done here.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import anyio
import numpy as np
import polars as pl

from tests import factories
from trainwell.contract.errors import TrainwellError
from trainwell.runs import preloaded
from trainwell.store.runs import Queueing
from trainwell.tools.dispatch import call_tool
from trainwell.tools.services import open_services

PAGE = Path(__file__).with_name("refusals.md")
HEAD = """# Refusals as an agent reads them

Written by `python -m tests.contracts.refusals`; read it when it changes. One example for each code that is cheap to
provoke, with the call that gave it.
"""
RUN = "run_toy_000001"
#: No process here has what the toy run needs, so it waits, and what is said of it does not depend on the clock.
NEVER = Queueing(needs=frozenset({"code"}))


def people(rows=60):
    return [
        {"age": 20 + n % 40, "town": ("Bern", "Genf")[n % 2], "member": "yes" if n % 3 else "no"} for n in range(rows)
    ]


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
        "mixed.csv": "a,y\n" + "1,2.5\n2,3.5\n" * 30 + "1,much\n",
        "gone.csv": "a,y\n" + "1,\n" * 50 + "2,no\n3,yes\n" * 10,
        "infinite.csv": "a,y\n" + "1,2.5\n2,3.7\n" * 30 + "3,inf\n",
        "alone.csv": "y\n" + "no\nyes\n" * 30,
        "dates.csv": "a,y\n" + "".join(f"{n},2020-01-{n % 28 + 1:02}\n" for n in range(60)),
    }
    for name, text in texts.items():
        (root / name).write_text(text, newline="")
    (root / "latin.csv").write_bytes("a,b\nZürich,1\n".encode("latin-1"))
    (root / "wide.csv").write_bytes("a,b\n1,2\n".encode("utf-16"))
    (root / "binary.csv").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "bad.csv").write_text("age,town\n30,Bern\nold,Genf\n")
    (root / "folder").mkdir()
    (root / "weights.safetensors").write_bytes(b"not weights")
    np.savez(root / "arrays.npz", a=np.zeros((3, 2)), b=np.zeros((4, 2)))


UNREADABLE = ("empty", "header", "ragged", "quote", "twice", "page", "returns", "latin", "wide", "binary")
UNLEARNABLE = ("few", "constant", "ids", "mixed", "gone", "infinite", "alone", "dates")


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
    ]


def _trainings(ours):
    yield {"model": ours["model"]}
    for odd in (
        {"lr": "fast"}, {"epochs": 5000}, {"optimizer": "lion"}, {"lr": float("nan")}, {"name": "\ud800"},
        {"augment": ["flip"]},
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
        {"columns": ["hight"]}, {"kind": "images"},
    ):  # fmt: skip
        yield {**source, "target": "member", **odd}
    yield from ({"source": f"{name}.csv", "target": "y"} for name in UNLEARNABLE)
    yield {"source": "arrays.npz", "target": "b"}


def _models():
    yield from ({"architecture": "mpl"}, {"architecture": "cnn"}, {"module": "net.py:Net"})
    yield from ({"options": {"hidden": [8]}}, {"options": {"hidden_dims": [-1]}})
    yield {"options": {"hidden_dims": [10_000_000, 10_000_000]}}
    yield from ({"layers": [layer]} for layer in ({"type": "Liner", "out_features": 2}, {"type": "Linear"}))


def _places():
    names = ("model.pt", "weights.safetensors", ".trainwell/w.safetensors")
    yield from ({}, *({"path": name} for name in names))


async def ask_here(workspace, work, arguments, *, seconds=0.0, sees=None):
    """What a worker does and how its refusal comes back, without the worker."""
    from trainwell.worker.short import WORK

    with workspace.at_work():
        try:
            return json.loads(json.dumps(WORK[work](workspace, arguments), default=str))
        except TrainwellError as error:
            raise TrainwellError.from_json(json.loads(json.dumps(error.to_json(), default=str))) from error


def provoked(root):
    """(tool, arguments, outcome) of the first case of each code, by code."""
    write_files(root)
    services = open_services(root)
    told = {}
    try:
        data = anyio.run(call_tool, services, "prepare_data", {"source": "people.csv", "target": "member"}).structured[
            "data"
        ]
        model = anyio.run(call_tool, services, "build_model", {"data": data}).structured["model"]
        spec = factories.run_spec(
            RUN, model=services.store.artifacts.model(model), data=services.store.artifacts.data(data)
        )
        services.store.runs.add(
            spec, name=RUN, arguments={}, plan={"total_steps": 20}, tags=[], key=None, queueing=NEVER
        )
        for tool, arguments in calls(data, model):
            outcome = anyio.run(call_tool, services, tool, arguments)
            if outcome.is_error:
                told.setdefault(outcome.structured["error"]["code"], (tool, arguments, outcome))
    finally:
        services.store.database.close()
    return told, services.manifest


def _everywhere(text, root):
    """The text as it would read on any machine: its folder and its memory have no place on the page."""
    return re.sub(
        r"at most [\d,]+ are allowed", "at most MEMORY ALLOWS are allowed", text.replace(str(root), "WORKSPACE")
    )


def page(told, root):
    """The page, with nothing of this machine in it."""
    parts = [HEAD]
    for code, (tool, arguments, outcome) in sorted(told.items()):
        given = json.dumps(arguments, ensure_ascii=True)
        shown = given if len(given) <= 200 else given[:197] + "..."
        parts.append(f"## {code}\n\n`{tool} {shown}`\n\n```\n{_everywhere(outcome.text, root)}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write the page."""
    preloaded.ask = ask_here
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder))
        told, _ = provoked(root)
        PAGE.write_text(page(told, root), encoding="utf-8")
    sys.stderr.write(f"{PAGE.name}: {len(told)} refusals\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
