"""Small words that several rooms of data say."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """`1 cell`, `2,000 cells`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
