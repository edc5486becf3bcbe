"""Text that comes from data is data: it is cut and its control characters are shown, not obeyed."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any, cast

LONGEST = 80
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
    return f"{value:.{digits}g}"


def finite(value: Any) -> Any:
    """The value with every NaN and infinity in it as None, so that JSON stays valid."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in cast("list[Any]", value)]
    return value
