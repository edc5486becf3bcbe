"""A run as other programs read it: one file a format.

A format's file has `SUFFIX` (of a file; empty for a folder), `NEEDS` (the package that writes it, None for none) and
`write(run, path)`. Those that need a package are run in a process of their own: trackers keep global state and threads.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXTRA = "pip install 'trainwell[trackers]'"
LONGEST_SECONDS = 120
_NOT_SCALARS = ("epoch", "step")


@dataclass(frozen=True)
class ExportedRun:
    """What is told of a run.

    `answer` is that of `get_run` with all details; `ends` has the end of each epoch in Unix seconds. `place` is where
    the file or folder will lie in the end: it is written beside it first.
    """

    handle: str
    name: str
    answer: dict[str, Any]
    epochs: list[dict[str, Any]]
    ends: list[float]
    environment: dict[str, str]
    place: str

    def scalars(self) -> Iterator[tuple[str, int, float, float]]:
        """(metric, epoch, Unix seconds, value) of all that was measured and is finite."""
        for record, end in zip(self.epochs, self.ends, strict=True):
            for name, value in record.items():
                measured = isinstance(value, int | float) and not isinstance(value, bool)
                if measured and name not in _NOT_SCALARS and math.isfinite(value):
                    yield name, record["epoch"], end, float(value)

    def settings(self) -> dict[str, Any]:
        """Arguments as given, and what was decided for the rest."""
        full: dict[str, dict[str, Any]] = self.answer["full"]
        plan = {name: value for name, value in (full["plan"] or {}).items() if name != "decisions"}
        return {**plan, **full["arguments"]}


class Format(Protocol):
    """What a file of this folder offers."""

    SUFFIX: str
    NEEDS: str | None

    def write(self, run: ExportedRun, path: Path) -> None:
        """Write a new file or folder."""
        ...


def format_of(name: str) -> Format:
    """The format of that name, which the manifest has checked."""
    return cast("Format", import_module(f"{__name__}.{name}"))


async def export(run: ExportedRun, name: str, path: Path) -> None:
    """Write a run in a format.

    Raises:
        TrainwellError: `extra_missing`, or `export_failed` with what the tracker's package said.
    """
    wanted = format_of(name)
    if wanted.NEEDS is None:
        await anyio.to_thread.run_sync(wanted.write, run, path)
        return
    if find_spec(wanted.NEEDS) is None:
        raise TrainwellError(
            "extra_missing", f"{name} files are written by the package {wanted.NEEDS}, which is not installed here.",
            argument="format", got=name, allowed=["html"], hint=f"Install it: {EXTRA}.",
        )  # fmt: skip
    told = {"format": name, "path": str(path), "run": asdict(run)}
    with tempfile.TemporaryFile() as given:  # a pipe would break when the process ends before it has read
        given.write(json.dumps(told).encode())
        given.seek(0)
        try:
            with anyio.fail_after(LONGEST_SECONDS):
                done = await anyio.run_process([sys.executable, "-m", __name__], stdin=given, check=False)
        except TimeoutError as error:
            raise _failed(f"{wanted.NEEDS} did not end within {LONGEST_SECONDS} s.") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise _failed(f"{wanted.NEEDS} could not write the run; it said: {said[0][:300]}.")


def _failed(message: str) -> TrainwellError:
    return TrainwellError(
        "export_failed", message, argument="format", allowed=["html"], hint="html needs no other package."
    )
