"""The watchdog of a worker: no beat for too long, and the attempt is ended, its stacks logged, its process killed."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING

import psutil
from loguru import logger

from trainwell.runs.preloaded import start_fresh
from trainwell.runs.queue import end_attempt
from trainwell.store.atomic import sweep
from trainwell.store.store import Store

if TYPE_CHECKING:
    from types import TracebackType

    from trainwell.store.workspace import Workspace
    from trainwell.training.pulse import Pulse

# No step for so long (s), or for so many of the usual steps, is a hang; what may be slow gets so many times more.
STALL_SECONDS, STALL_STEPS, PATIENCE = 60.0, 20.0, 30.0
LOOKS = 20
# So many times the allowed silence without even the watchdog running, and the process is ended without a word.
LOCKED = 3.0
_KEPT = 101


def stall_seconds() -> float:
    """The shortest silence that is a hang (s). TRAINWELL_STALL_SECONDS sets it."""
    return float(os.environ.get("TRAINWELL_STALL_SECONDS", STALL_SECONDS))


class Silence:
    """How long a pulse has been silent, in time that this process was allowed to run.

    Args:
        shortest: See `stall_seconds`.
        pause: Seconds between two looks.
    """

    def __init__(self, shortest: float, pause: float) -> None:
        self.shortest = shortest
        self.pause = pause
        self.silent = 0.0
        self._beats: int = 0
        self._times: deque[float] = deque(maxlen=_KEPT)

    def is_hang(self, beats: int, passed: float, slow: bool) -> bool:
        """Take in one look.

        Args:
            beats: Of the pulse.
            passed: Seconds since the look before. A process that was stopped meanwhile (SIGSTOP) was not silent.
            slow: Whether what is at hand may take long.
        """
        self.silent += min(passed, 2 * self.pause)
        if beats != self._beats:
            if self._beats:
                self._times.append(self.silent / (beats - self._beats))
            self._beats, self.silent = beats, 0.0
        return self.silent > self.limit(slow)

    def limit(self, slow: bool) -> float:
        """Seconds of silence that are allowed."""
        usual = max(self.shortest, STALL_STEPS * median(self._times)) if self._times else self.shortest
        return usual * PATIENCE if slow else usual


class Watchdog:
    """Watches a pulse on a thread of its own while it is entered."""

    def __init__(self, workspace: Workspace, run: str, attempt: int, pulse: Pulse) -> None:
        self._place = (workspace, run, attempt)
        self._pulse = pulse
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        shortest = stall_seconds()
        silence = Silence(shortest, min(1.0, shortest / LOOKS))
        before = time.monotonic()
        while not self._done.wait(silence.pause):
            before, passed = time.monotonic(), time.monotonic() - before
            # Native code that hangs and holds the interpreter's lock stops this thread, too: then C ends the process.
            faulthandler.dump_traceback_later(LOCKED * silence.limit(self._pulse.slow), exit=True, file=2)
            if silence.is_hang(self._pulse.beats, passed, self._pulse.slow):
                self._end(silence.silent)

    def _end(self, seconds: float) -> None:
        workspace, run, attempt = self._place
        successor = None
        try:
            logger.error("no step for {:.0f} s; the stacks of all threads:", seconds)
            faulthandler.dump_traceback(file=2, all_threads=True)
            store = Store.open(workspace)
            end_attempt(
                store, run, attempt, "stalled", f"No step for {seconds:.3g} s; its stacks are in the run's log."
            )
            sweep(workspace.run_dir(run))
            successor = launch_successor(workspace)
        finally:
            _kill_this_process(successor)


def launch_successor(workspace: Workspace) -> int | None:
    """Start a detached process that moves the queue on in this one's place. Returns: its process id."""
    try:
        return start_fresh("move-on", workspace.to_request(), sys.stderr.fileno())
    except OSError as error:
        logger.warning("nobody could be started to move the queue on: {}", error)
        return None


def _kill_this_process(spared: int | None) -> None:
    """End at once, with the children, also where a thread hangs in C."""
    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            if child.pid != spared:
                child.kill()
    os.kill(os.getpid(), signal.SIGKILL)
