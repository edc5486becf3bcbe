"""Write a run's story for people or other trackers: an HTML report, TensorBoard, MLflow or W&B files.

Offline: nothing is sent. For weights use save_checkpoint.
"""

from __future__ import annotations

import platform
import uuid
from dataclasses import asdict
from importlib.metadata import version
from itertools import accumulate
from typing import TYPE_CHECKING

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Spec
from trainwell.reports.exports import ExportedRun, export, format_of
from trainwell.runs.details import details
from trainwell.runs.view import view
from trainwell.store.atomic import TEMPORARY, place, remove
from trainwell.tools.services import Services

if TYPE_CHECKING:
    from pathlib import Path

TITLE = "Export run"
HINTS = Hints(read_only=False, destructive=False, idempotent=False)
OPENS = {
    "html": "Open it in any browser; it needs nothing else.",
    "tensorboard": "tensorboard --logdir {path}",
    "mlflow": "mlflow ui --backend-store-uri {path}",
    "wandb": "wandb sync {path}/wandb/offline-run-*",
}


class Arguments(Spec):
    """See SKILL.md."""

    run: str
    format: str
    path: str | None = None
    overwrite: bool


class Result(Answer):
    """Where it lies, and how a person opens it."""

    run: str
    format: str
    path: str
    open_with: str


async def call(services: Services, arguments: Arguments) -> Result:
    """Write beside the place and move it there: a refusal or a kill leaves nothing half written."""
    run = services.find("run", arguments.run, "run")
    path = _place(services, run, arguments)
    part = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:8]}-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        await export(_told(services, run, path), arguments.format, part)
        place(path, part.rename)
    finally:
        remove(part)
    shown = services.workspace.shown(path)
    opens = OPENS[arguments.format].format(path=shown)
    return Result(
        summary=f"{run} as {arguments.format}: {shown}. {opens}", run=run, format=arguments.format, path=shown,
        open_with=opens, next_call=next_call("evaluate", run=run),
    )  # fmt: skip


def _place(services: Services, run: str, arguments: Arguments) -> Path:
    suffix = format_of(arguments.format).SUFFIX
    text = arguments.path or f"{run}-{arguments.format}{suffix}"
    if not text.endswith(suffix):
        raise TrainwellError("unknown_format", "The path does not fit the format.", argument="path", got=text,
                             allowed=f"a path ending in {suffix}")  # fmt: skip
    return services.workspace.resolve_write(text, overwrite=arguments.overwrite)


def _told(services: Services, run: str, at: Path) -> ExportedRun:
    epochs = services.store.history.epochs(run)
    seen = view(services.store, run)
    full = details(services.workspace, services.store, run)
    began = services.store.runs.get(run)["started_at"] or 0.0
    return ExportedRun(
        handle=run,
        name=full["arguments"].get("name") or run,
        answer=seen.model_dump(mode="json") | {"full": full},
        epochs=[asdict(one) for one in epochs],
        ends=[began + spent for spent in accumulate(one.seconds or 0.0 for one in epochs)],
        place=str(at),
        environment={name: version(name) for name in ("trainwell", "torch")} | {"python": platform.python_version(),
                     "system": platform.platform()},
    )  # fmt: skip
