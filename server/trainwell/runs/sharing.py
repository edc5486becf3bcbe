"""Work that is done once for everybody who asks for it while it goes on.

Fifty clients that look at one file at once are one look. Who has waited too long and asks again joins what was begun,
or finds its answer, which is kept for a while where nobody was there any more to take it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Work = Callable[["Piece"], Coroutine[Any, Any, bytes]]

#: How long an answer is kept that nobody waited for.
KEPT_SECONDS = 300.0


class Piece:
    """Some work that goes on in a task of its own; those who wait for it may leave.

    Attributes:
        begun: Set by the work itself. What has not begun when nobody waits any more is dropped.
    """

    def __init__(self, work: Work) -> None:
        self.begun = False
        self._waiting = 0
        self._task = asyncio.create_task(work(self))
        self._task.add_done_callback(self._ended)
        self._forget: Callable[[], None] = lambda: None

    def known_as(self, key: bytes, pieces: dict[bytes, Piece]) -> None:
        """Let others find it until its answer is taken, or has not been taken for long."""

        def forget() -> None:
            if pieces.get(key) is self:
                del pieces[key]

        pieces[key], self._forget = self, forget

    async def answer(self) -> bytes:
        """What the work gave.

        Raises:
            Exception: What it raised.
        """
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            dropped = not self._waiting and not self.begun
            if dropped:
                self._task.cancel()
            if dropped or self._task.done():
                self._forget()

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._forget()
        else:
            task.get_loop().call_later(KEPT_SECONDS, self._forget)


_pieces: RunVar[dict[bytes, Piece]] = RunVar("shared work")


def join(key: bytes, work: Work) -> Piece:
    """The piece of that name that goes on already, else a new one.

    Args:
        key: The same for work that would give the same answer.
        work: What to start where there is none.
    """
    try:
        pieces = _pieces.get()
    except LookupError:
        _pieces.set(pieces := {})
    piece = pieces.get(key)
    if piece is None:
        piece = Piece(work)
        piece.known_as(key, pieces)
    return piece
