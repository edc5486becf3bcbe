"""Work that goes on beside the training thread: one piece at a time, its error told where somebody looks."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Writer:
    """A thread for each piece of work; at most one in flight."""

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    def busy(self) -> bool:
        """Whether a piece of work is in flight.

        Raises:
            BaseException: What the piece before died of, once.
        """
        if self._thread is not None and not self._thread.is_alive():
            self.wait()
        return self._thread is not None

    def start(self, work: Callable[[], None]) -> None:
        """Begin a piece of work, behind the one in flight.

        Raises:
            BaseException: What the one before died of.
        """
        self.wait()
        self._thread = Thread(target=self._carry_out, args=(work,), name="checkpoint writer", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until nothing is in flight.

        Raises:
            BaseException: What the work died of.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _carry_out(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the training thread
            self._error = error
