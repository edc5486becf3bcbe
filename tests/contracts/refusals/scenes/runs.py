"""Runs that cannot go on, be repaired, be compared or be deleted as they are asked to; and runs that failed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
from mcp import MCPError

import trainwell
from tests.contracts.refusals.front import Front, Refusal, fault
from tests.python.models import loader, simple
from trainwell.protocol import resources
from trainwell.runs.liveness import my_identity
from trainwell.tools.dispatch import call_tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAR_TOO_HIGH = {"lr": 1.0, "optimizer": "sgd", "scheduler": "constant", "grad_clip": 0, "early_stopping": 0}


def refusals(root: Path) -> Iterator[Refusal]:
    """Small networks on digits and on a table with a leak."""
    with Front(root) as front:
        data = front.call("prepare_data", source="digits")["data"]
        model = front.model(data, hidden_dims=[16], batch_norm=False, dropout=0)
        run = front.train(data, model, batch_size=64, epochs=2)
        yield _over(front, model, data, disk_quota=1e-6)
        yield from _of_a_completed_run(front, run)
        yield from _of_repairs(front, data, model, run)
        yield from _of_the_queue(front, data, model)
        yield from _of_python(front)
        yield from _that_failed(front, data, model)


def _of_a_completed_run(front: Front, run: str) -> Iterator[Refusal]:
    yield front.refuse("resume_run", run=run)
    yield front.refuse("resume_run", run=run, epochs=1)
    child = front.call("resume_run", run=run, epochs=3)["run"]
    yield front.refuse("reproduce", run=child)
    with fault("trainwell.runs.resuming.temporary_beside", _busy):
        yield front.refuse("delete_run", run=child, confirm=True)


def _of_repairs(front: Front, data: str, model: str, run: str) -> Iterator[Refusal]:
    healthy = front.train(data, model, batch_size=64, epochs=12, lr=0.003)
    yield front.refuse("diagnose", run=healthy, apply=True)
    sick = front.train(data, model, batch_size=64, epochs=4, **FAR_TOO_HIGH)
    yield front.refuse("diagnose", run=sick, apply=True, fix="rest")
    front.store.runs.update(sick, pace=10.0)
    yield front.refuse("diagnose", run=sick, verify=True, budget_seconds=5)
    yield front.refuse("diagnose", run=_of_class_numbers(front), verify=True, fix="wrong_target_encoding")


def _of_class_numbers(front: Front) -> str:
    """A run whose only fix prepares its rows anew: class numbers taken for a quantity."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 400)
    x = random.normal(size=(400, 4)) + 4 * np.eye(4)[labels]
    lines = [f"{','.join(f'{value:.3f}' for value in row)},{label}" for row, label in zip(x, labels, strict=True)]
    (front.root / "codes.csv").write_text("\n".join(["a,b,c,d,y", *lines]))
    data = front.call("prepare_data", source="codes.csv", target="y", task="regression")["data"]
    return front.train(data, front.model(data, hidden_dims=[16]), epochs=6)


def _of_the_queue(front: Front, data: str, model: str) -> Iterator[Refusal]:
    with fault("trainwell.runs.preloaded.launch_training", lambda *_: None):
        run = front.train(data, model)
    front.store.runs.update(run, owner=my_identity(), heartbeat=time.monotonic())
    yield front.refuse("resume_run", run=run)
    yield _over(front, model, data, most_runs=1)
    yield _unread(front, f"trainwell://runs/{run}/curves")
    front.store.runs.update(run, state="failed", owner=None, ended_at=time.time())


def _unread(front: Front, address: str) -> Refusal:
    """A resource that cannot be read."""
    try:
        anyio.run(resources.read, front.services, address)
    except MCPError as error:
        told: Any = error.error.data
        return Refusal("resource", address, told["code"], error.error.message, told.get("next_call"))
    raise AssertionError(address)


def _of_python(front: Front) -> Iterator[Refusal]:
    run = trainwell.train(simple(), loader(), workspace=front.root, verbose=False, epochs=1).handle
    for tool in ("resume_run", "evaluate", "reproduce"):
        yield front.refuse(tool, run=run)


def _that_failed(front: Front, data: str, model: str) -> Iterator[Refusal]:
    """What get_run says of runs that ended with a refusal of the engine."""
    lost = front.train(data, model, batch_size=64)
    folder = front.services.workspace.run_dir(lost) / "checkpoints"
    for file in folder.glob("*/weights.safetensors"):
        file.write_bytes(b"nothing")
    yield front.refuse("evaluate", run=lost)
    with fault("trainwell.worker.tuning.best_trial", lambda _trials: None):  # as when every loss is NaN
        front.call("tune", model=model, train_loader=data, trials=1, budget_minutes=0.1, space={"lr": [0.01]})
    yield _failed(front)


def _failed(front: Front) -> Refusal:
    run = front.store.newest("run")[0]
    outcome = anyio.run(call_tool, front.services, "get_run", {"run": run})
    row = front.store.runs.get(run)
    assert row["state"] == "failed", outcome.text
    asked = f'get_run {{"run": "{run}"}}'
    return Refusal("tool", asked, row["cause"], outcome.text, outcome.structured.get("next_call"))


def _over(front: Front, model: str, data: str, **limit: float) -> Refusal:
    """A training that a limit of the server forbids."""
    within = replace(front.services, workspace=replace(front.services.workspace, **limit))
    try:
        whole, front.services = front.services, within
        return front.refuse("train", model=model, train_loader=data)
    finally:
        front.services = whole


def _busy(*_: object, **__: object) -> None:
    raise OSError(16, "Device or resource busy")
