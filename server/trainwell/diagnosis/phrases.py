"""How machines say that memory ran out or that a number is no number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainwell.contract.trace import Trace

OUT_OF_MEMORY = re.compile(
    r"""out[ -]of[ -](?!shared)(?:\w+[ -])?mem(?:ory)?\b | outofmemory | \boom\b | \boom[-_ ]kill | oomkilled
    | (?:can't|cannot|could\ not|couldn't|unable\ to|failed\ to)\ allocate
    | defaultcpuallocator | memoryerror | bad[_ ]alloc | cu(?:blas|dnn)[_ ]status[_ ]alloc[_ ]failed
    | (?:not\ enough|insufficient)\ (?:\w+\ )?(?:memory|vram|ram)\b
    | (?:not|n't)\ fit\ (?:in|into|on)\ (?:\w+\ ){0,2}(?:memory|vram|ram|gpu)\b
    | (?:ran|runs?|running)\ out\ of\ (?:\w+\ )?(?:memory|vram|ram)\b""",
    re.IGNORECASE | re.VERBOSE,
)
# What is said by the machine, not by an allocator of torch.
HOST_OUT_OF_MEMORY = re.compile(
    r"^host_out_of_memory:|\bMemoryError\b|\boom[-_ ]?kill|unable to allocate .{1,40} for an array|killed process \d+",
    re.IGNORECASE,
)
NON_FINITE = re.compile(
    r"\b(?:nans?|infs?|infinit[ey]|non[ _-]?finite(?:loss)?|not finite|not a number)\b", re.IGNORECASE
)


def failures(trace: Trace) -> list[str]:
    """What a run died of: the causes of its attempts where it has any, else the text of its error.

    A cause comes with its message. Text alone is searched for phrases, a cause is a word of its own.
    """
    ended = [f"{attempt.cause}: {attempt.message or ''}" for attempt in trace.attempts if attempt.cause]
    return ended or ([trace.error] if trace.error else [])
