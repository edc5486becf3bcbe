"""Small words that several rooms of data say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def counted(number: int, what: str) -> str:
    """`1 cell`, `2,000 cells`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


class Tally(str):
    """A note that counts something: of rows that are read part by part, it is told once with the sum.

    Args:
        count: How many.
        what: Of what, as in `counted`.
        before: The sentence before the number.
        after: The sentence behind it.
        example: Of one of them; the first one stays.
    """

    __slots__ = ("example", "key", "number")

    def __new__(cls, count: int, what: str, *, before: str = "", after: str = "", example: str = "") -> Tally:
        """The note as a text."""
        note = super().__new__(cls, f"{before}{counted(count, what)}{after}{example}.")
        note.key = (before, what, after)
        note.number, note.example = count, example
        return note


def summed(notes: Iterable[str]) -> list[str]:
    """Notes of several parts as those of the whole: each said once, counts added up."""
    found: dict[object, str] = {}
    for note in notes:
        key = note.key if isinstance(note, Tally) else note
        known = found.get(key)
        if isinstance(note, Tally) and isinstance(known, Tally):
            before, what, after = note.key
            note = Tally(known.number + note.number, what, before=before, after=after, example=known.example)  # noqa: PLW2901
        found[key] = note
    return list(found.values())
