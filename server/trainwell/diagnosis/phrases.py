"""How machines say that memory ran out or that a number is no number."""

from __future__ import annotations

import re

OUT_OF_MEMORY = re.compile(
    r"""out[ -]of[ -](?:\w+[ -])?memory | outofmemory | \boom\b | \boom[-_]kill | oomkilled
    | (?:can't|cannot|could\ not|couldn't|unable\ to|failed\ to)\ allocate
    | defaultcpuallocator | memoryerror | bad_alloc | cu(?:blas|dnn)_status_alloc_failed
    | (?:not\ enough|insufficient)\ (?:\w+\ )?(?:memory|vram|ram)\b
    | (?:ran|runs?|running)\ out\ of\ (?:\w+\ )?(?:memory|vram|ram)\b""",
    re.IGNORECASE | re.VERBOSE,
)
NON_FINITE = re.compile(
    r"\bnans?\b|\binf(?:s|inity)?\b|\bnon[ _-]?finite\b|\bnot finite\b|\bnot a number\b", re.IGNORECASE
)
ERROR_LINE = re.compile(r"^.*(?:\w*Error\b|\bException\b|out of memory|\bKilled\b).*$", re.IGNORECASE | re.MULTILINE)
