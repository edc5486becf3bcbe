"""A number as logs write it."""

from __future__ import annotations

import math
import re
from typing import Any

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.IGNORECASE | re.ASCII)
_SPELLED = {"nan": math.nan, "inf": math.inf, "infinity": math.inf, "-inf": -math.inf, "-infinity": -math.inf}
_WRAPPED = re.compile(r"^(?:tensor|array|np\.float\d*)?\(?\[?([^,\])]*)[^)]*\)?$")
LONGEST_NUMBER = 64


def number(value: Any) -> float | None:
    """A cell's value: 0.5, "0.5", "45 %", "nan", "tensor(0.5)"; None where it is empty or no number."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.copysign(math.inf, value)
    return _spelled(value.strip().lower()) if isinstance(value, str) and len(value) <= LONGEST_NUMBER else None


def _spelled(text: str) -> float | None:
    if text in _SPELLED:
        return _SPELLED[text]
    percent = text.endswith("%")
    if _NUMBER.fullmatch(bare := text.rstrip("% ")):
        return float(bare) / 100.0 if percent else float(bare)
    wrapped = _WRAPPED.match(text)
    inner = wrapped[1].strip() if wrapped else ""
    return _spelled(inner) if inner != text else None
