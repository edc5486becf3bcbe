"""Text that comes from data is data: it is cut and its control characters are shown, not obeyed."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any, cast

LONGEST = 80
LARGEST_WRITTEN_OUT = 1e9
_SIZES = ("B", "KB", "MB", "GB", "TB")
# Control, format (bidirectional marks, zero-width), surrogate, private use, unassigned.
_UNSAFE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn"}


def plain(text: str, longest: int = LONGEST) -> str:
    r"""Cut text to `longest` characters and escape what a reader could not see (`\u202e`, newlines)."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(
        f"\\u{ord(character):04x}" if unicodedata.category(character) in _UNSAFE_CATEGORIES else character
        for character in cut
    )


def quoted(value: Any, longest: int = LONGEST) -> str:
    """A value from outside, for use in a sentence: strings in quotes, everything cut."""
    if isinstance(value, str):
        return f'"{plain(value, longest)}"'
    try:
        return plain(json.dumps(value, default=str), longest)
    except (ValueError, RecursionError):
        return f"({type(value).__name__})"


def rounded(value: float | None, digits: int = 4) -> str:
    """A number for a sentence; None and NaN are said as they are."""
    if value is None:
        return "n/a"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("infinity" if value > 0 else "-infinity")
    if 10**digits <= abs(value) < LARGEST_WRITTEN_OUT:
        return f"{value:,.0f}"  # 12,346 reads better than 1.235e+04
    return f"{value:.{digits}g}"


def duration(seconds: float | None) -> str:
    """A time in the unit that a person would take: `0.42 s`, `48 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None or not math.isfinite(seconds):
        return rounded(seconds)
    if seconds < 100:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(count: float) -> str:
    """Bytes in the unit that a person would take: `512 B`, `1.5 KB`, `48 MB` (of 1024)."""
    unit = 0
    while count >= 999.5 and unit < len(_SIZES) - 1:
        count /= 1024
        unit += 1
    return f"{count:.2g} {_SIZES[unit]}" if count < 9.95 else f"{count:.0f} {_SIZES[unit]}"


def brief(value: Any, most: int = 5, digits: int = 4) -> Any:
    """JSON with long lists cut, and numbers with the digits that matter.

    A list of an object that was cut has its number of left out entries beside it, as `<name>_left_out`.
    """
    if isinstance(value, float):
        return round(value) if abs(value) >= 10**digits else float(f"{value:.{digits}g}")
    if isinstance(value, list):
        return [brief(item, most, digits) for item in cast("list[Any]", value)[:most]]
    if not isinstance(value, dict):
        return value
    told: dict[str, Any] = {}
    for name, item in cast("dict[str, Any]", value).items():
        told[name] = brief(item, most, digits)
        if isinstance(item, list) and len(cast("list[Any]", item)) > most:
            told[f"{name}_left_out"] = len(cast("list[Any]", item)) - most
    return told


def finite(value: Any) -> Any:
    """The value with every NaN and infinity in it as None, so that JSON stays valid."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in cast("list[Any]", value)]
    return value
