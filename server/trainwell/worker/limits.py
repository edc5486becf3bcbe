"""What a worker may take of the machine."""

from __future__ import annotations

import sys

import psutil
import torch

#: Share of the memory that is free now that one worker may take; the rest keeps the machine alive.
MEMORY_SHARE = 0.9


def limit_memory() -> None:
    """Let an allocation fail here before the kernel kills somebody for it (not with CUDA, which reserves freely)."""
    if torch.version.cuda is not None or sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    mine = psutil.Process().memory_info().vms
    limit = mine + int(psutil.virtual_memory().available * MEMORY_SHARE)
    # The soft limit only: a worker starts the next one, which could not raise a hard one to what is free by then.
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
