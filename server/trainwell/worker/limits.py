"""What a worker may take of the machine."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from trainwell.store.atomic import TEMPORARY

#: Share of the memory that is free now that one worker may take; the rest keeps the machine alive.
MEMORY_SHARE = 0.9
#: Where a worker stands among those that the kernel may kill for memory: 0 is usual, 1000 the first.
OOM_SCORE = 500


def limit_memory() -> None:
    """Let an allocation fail here before the kernel kills somebody for it (not with CUDA, which reserves freely)."""
    import torch  # noqa: PLC0415 - lift_limit is wanted where torch is not

    if torch.version.cuda is not None or sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    mine = psutil.Process().memory_info().vms
    limit = mine + int(psutil.virtual_memory().available * MEMORY_SHARE)
    # The soft limit only: a worker starts the next one, which could not raise a hard one to what is free by then.
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def lift_limit() -> None:
    """Undo it: an end must be recorded, and the worker that follows must not begin under what was left."""
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - there is none on Windows

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def offer_to_the_kernel() -> None:
    """Let the kernel take this process before a server when memory runs out; raising it needs no privilege."""
    with suppress(OSError):
        path = Path("/proc/self/oom_score_adj")
        if int(path.read_text(encoding="ascii")) < OOM_SCORE:
            path.write_text(str(OOM_SCORE), encoding="ascii")


class Reserve:
    """Room on the disk that is given back when a run ends: a full disk must not keep its end out of the store."""

    BYTES = 256 * 1024

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{TEMPORARY}{os.getpid()}-reserve"
        with suppress(OSError):  # a disk that is full already has none to give
            self._path.write_bytes(bytes(self.BYTES))

    def release(self) -> None:
        """Give the room back; more than once does no harm."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
