"""Is the process that carries a run still there? A process id alone does not tell: ids are used again."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import psutil

_START_TIME_SLACK_SECONDS = 1.0


@cache
def _boot_id() -> str:
    """A word that changes with each boot of the machine."""
    path = Path("/proc/sys/kernel/random/boot_id")
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


def my_identity() -> dict[str, Any]:
    """Who this process is: id, start time, boot."""
    pid = os.getpid()
    return {"pid": pid, "started": psutil.Process(pid).create_time(), "boot": _boot_id()}


def is_alive(identity: dict[str, Any] | None) -> bool:
    """Whether the very process of that identity still runs (a zombie does not)."""
    if not identity or identity["boot"] != _boot_id():
        return False
    try:
        process = psutil.Process(identity["pid"])
        same = abs(process.create_time() - identity["started"]) < _START_TIME_SLACK_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
