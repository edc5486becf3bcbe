"""Work that may outlive the call that asked for it: how far it is, whether it is still wanted, what came of it.

A job is a folder named by what was asked: the same call again finds it. Whoever does the work writes `progress.json`
and at its end `reply.json`; whoever asked may leave `cancel`.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from trainwell.store.atomic import place, remove, write_synced

if TYPE_CHECKING:
    from trainwell.store.workspace import Workspace

# A process is told from a later one of its number by when it began, in s; clocks may be set a little.
_CLOCK_SLACK = 2.0
_TELL_SECONDS = 0.3


def job_key(*asked: Any) -> str:
    """A name for a job that follows from what was asked, JSON."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Progress:
    """How far a job is, from 0 to 1, in words, and whether its process lives."""

    share: float
    words: str
    alive: bool


class Job:
    """One job of a workspace, as both sides see it."""

    def __init__(self, workspace: Workspace, key: str) -> None:
        self.key = key
        self._folder = workspace.state / "jobs" / key
        self._told = 0.0

    def begin(self) -> None:
        """This process takes the job."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.tell(0.0, "")

    def tell(self, share: float, words: str) -> None:
        """Say how far it is; a few times a second are enough."""
        now = time.monotonic()
        if now - self._told < _TELL_SECONDS and share:
            return
        self._told = now
        state = {"share": share, "words": words, "pid": os.getpid(), "born": psutil.Process().create_time()}
        self._write("progress.json", state)

    def wanted(self) -> bool:
        """Whether nobody has called it off."""
        return not (self._folder / "cancel").exists()

    def finish(self, reply: dict[str, Any]) -> None:
        """Leave what came of it, `{"result": ...}` or `{"error": ...}`, for whoever asks again."""
        self._write("reply.json", reply)

    def progress(self) -> Progress | None:
        """How far it is; None when it never began."""
        state = self._read("progress.json")
        if state is None:
            return None
        return Progress(float(state["share"]), str(state["words"]), _lives(int(state["pid"]), float(state["born"])))

    def reply(self) -> dict[str, Any] | None:
        """What came of it, once."""
        found = self._read("reply.json")
        if found is not None:
            self.forget()
        return found

    def cancel(self) -> None:
        """Call it off; its process ends at the next part and leaves nothing behind."""
        self._folder.mkdir(parents=True, exist_ok=True)  # its process may be about to begin
        (self._folder / "cancel").touch()

    def forget(self) -> None:
        """Nobody will ask again."""
        remove(self._folder)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        with suppress(FileNotFoundError):  # forgotten meanwhile
            place(self._folder / name, lambda path: write_synced(path, text))

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            return json.loads((self._folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def _lives(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - born) < _CLOCK_SLACK
    except psutil.Error:
        return False
