"""Is the process that carries a run still there? A process id alone does not tell: ids are used again.

Nothing here reads the wall clock, which people and NTP set: ages are of the monotonic clock, which all processes of
a boot share, and a process is known by its id, the boot, and the kernel's own count of ticks at its start.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

_START_TIME_SLACK_SECONDS = 1.0
# Fields of /proc/PID/stat behind the name in parentheses, which may itself hold spaces and parentheses.
_STATE, _START_TICKS = 0, 19
_DEAD_STATES = {"Z", "X", "x"}
_STOPPED_STATES = {"T", "t"}


@cache
def _boot_id() -> str:
    """A word that changes with each boot of the machine."""
    path = Path("/proc/sys/kernel/random/boot_id")
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on, or None where there is no such file."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def identity_of(pid: int) -> dict[str, Any]:
    """Who a process is: id, boot, and when it started.

    Raises:
        psutil.NoSuchProcess: There is no such process.
    """
    fields = _stat(pid)
    if fields is not None:
        return {"pid": pid, "ticks": int(fields[_START_TICKS]), "boot": _boot_id()}
    return {"pid": pid, "started": psutil.Process(pid).create_time(), "boot": _boot_id()}


def my_identity() -> dict[str, Any]:
    """Who this process is."""
    return identity_of(os.getpid())


def is_alive(identity: dict[str, Any] | None) -> bool:
    """Whether the very process of that identity still runs (a zombie does not)."""
    if not identity or identity.get("boot") != _boot_id() or "pid" not in identity:
        return False
    if "ticks" in identity:
        fields = _stat(identity["pid"])
        return (
            fields is not None and int(fields[_START_TICKS]) == identity["ticks"] and fields[_STATE] not in _DEAD_STATES
        )
    try:  # no /proc here, or an older trainwell wrote it
        process = psutil.Process(identity["pid"])
        same = abs(process.create_time() - identity["started"]) < _START_TIME_SLACK_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def is_stopped(identity: dict[str, Any] | None) -> bool:
    """Whether the very process of that identity is there and stopped (SIGSTOP, or by a debugger)."""
    if not is_alive(identity) or identity is None:
        return False
    fields = _stat(identity["pid"])
    return fields is not None and fields[_STATE] in _STOPPED_STATES


def kill(identity: dict[str, Any]) -> bool:
    """End the very process of that identity at once; never another one that got its id.

    Returns:
        Whether it was there.
    """
    if not hasattr(os, "pidfd_open"):
        alive = is_alive(identity)
        if alive:
            with suppress(ProcessLookupError):
                os.kill(identity["pid"], signal.SIGKILL)
        return alive
    try:
        handle = os.pidfd_open(identity.get("pid", -1))
    except (OSError, OverflowError):
        return False
    try:
        if not is_alive(identity):  # looked at after opening: what is open cannot become another process
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def a_claim() -> dict[str, Any]:
    """The owner of a run whose worker was launched just now and has not spoken yet."""
    return {"claimed": time.monotonic(), "boot": _boot_id()}


def claim_age(owner: dict[str, Any]) -> float | None:
    """Seconds since a launch, or None when this is no claim of this boot."""
    if "claimed" not in owner or owner.get("boot") != _boot_id():
        return None
    return max(0.0, time.monotonic() - owner["claimed"])


def silence(owner: dict[str, Any] | None, heartbeat: float | None) -> float | None:
    """Seconds since the last word of a worker, or None when that cannot be told.

    Args:
        owner: Who carries the run.
        heartbeat: The monotonic clock at the last word.
    """
    if not owner or heartbeat is None or owner.get("boot") != _boot_id():
        return None
    return max(0.0, time.monotonic() - heartbeat)
