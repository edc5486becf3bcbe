"""Two computations at once that take turns, so that whatever else the machine does meets both alike.

Counted is the CPU time of each one's thread: with one thread for arithmetic that is all that it computes, and not what
other processes took away meanwhile.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass
class Turns:
    """Whose turn it is: first in the queue.

    Attributes:
        queue: Those that are not done, the one that may go on first.
        seconds: CPU time of the turns of each so far.
    """

    queue: list[str]
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    changed: Condition = field(default_factory=Condition)
    since: float = 0.0

    def take(self, who: str) -> None:
        """Wait for one's turn."""
        with self.changed:
            self.changed.wait_for(lambda: self.queue[0] == who)
            self.since = time.thread_time()

    def end(self, who: str, *, last: bool = False) -> None:
        """End one's turn; the last one for good."""
        with self.changed:
            self.seconds[who] = self.seconds.get(who, 0.0) + time.thread_time() - self.since
            self.queue.remove(who)
            if not last:
                self.queue.append(who)
            self.changed.notify_all()


def side_by_side(works: Mapping[str, Callable[[Callable[[], None]], object]]) -> dict[str, float]:
    """CPU seconds of each work, done at once by turns.

    Args:
        works: By name, in the order of their first turns. Each gets a function to call when its turn is over, which
            returns when the next one begins.
    """
    turns = Turns(list(works))
    failures: list[BaseException] = []

    def do(who: str) -> None:
        def pass_on() -> None:
            turns.end(who)
            turns.take(who)

        turns.take(who)
        try:
            works[who](pass_on)
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            failures.append(error)
        finally:
            turns.end(who, last=True)

    threads = [Thread(target=do, args=(who,)) for who in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return turns.seconds
