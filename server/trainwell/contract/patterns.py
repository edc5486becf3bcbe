"""Which regular expressions a manifest may use: those that Python's backtracking engine matches in linear time.

Accepted is `^ items $`, an item being one character, an escape, a class in brackets, or a group of
alternatives of fixed length; the first three may be repeated. A repetition must be decided by the next
character alone, or be the last one in the pattern. That leaves nothing to backtrack over.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

LONGEST = 200
MOST_REPEATS = 100_000
MOST_ALTERNATIVES = 256  # product over all groups
LONGEST_TAIL = 64  # characters of fixed text that may be tried again at each place

_ASCII = frozenset(range(128))
_BEYOND = 128  # stands for every character outside ASCII
_EVERYTHING = _ASCII | {_BEYOND}
_DIGITS = frozenset(map(ord, "0123456789"))
_WORD = frozenset(map(ord, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))
_SPACE = frozenset(map(ord, " \t\n\r\f\v"))
# Python's \d, \w and \s also match outside ASCII.
_NAMED = {
    "d": _DIGITS | {_BEYOND},
    "w": _WORD | {_BEYOND},
    "s": _SPACE | {_BEYOND},
    "D": _EVERYTHING - _DIGITS,
    "W": _EVERYTHING - _WORD,
    "S": _EVERYTHING - _SPACE,
}
_CONTROL = {"t": 9, "n": 10, "r": 13, "f": 12, "v": 11}
_QUANTIFIER = re.compile(r"[*+?]|\{(\d{1,6})(?:(,)(\d{1,6})?)?\}")


class PatternRefusedError(ValueError):
    """A pattern outside the accepted form; the text says why."""


@dataclass(frozen=True)
class _Item:
    letters: frozenset[int]
    least: int = 1
    most: int | None = 1

    @property
    def fixed(self) -> bool:
        return self.least == self.most


def check_pattern(pattern: str) -> str:
    """Return the pattern, or raise.

    Raises:
        PatternRefusedError: the pattern is not anchored, not valid, or could need more than linear time.
    """
    if len(pattern) > LONGEST:
        raise PatternRefusedError(f"the pattern is longer than {LONGEST} characters")
    if not pattern.startswith("^") or not pattern.endswith("$") or pattern.endswith("\\$"):
        raise PatternRefusedError("the pattern must begin with ^ and end with $")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as "possible nested set"
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise PatternRefusedError(f"not a regular expression: {error}") from error
    _check_decided(_Reader(pattern[1:-1]).items())
    return pattern


def _check_decided(items: list[_Item]) -> None:
    for index, item in enumerate(items):
        if item.fixed:
            continue
        rest = items[index + 1 :]
        if all(later.fixed for later in rest) and sum(later.least for later in rest) <= LONGEST_TAIL:
            continue
        following: set[int] = set()
        for later in rest:
            following |= later.letters
            if later.least > 0:
                break
        if item.letters & following:
            raise PatternRefusedError("a repeated part may match what can follow it, so matching could take very long")


class _Reader:
    """Reads the body of a pattern into items; refuses what it does not know."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.at = 0
        self.alternatives = 1

    def items(self) -> list[_Item]:
        items: list[_Item] = []
        while self.at < len(self.body):
            if self.body[self.at] == "(":
                items.extend(self._group())
            else:
                letters = self._letters()
                items.append(self._repeated(letters))
        return items

    def _take(self) -> str:
        if self.at >= len(self.body):
            raise PatternRefusedError("the pattern ends too early")
        character = self.body[self.at]
        self.at += 1
        return character

    def _letters(self) -> frozenset[int]:
        character = self._take()
        if character == "\\":
            return self._escape()
        if character == ".":
            return _EVERYTHING - {10}
        if character == "[":
            return self._class()
        if character in "^$|?*+(){}]":
            raise PatternRefusedError(f"{character!r} is not accepted at this place (nested repetition, alternatives)")
        return _code(character)

    def _escape(self) -> frozenset[int]:
        character = self._take()
        if character in _NAMED:
            return frozenset(_NAMED[character])
        if character in _CONTROL:
            return frozenset({_CONTROL[character]})
        if character.isalnum():
            raise PatternRefusedError(f"the escape \\{character} is not accepted")
        return _code(character)

    def _class(self) -> frozenset[int]:
        negated = self.body.startswith("^", self.at)
        self.at += negated
        letters: set[int] = set()
        first = True
        while first or not self.body.startswith("]", self.at):
            start = self._class_part()
            if self._begins_range():
                self.at += 1
                end = self._class_part()
                if len(start) != 1 or len(end) != 1:
                    raise PatternRefusedError("a range in brackets needs single characters at both ends")
                letters |= set(range(min(start), max(end) + 1))
            else:
                letters |= start
            first = False
        self.at += 1
        return (_EVERYTHING - letters) | {_BEYOND} if negated else frozenset(letters)

    def _class_part(self) -> frozenset[int]:
        character = self._take()
        return self._escape() if character == "\\" else _code(character)

    def _begins_range(self) -> bool:
        return self.body.startswith("-", self.at) and not self.body.startswith("-]", self.at)

    def _repeated(self, letters: frozenset[int]) -> _Item:
        match = _QUANTIFIER.match(self.body, self.at)
        if match is None:
            return _Item(letters)
        self.at = match.end()
        if self.body.startswith(("?", "+", "*", "{"), self.at):
            raise PatternRefusedError("a repetition of a repetition is not accepted")
        sign = match.group(0)
        if sign in ("*", "+", "?"):
            return _Item(letters, int(sign == "+"), 1 if sign == "?" else None)
        least = int(match.group(1))
        most = int(match.group(3)) if match.group(3) else (None if match.group(2) else least)
        if max(least, most or 0) > MOST_REPEATS:
            raise PatternRefusedError(f"a repetition of more than {MOST_REPEATS} is not accepted")
        return _Item(letters, least, most)

    def _group(self) -> list[_Item]:
        self.at += 3 if self.body.startswith("(?:", self.at) else 1
        first: set[int] = set()
        count, longest = 0, 0
        while count == 0 or self._take() == "|":
            front, length = self._alternative()
            first |= front
            count, longest = count + 1, max(longest, length)
        if _QUANTIFIER.match(self.body, self.at):
            raise PatternRefusedError("a repeated group is not accepted")
        self.alternatives *= count
        if self.alternatives > MOST_ALTERNATIVES:
            raise PatternRefusedError(f"more than {MOST_ALTERNATIVES} combinations of alternatives")
        return [_Item(frozenset(first)), _Item(_EVERYTHING, longest - 1, longest - 1)]

    def _alternative(self) -> tuple[frozenset[int], int]:
        """Read up to the next `|` or `)`: what it may begin with, and its length."""
        first: frozenset[int] | None = None
        length = 0
        while not self.body.startswith(("|", ")"), self.at):
            item = self._repeated(self._letters())
            if not item.fixed or item.least == 0:
                raise PatternRefusedError("a group may hold parts of fixed length only")
            first = first or item.letters
            length += item.least
        if first is None:
            raise PatternRefusedError("an empty alternative is not accepted")
        return first, length


def _code(character: str) -> frozenset[int]:
    return frozenset({min(ord(character), _BEYOND)})
