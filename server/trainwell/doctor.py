"""What this machine can do, and what is wrong with the installation, each with its remedy. Loads no torch itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio
import psutil

from trainwell import __version__
from trainwell.contract.errors import TrainwellError
from trainwell.contract.manifest import load_manifest
from trainwell.contract.resources import resource, resource_root
from trainwell.contract.text import plain
from trainwell.runs import preloaded
from trainwell.runs.mending import look_over
from trainwell.store.store import Store
from trainwell.store.workspace import Workspace, find_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

State = Literal["ok", "warn", "FAIL"]
TORCH_SECONDS = WORK_SECONDS = 180
LITTLE_MEMORY = LITTLE_DISK = 2**30  # bytes
GIB = 2**30
MEND = "End all servers and runs of this workspace, then run `trainwell doctor --repair`."

# Run by another process, which may load torch; its last line is JSON.
_ASK_TORCH = """
import json, time
began = time.monotonic()
import torch
seconds = time.monotonic() - began
devices = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
if torch.backends.mps.is_available():
    devices.append("mps")
works = bool(torch.isfinite(torch.nn.Linear(4, 2)(torch.ones(3, 4)).sum()))
print(json.dumps({"version": torch.__version__, "devices": devices, "threads": torch.get_num_threads(),
                  "seconds": seconds, "works": works}))
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    state: State
    name: str
    told: str
    fix: str | None = None

    @property
    def line(self) -> str:
        """The check as a line of text, and its remedy as a second one."""
        remedy = f"\n      fix: {self.fix}" if self.fix else ""
        return f"{self.state:4}  {self.name}: {self.told}{remedy}"


def examine(
    root: Path | None = None, skill: Path | None = None, allow_read: tuple[Path, ...] = (), *, repair: bool = False
) -> Iterator[Check]:
    """Look at everything; each check comes as soon as it is known. Only with `repair` is anything changed."""
    yield _python()
    yield from _packages()
    yield _torch()
    yield _processor()
    yield _memory()
    yield _disk(root)
    yield _guarded("manifest", "Correct the line that is named.", partial(_manifest, skill))
    yield _guarded("files", "Install trainwell again.", _files)
    yield _guarded("workspace", "Give a folder that you may write to: --workspace DIR.", partial(_workspace, root))
    yield from _faults(root, repair=repair)
    yield _guarded("store", MEND, partial(_store, root))
    yield _workers(root)
    yield from (_readable(path) for path in allow_read)
    yield _extra("scikit-learn", "sklearn", "the shipped data sets", "pip install 'trainwell[datasets]'")
    yield _extra("onnxruntime", "onnxruntime", "ONNX exports", "pip install 'trainwell[export]'")


def _guarded(name: str, fix: str, look: Callable[[], Check]) -> Check:
    """The check, or what kept it from being made."""
    try:
        return look()
    except TrainwellError as error:
        return Check("FAIL", name, error.message, error.hint or fix)
    except Exception as error:  # noqa: BLE001  (the doctor's business is to survive what is broken)
        return Check("FAIL", name, f"{type(error).__name__}: {error}"[:300], fix)


def _python() -> Check:
    told = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info < (3, 11):  # noqa: UP036  (an unsupported one may be tried all the same)
        return Check("FAIL", "python", told, "Install Python 3.11 or newer.")
    return Check("ok", "python", told)


def _packages() -> Iterator[Check]:
    """The packages that trainwell needs; torch is asked for by itself."""
    try:
        needed = [line for line in requires("trainwell") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        yield Check("FAIL", "trainwell", "is not installed as a package", "pip install -e . in its checkout.")
        return
    names = sorted({re.split(r"[^A-Za-z0-9._-]", line)[0] for line in needed} - {"torch"})
    found: list[str] = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Check("FAIL", name, "is not installed", f"pip install {name}")
    yield Check("ok", "trainwell", f"{__version__} with {', '.join(found)}")


def _torch() -> Check:
    fix = "pip install torch (see https://pytorch.org/get-started for your GPU)."
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH], capture_output=True, text=True, timeout=TORCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Check("FAIL", "torch", f"did not load within {TORCH_SECONDS} s", fix)
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return Check("FAIL", "torch", reason[:300], fix)
    devices = ", ".join(["cpu", *told["devices"]])
    words = f"{told['version']}, devices: {devices}; {told['threads']} threads; loads in {told['seconds']:.1f} s"
    return Check("ok" if told["works"] else "FAIL", "torch", words, None if told["works"] else fix)


def _processor() -> Check:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    load = psutil.getloadavg()[0]
    if load > cores:
        fix = "Training shares the cores; end what you do not need."
        return Check("warn", "processor", f"{cores} cores, but the load is {load:.1f}", fix)
    return Check("ok", "processor", f"{cores} cores, load {load:.1f}")


def _memory() -> Check:
    memory = psutil.virtual_memory()
    told = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free"
    if memory.available < LITTLE_MEMORY:
        return Check("warn", "memory", told, "End other programs; a worker needs about 0.5 GiB.")
    return Check("ok", "memory", told)


def _disk(root: Path | None) -> Check:
    folder = find_root(root).expanduser().absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < LITTLE_DISK:
        return Check("warn", "disk", f"{free / GIB:.1f} GiB free", "Checkpoints need room; delete old runs.")
    return Check("ok", "disk", f"{free / GIB:.1f} GiB free")


def _manifest(skill: Path | None) -> Check:
    manifest = load_manifest(skill)
    told = f"{len(manifest.tools)} tools from {' and '.join(map(str, manifest.sources))}"
    if manifest.notes:
        return Check("warn", "manifest", f"{told}; {'; '.join(manifest.notes)}")
    return Check("ok", "manifest", told)


def _files() -> Check:
    lacking = [name for name in ("SKILL.md", "skills", "schemas") if not resource(name).exists()]
    if lacking:
        return Check(
            "FAIL", "files", f"{', '.join(lacking)} not found in {resource_root()}", "Install trainwell again."
        )
    return Check("ok", "files", str(resource_root()))


def _workspace(root: Path | None) -> Check:
    workspace = Workspace.open(root)
    probe = workspace.state / f"doctor-{os.getpid()}.tmp"
    probe.write_bytes(b"written by trainwell doctor")
    probe.unlink()
    return Check("ok", "workspace", f"{workspace.root} can be written")


def _faults(root: Path | None, *, repair: bool) -> Iterator[Check]:
    """What is wrong in the workspace; what is damaged or locked for good, the check of the store tells."""
    try:
        for fault in look_over(Workspace.open(root), repair=repair):
            if fault.mended:
                yield Check("ok", "repair", fault.told)
            elif fault.mendable:
                yield Check("warn", "repair", fault.told, "`trainwell doctor --repair` mends it.")
            else:
                yield Check("warn", "repair", fault.told, "Look at it; delete_run removes a run for good.")
    except (TrainwellError, OSError):
        return


def _store(root: Path | None) -> Check:
    store = Store.open(Workspace.open(root))
    try:
        verdict = next(iter((store.database.row("PRAGMA quick_check") or {"": "no answer"}).values()))
        runs = (store.database.row("SELECT count(*) AS runs FROM runs") or {"runs": 0})["runs"]
    finally:
        store.database.close()
    if verdict != "ok":
        return Check("FAIL", "store", f"damaged: {verdict}"[:300], MEND)
    return Check("ok", "store", f"readable and sound, {runs} runs")


def _workers(root: Path | None) -> Check:
    """Have a piece of work done for real."""
    began = time.monotonic()
    try:
        work = partial(preloaded.ask, Workspace.open(root), "devices", {}, seconds=WORK_SECONDS)
        devices = anyio.run(work)["devices"]
    except (TrainwellError, OSError, ValueError, KeyError) as error:
        fix = f"See the lines above; then read {preloaded.socket_path().with_suffix('.log')}."
        return Check("FAIL", "workers", plain(str(error), 300), fix)
    names = ", ".join(str(device["name"]) for device in devices)
    told = f"work done in {time.monotonic() - began:.2f} s, devices: {names}"
    if not preloaded.can_fork():
        return Check("warn", "workers", f"{told}; started afresh each time", "Nothing: this system cannot fork safely.")
    return Check("ok", "workers", f"{told}; forked from a preloaded process")


def _readable(path: Path) -> Check:
    folder = path.expanduser()
    if not folder.is_dir() or not os.access(folder, os.R_OK):
        return Check("FAIL", "allow-read", f"{folder} is not a folder that can be read", "Correct --allow-read.")
    return Check("ok", "allow-read", str(folder))


def _extra(package: str, module: str, purpose: str, fix: str) -> Check:
    if find_spec(module) is None:
        return Check("warn", package, f"not installed: no {purpose}", fix)
    return Check("ok", package, f"{version(package)}, for {purpose}")
