"""The small language of `validation:` texts, parsed (never evaluated) and compiled to JSON Schema keywords.

Known forms: `a <= x <= b`, `a < x`, `x >= a`, `one of: a, b`, `matches /^...$/`, and prose that
begins with "Valid" or "Non-empty".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from trainwell.contract.errors import did_you_mean
from trainwell.contract.patterns import PatternRefusedError, check_pattern
from trainwell.contract.text import quoted

Number = int | float
JsonType = Literal["integer", "number", "string", "boolean", "array", "object"]

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r"(<=|>=|<|>)")
_SIZE_KEYWORDS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
LONGEST_NUMBER = 40  # characters


class ValidationTextError(ValueError):
    """A validation text that cannot be understood or cannot be met; the text says why."""


@dataclass(frozen=True)
class Limits:
    """`low <= x <= high`; an open end excludes its bound, None means no bound."""

    low: Number | None = None
    high: Number | None = None
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True)
class OneOf:
    """A closed list of words."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Matches:
    """An anchored pattern that matches in linear time."""

    pattern: str


@dataclass(frozen=True)
class Prose:
    """Words for people; what is checked follows from the type."""

    text: str


Validation = Limits | OneOf | Matches | Prose


def read_number(text: str) -> Number | None:
    """The number that stands there as a whole, or None. `1e-6` is one, though YAML 1.1 says no."""
    text = text.strip()
    if len(text) > LONGEST_NUMBER or _NUMBER.fullmatch(text) is None:
        return None
    if text.lstrip("+-").isdigit():
        return int(text)
    value = float(text)
    return value if math.isfinite(value) else None


def parse_validation(text: str, name: str) -> Validation:
    """Understand the validation text of the parameter `name`.

    Raises:
        ValidationTextError: the text has none of the known forms, or contradicts itself.
    """
    text = text.strip().replace("≤", "<=").replace("≥", ">=")
    lowered = text.lower()
    if lowered.startswith("one of"):
        return _one_of(text[len("one of") :])
    if lowered.startswith("matches"):
        return _matches(text[len("matches") :].strip())
    if re.match(r"(valid|non-empty)\b", lowered):
        return Prose(text)
    if _OPERATOR.search(text):
        return _limits(text, name)
    known = "a <= x <= b; x >= a; one of: a, b; matches /^...$/; Valid ...; Non-empty ..."
    raise ValidationTextError(f"the validation {quoted(text)} cannot be parsed; known forms: {known}")


def _one_of(rest: str) -> OneOf:
    if not rest.lstrip().startswith(":"):
        raise ValidationTextError("'one of' needs a colon: one of: a, b")
    words = tuple(word.strip().strip("'\"") for word in rest.lstrip()[1:].split(","))
    if not all(words):
        raise ValidationTextError("'one of' has an empty value in its list")
    if len(set(words)) < len(words):
        raise ValidationTextError("'one of' names a value twice")
    return OneOf(words)


def _matches(rest: str) -> Matches:
    if len(rest) < 2 or not rest.startswith("/") or not rest.endswith("/"):
        raise ValidationTextError("'matches' needs a pattern between slashes: matches /^[a-z]+$/")
    try:
        return Matches(check_pattern(rest[1:-1]))
    except PatternRefusedError as error:
        raise ValidationTextError(f"the pattern {quoted(rest)} is refused: {error}") from error


def _limits(text: str, name: str) -> Limits:
    terms = [term.strip() for term in _OPERATOR.split(text)]
    numbers = [read_number(term) for term in terms[0::2]]
    signs = terms[1::2]
    names = [(place, term) for place, term in enumerate(terms[0::2]) if _NAME.fullmatch(term)]
    if len(names) != 1 or len(signs) > 2 or sum(number is None for number in numbers) != 1:
        raise ValidationTextError(f"the validation {quoted(text)} cannot be parsed as limits, such as 1 <= {name} <= 9")
    place, word = names[0]
    if word != name:
        near = did_you_mean(word, [name]) or f"The parameter is called {name!r}."
        raise ValidationTextError(f"the validation speaks of {quoted(word)}. {near}")
    if len(signs) == 2 and (place != 1 or signs[0][0] != signs[1][0]):
        raise ValidationTextError(f"the validation {quoted(text)} has its signs in different directions")
    limits = _directed([number for number in numbers if number is not None], signs, place)
    if limits.low is not None and limits.high is not None and limits.low > limits.high:
        raise ValidationTextError(f"the smallest value {limits.low} is above the largest {limits.high}")
    return limits


def _directed(numbers: list[Number], signs: list[str], place: int) -> Limits:
    """Read the bounds with the parameter at `place` among the terms; a `>` chain is read from its end."""
    if signs[0].startswith(">"):
        numbers, place = numbers[::-1], len(signs) - place
        signs = [sign.replace(">", "<") for sign in reversed(signs)]
    low = numbers[0] if place == 1 else None
    high = numbers[-1] if place < len(signs) else None
    return Limits(
        low, high, low_open=low is not None and signs[0] == "<", high_open=high is not None and signs[-1] == "<"
    )


def compile_validation(validation: Validation, json_type: JsonType) -> dict[str, Any]:
    """JSON Schema keywords for a value of the given type. A range on a string or an array limits its length.

    Raises:
        ValidationTextError: the validation does not suit the type, or no value can meet it.
    """
    match validation:
        case Limits() if json_type == "number":
            return _number_range(validation)
        case Limits() if json_type == "integer":
            return _whole_range(validation, ("minimum", "maximum"))
        case Limits() if json_type in _SIZE_KEYWORDS:
            return _size_range(validation, json_type)
        case OneOf() if json_type in ("string", "integer", "number"):
            return {"enum": [_word_as(json_type, word) for word in validation.words]}
        case Matches() if json_type == "string":
            return {"pattern": validation.pattern}
        case Prose():
            return {_SIZE_KEYWORDS[json_type][0]: 1} if json_type in _SIZE_KEYWORDS else {}
        case _:
            form = type(validation).__name__.lower()
            raise ValidationTextError(f"a value of type {json_type} cannot be checked by {form}")


def _number_range(limits: Limits) -> dict[str, Any]:
    if limits.low is not None and limits.low == limits.high and (limits.low_open or limits.high_open):
        raise ValidationTextError("no value can meet these limits")
    keywords: dict[str, Any] = {}
    if limits.low is not None:
        keywords["exclusiveMinimum" if limits.low_open else "minimum"] = limits.low
    if limits.high is not None:
        keywords["exclusiveMaximum" if limits.high_open else "maximum"] = limits.high
    return keywords


def _whole_range(limits: Limits, names: tuple[str, str]) -> dict[str, Any]:
    """Limits of a whole number, always said with the bounds included."""
    low = None if limits.low is None else math.floor(limits.low) + 1 if limits.low_open else math.ceil(limits.low)
    high = None if limits.high is None else math.ceil(limits.high) - 1 if limits.high_open else math.floor(limits.high)
    if low is not None and high is not None and low > high:
        raise ValidationTextError("no whole number can meet these limits")
    return {name: bound for name, bound in zip(names, (low, high), strict=True) if bound is not None}


def _size_range(limits: Limits, json_type: JsonType) -> dict[str, Any]:
    names = _SIZE_KEYWORDS[json_type]
    keywords = _whole_range(limits, names)
    if keywords.get(names[1], 0) < 0:
        raise ValidationTextError("a length cannot be negative")
    if keywords.get(names[0], 1) <= 0:
        del keywords[names[0]]
    return keywords


def _word_as(json_type: JsonType, word: str) -> str | Number:
    if json_type == "string":
        return word
    number = read_number(word)
    if number is None or (json_type == "integer" and number != int(number)):
        raise ValidationTextError(f"{quoted(word)} in 'one of' is not of type {json_type}")
    return int(number) if json_type == "integer" else number
