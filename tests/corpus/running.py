"""Run a job through the product's front door, and run it again with a fix applied."""

from __future__ import annotations

import atexit
import json
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import anyio
import torch

import trainwell
from tests.corpus.cases import Job, Loop, Program
from tests.corpus.loops import SETTINGS, trace_of_loop
from tests.corpus.public.retold import Retold, trace_of_retold
from trainwell.contract.findings import Finding, Fix
from trainwell.contract.trace import AttemptRecord, EpochRecord, SignalRecord, Trace
from trainwell.diagnosis import diagnose
from trainwell.runs.lifecycle import FINAL
from trainwell.runs.story import trace_of
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace
from trainwell.tools.dispatch import call_tool
from trainwell.tools.services import Services, open_services

# A run that takes longer than this is broken; seconds.
PATIENCE = 300.0
# Arguments that name files.
SOURCES = ("source", "validation_source", "test_source")
# What a busy machine answers: the same call again finds the work done.
BUSY = "work_takes_long"
TOOLS = ("prepare_data", "build_model", "train")


class RefusedError(Exception):
    """A tool said no."""


@dataclass(frozen=True)
class Outcome:
    """How a job went: what was recorded, and how good it came out (None: it gave no score)."""

    trace: Trace
    score: float | None
    loss: float | None
    seconds: float

    @property
    def findings(self) -> list[Finding]:
        """What the rules say of it, most important first."""
        return diagnose(self.trace)


def run(job: Job | Program | Loop) -> Outcome:
    """Carry a job out, in a folder of its own in this process's workspace; nothing is left behind at its end."""
    started = time.perf_counter()
    if isinstance(job, Job):
        trace = _by_tools(job, _workspace())
    elif isinstance(job, Loop):
        trace = trace_of_loop(job)
    elif isinstance(job, Retold):
        trace = trace_of_retold(job)
    else:
        with tempfile.TemporaryDirectory(prefix="tw-corpus-", ignore_cleanup_errors=True) as folder:
            trace = _by_python(job, Path(folder))
    return Outcome(trace, _score(trace, job.metric), _loss(trace), time.perf_counter() - started)


def mended(job: Job | Program | Loop, fix: Fix) -> Job | Program | Loop | None:
    """The job with a fix's patch applied; None when it holds nothing that this door takes."""
    if isinstance(job, Loop):
        fits = set(fix.patch) == {"train"} and set(fix.patch["train"]) <= SETTINGS
        return job.changed(train=fix.patch["train"]) if fits else None
    if isinstance(job, Program):
        return job.changed(train=fix.patch["train"]) if set(fix.patch) == {"train"} else None
    if not fix.patch or not set(fix.patch) <= set(TOOLS):
        return None
    built = dict(fix.patch.get("build_model", {}))
    changed = job.changed(
        train=fix.patch.get("train"), prepare=fix.patch.get("prepare_data"), options=built.pop("options", None)
    )
    return replace(changed, family=built["architecture"]) if "architecture" in built else changed


@cache
def _workspace() -> Path:
    """One workspace for all jobs by tools of this process, so that its workers are started once."""
    folder = tempfile.TemporaryDirectory(prefix="tw-corpus-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _by_tools(job: Job, root: Path) -> Trace:
    services = open_services(root, allow=["code"])
    folder = Path(tempfile.mkdtemp(prefix="case-", dir=root))
    try:
        asked = job.data(folder)
        asked |= {name: f"{folder.name}/{asked[name]}" for name in SOURCES if name in asked}
        options = {**asked.get("options", {}), **job.prepare.get("options", {})}
        merged = {**asked, **job.prepare, "options": options or None}
        known = {name: value for name, value in merged.items() if value is not None}
        data = _call(services, "prepare_data", known)["data"]
        model = _call(services, "build_model", {"data": data, **_network(job, folder)})["model"]
        run = _call(services, "train", {"model": model, "train_loader": data, **job.train})["run"]
        _wait(services, run)
        return trace_of(services.store, run)
    finally:
        services.store.database.close()


def _network(job: Job, folder: Path) -> dict[str, Any]:
    if job.network is not None:
        (folder / "net.py").write_text(job.network)
        return {"module": f"{folder.name}/net.py:Net"}
    if job.layers:
        return {"layers": list(job.layers)}
    return {"architecture": job.family, "options": dict(job.options)}


def _call(services: Services, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = anyio.run(call_tool, services, tool, arguments)
        if not answer.is_error:
            return answer.structured
        if answer.structured["error"]["code"] != BUSY or time.monotonic() > deadline:
            raise RefusedError(f"{tool}: {answer.text}")
        time.sleep(5.0)


def _wait(services: Services, run: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while services.store.runs.get(run)["state"] not in FINAL:
        if time.monotonic() > deadline:
            raise TimeoutError(run)
        services.start_waiting()
        time.sleep(0.02)


def _by_python(program: Program, root: Path) -> Trace:
    torch.manual_seed(0)
    x, y, x_val, y_val = program.rows()
    options = {"batch_size": 64, **program.train}
    batch_size = options.pop("batch_size")
    network = program.network()
    loaders = (
        program.loader(x, y, batch_size),
        torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x_val, y_val), batch_size=256),
    )
    with suppress(Exception):  # what went wrong is in the record, and that is what is judged
        trainwell.train(network, loaders[0], val_loader=loaders[1], workspace=root, verbose=False, **options)
    store = Store.open(Workspace.open(root))
    try:
        return trace_of(store, next(iter(store.runs.all_handles())))
    finally:
        store.database.close()


def _score(trace: Trace, metric: str) -> float | None:
    """The best validation score, as the run that is kept has it; `recall`: the mean over the classes, at the end."""
    if metric == "recall":
        last = next((record.recalls for record in reversed(trace.epochs) if record.recalls), [])
        return fmean([share for share in last if share is not None]) if last else None
    scores = [
        next((value for value in (one.val_accuracy, one.val_r2, one.val_f1) if value is not None), None)
        for one in trace.epochs
    ]
    return max((score for score in scores if score is not None), default=None)


def _loss(trace: Trace) -> float | None:
    """The validation loss at the end."""
    return trace.epochs[-1].val_loss if trace.epochs else None


def as_json(outcome: Outcome) -> str:
    """An outcome as JSON."""
    trace = asdict(outcome.trace) | {"told": sorted(outcome.trace.told)}
    return json.dumps({**vars(outcome), "trace": trace})


def read(text: str) -> Outcome:
    """An outcome from its JSON."""
    known = json.loads(text)
    trace = known["trace"]
    records = {"epochs": EpochRecord, "attempts": AttemptRecord, "signals": SignalRecord}
    rows = {name: tuple(kind(**row) for row in trace[name]) for name, kind in records.items()}
    return Outcome(**known | {"trace": Trace(**trace | rows | {"told": frozenset(trace["told"])})})
