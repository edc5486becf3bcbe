"""How many runs at once, and on which device each: one for each GPU, one on a CPU, or as --max-parallel says.

The one place where a run is given a device. The server loads no torch, so GPUs are counted without it; a worker that
finds fewer than that trains on what there is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trainwell.store.workspace import Workspace

CPU = "cpu"
VISIBLE = "CUDA_VISIBLE_DEVICES"
_NVIDIA = Path("/proc/driver/nvidia/gpus")
_NVIDIA_SMI_SECONDS = 10.0


@dataclass(frozen=True)
class Places:
    """How many runs at once, over how many GPUs (0: all on the CPU)."""

    count: int = 1
    gpus: int = 0

    def free(self, taken: Iterable[str | None]) -> str | None:
        """A place for one more run: the GPU with the fewest, or None when all places are taken.

        Args:
            taken: The places of the runs that are carried; None is one that was never given a place.
        """
        places = list(taken)
        if len(places) >= self.count:
            return None
        names = [f"cuda:{index}" for index in range(self.gpus)] or [CPU]
        return min(names, key=places.count)


def places_of(workspace: Workspace) -> Places:
    """The places of this machine, as the person who started trainwell wants them used."""
    gpus = gpu_count()
    return Places(workspace.max_parallel or max(1, gpus), gpus)


def visible_at(place: str | None, environment: Mapping[str, str]) -> str | None:
    """What CUDA_VISIBLE_DEVICES must be for a worker at this place, or None to leave it as it is.

    Args:
        place: As `Places.free` gave it: the index counts the devices that are visible now.
        environment: Of the worker.
    """
    if place is None or not place.startswith("cuda:"):
        return None
    index = int(place.removeprefix("cuda:"))
    named = _named(environment.get(VISIBLE))
    if named is None:
        return str(index)
    return named[index] if index < len(named) else None


def gpu_count() -> int:
    """GPUs that a worker may use, counted without torch."""
    named = _named(os.environ.get(VISIBLE))
    there = _gpus_there()
    return there if named is None else min(there, len(named))


def _named(text: str | None) -> list[str] | None:
    """The devices that CUDA_VISIBLE_DEVICES names, up to the first bad one as CUDA does; None when it is not set."""
    if text is None:
        return None
    names: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        if not name or name.startswith("-"):
            break
        names.append(name)
    return names


@cache
def _gpus_there() -> int:
    try:
        if "+cpu" in version("torch"):  # a build without CUDA trains on the CPU, whatever is plugged in
            return 0
    except PackageNotFoundError:
        return 0
    if _NVIDIA.is_dir():
        return sum(1 for _ in _NVIDIA.iterdir())
    if shutil.which("nvidia-smi") is None:
        return 0
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_NVIDIA_SMI_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())
