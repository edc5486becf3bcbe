"""What this machine and server offer: devices, memory, versions, limits, retry policy, queue."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import version
from typing import Any

import psutil

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import Spec
from trainwell.runs.lifecycle import CARRIED, WAITING
from trainwell.runs.places import places_of
from trainwell.tools.services import Services

TITLE = "System info"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)


class Arguments(Spec):
    """None."""


class Result(Answer):
    """Facts, in bytes where they are sizes."""

    devices: list[dict[str, Any]]
    memory: dict[str, int]
    disk_free_bytes: int
    versions: dict[str, str]
    limits: dict[str, Any]
    retry: dict[str, Any]
    queue: dict[str, int]
    workspace: str


async def call(services: Services, arguments: Arguments) -> Result:  # noqa: ARG001 - it takes none
    """Ask a worker for the devices, the rest is known here."""
    devices = (await services.look("devices"))["devices"]
    memory = psutil.virtual_memory()
    running = services.store.queue.count(*CARRIED)
    waiting = services.store.queue.count(*WAITING)
    names = ", ".join(str(device["name"]) for device in devices)
    return Result(
        summary=f"{names}; {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB memory free; "
        f"{running} runs running, {waiting} waiting.",
        devices=devices,
        memory={"total_bytes": memory.total, "available_bytes": memory.available},
        disk_free_bytes=shutil.disk_usage(services.workspace.root).free,
        versions={name: version(name) for name in ("trainwell", "torch", "mcp")}
        | {"python": platform.python_version()},
        limits={"max_parameters": services.max_parameters(), "parallel_runs": places_of(services.workspace).count},
        retry=services.manifest.retry.model_dump(),
        queue={"running": running, "waiting": waiting},
        workspace=str(services.workspace.root),
        next_call=next_call("inspect_data", source="digits"),
    )
