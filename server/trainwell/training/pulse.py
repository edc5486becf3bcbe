"""The pulse of a training: the loop counts its steps here, a watchdog looks whether the count moves."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class Pulse:
    """What the loop tells a watchdog, at the price of an attribute.

    Attributes:
        beats: Steps and other pieces of work done.
        slow: Whether what is at hand may take long without a beat: preparation, a compiler, a disk.
    """

    def __init__(self) -> None:
        self.beats = 0
        self.slow = True

    def beat(self) -> None:
        """One more piece of work is done."""
        self.beats += 1

    @contextmanager
    def patient(self) -> Generator[None]:
        """Within it, a piece of work may take long."""
        before, self.slow = self.slow, True
        try:
            yield
        finally:
            self.slow = before
            self.beats += 1
