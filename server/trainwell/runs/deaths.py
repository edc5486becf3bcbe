"""Workers that cannot speak for themselves: what they died of, by the kernel's counters, and which are stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from trainwell.runs.liveness import is_stopped
from trainwell.store.atomic import place, write_synced

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainwell.store.database import Row

_COUNTERS = "memory-kills.json"
_OWN = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")
UNKNOWN = ("process_died", "The worker process died without a word (killed?).")
FOR_MEMORY = (
    "host_out_of_memory",
    "The worker process was killed, and the kernel has killed for want of memory since it began.",
)


def record_counters(folder: Path) -> None:
    """Write down, in a run's folder, how often the kernel has killed for memory where this process lives.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps({str(path): kills(path) for path in counters()}).encode()
    place(folder / _COUNTERS, lambda part: write_synced(part, content))


def cause_of_death(run_dir: Path) -> tuple[str, str]:
    """The cause, a key of `retry.CLASSES`, and a message for a worker that was found dead."""
    try:
        before: dict[str, int | None] = json.loads((run_dir / _COUNTERS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return UNKNOWN
    grown = any(count is not None and (kills(Path(path)) or 0) > count for path, count in before.items())
    return FOR_MEMORY if grown else UNKNOWN


def who_holds_up(rows: Iterable[Row]) -> str | None:
    """What to do about workers that are stopped: one that was stopped while it wrote keeps all others from writing.

    Args:
        rows: Of the runs that a worker carries.

    Returns:
        A sentence, or None when none is stopped.
    """
    stopped = [(row["handle"], row["owner"]["pid"]) for row in rows if is_stopped(row["owner"])]
    if not stopped:
        return None
    told = ", ".join(f"the worker of {run} (process {pid})" for run, pid in stopped)
    pids = " ".join(str(pid) for _, pid in stopped)
    return (
        f"Stopped, perhaps while it wrote: {told}. `kill -CONT {pids}` lets it go on; `kill -KILL {pids}` ends it, "
        "and its run goes on from its last checkpoint."
    )


def counters() -> list[Path]:
    """The files that count such kills for this process: of its cgroup, version 1 or 2, seen from where it is."""
    try:
        lines = _OWN.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        inside = group.lstrip("/")
        if "memory" in controllers.split(","):
            base, name = _ROOT / "memory", "memory.oom_control"
        elif not controllers:
            base, name = _ROOT, "memory.events"
        else:
            continue
        # Within a container the group's path may be that of the host; then the root is ours.
        found += [path for path in (base / inside / name, base / name) if path.is_file()][:1]
    return found


def kills(path: Path) -> int | None:
    """The count in one such file, None when it cannot be read."""
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    except (OSError, ValueError):
        return None
    return None
