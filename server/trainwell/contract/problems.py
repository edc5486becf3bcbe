"""One thing that is wrong with a call: the words for it, and its repair where there is only one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from trainwell.contract.aliases import value_for
from trainwell.contract.errors import JsonObject, nearest
from trainwell.contract.parameters import bounds
from trainwell.contract.text import quoted
from trainwell.contract.validation_text import read_number

if TYPE_CHECKING:
    from jsonschema import ValidationError

DEEPEST = 32
MOST_VALUES = 1_000_000
MOST_CHARACTERS = 10_000_000
LARGEST_INTEGER = 2**64 - 1
LONGEST_REPAIRED_TEXT = 100_000

Path = tuple[str | int, ...]
Fix = Callable[[JsonObject], None]  # repairs the arguments in place
_NO_VALUE = object()
_ARTICLES = {"integer": "an integer", "array": "an array", "object": "an object"}
_SIZES = {
    "minLength": ("minLength", "maxLength", "characters"),
    "maxLength": ("minLength", "maxLength", "characters"),
    "minItems": ("minItems", "maxItems", "items"),
    "maxItems": ("minItems", "maxItems", "items"),
    "minProperties": ("minProperties", "maxProperties", "entries"),
    "maxProperties": ("minProperties", "maxProperties", "entries"),
}


@dataclass(frozen=True)
class Problem:
    """`belongs_to` is the argument that was meant by an unknown one."""

    code: str
    path: Path
    message: str
    got: Any = None
    allowed: Any = None
    hint: str | None = None
    fix: Fix | None = None
    belongs_to: str | None = None

    @property
    def argument(self) -> str | None:
        """The path as text: `layers/2/out_features`."""
        return _name(self.path) if self.path else None

    @property
    def sentence(self) -> str:
        """What is wrong and what to do about it."""
        return f"{self.message} {self.hint}" if self.hint else self.message


def size_problem(value: Any, *, finite_only: bool = True) -> Problem | None:
    """What is too deep, too much, not a number or not text in a JSON value, whatever its schema."""
    values, characters = 0, 0
    waiting: list[tuple[Any, Path]] = [(value, ())]
    while waiting:
        item, path = waiting.pop()
        values += 1
        characters += len(item) if isinstance(item, str) else 0
        problem = _item_problem(item, path)
        if problem is not None and (finite_only or problem.code != "not_finite"):
            return problem
        waits = len(cast("list[Any]", item)) if isinstance(item, dict | list) else 0
        if values + len(waiting) + waits > MOST_VALUES or characters > MOST_CHARACTERS:
            limit = f"{MOST_VALUES:,} values and {MOST_CHARACTERS:,} characters in one call"
            return Problem("too_large", path[:1], "The arguments are too large.", allowed=limit, hint="Use a file.")
        if isinstance(item, dict):
            entries = cast("JsonObject", item)
            waiting += [(part, (*path, key)) for key, part in entries.items()]
            waiting += [(key, (*path, "(key)")) for key in entries if not key.isascii()]
        elif isinstance(item, list):
            waiting += [(part, (*path, index)) for index, part in enumerate(cast("list[Any]", item))]
    return None


def _item_problem(item: Any, path: Path) -> Problem | None:
    if len(path) > DEEPEST:
        return Problem("too_large", path[:1], f"{_name(path[:1])} is nested deeper than {DEEPEST} levels.")
    if isinstance(item, str) and not item.isascii() and any("\ud800" <= letter <= "\udfff" for letter in item):
        return Problem("not_text", path, f"{_name(path)} holds half of a character (a lone surrogate).")
    if isinstance(item, float) and not math.isfinite(item):
        return _not_finite(path, item)
    if isinstance(item, int) and abs(item) > LARGEST_INTEGER:
        message = f"{_name(path)} is an integer of more than 64 bits."
        return Problem("out_of_range", path, message, allowed=f"at most {LARGEST_INTEGER}")
    return None


def _not_finite(path: Path, item: float) -> Problem:
    name = "NaN" if math.isnan(item) else "infinite"
    hint = "JSON has no NaN and no infinity: leave it out, or send null where null is allowed."
    fix = setting(path, None) if len(path) > 1 else _dropping(path)
    return Problem("not_finite", path, f"{_name(path)} is {name}.", got=item, hint=hint, fix=fix)


def problem_of(error: ValidationError) -> Problem:
    """One complaint of jsonschema in our words."""
    path: Path = tuple(error.absolute_path)
    schema = cast("JsonObject", error.schema)
    keyword = str(error.validator)
    if keyword == "type":
        return _wrong_type(path, schema, error.instance)
    if keyword == "enum":
        return _not_one_of(path, schema, error.instance)
    if keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        return _out_of_range(path, schema, error.instance)
    if keyword in _SIZES:
        return _wrong_size(path, schema, keyword, error.instance)
    if keyword == "pattern":
        allowed = f"matches /{error.validator_value}/"
        message = f"{_name(path)} cannot be {quoted(error.instance)}; it must match /{error.validator_value}/."
        return Problem("bad_format", path, message, error.instance, allowed)
    return Problem("invalid_argument", path, f"{_name(path)} cannot be {quoted(error.instance)}.", error.instance)


def _wrong_type(path: Path, schema: JsonObject, value: Any) -> Problem:
    kinds = [schema["type"]] if isinstance(schema["type"], str) else cast("list[str]", schema["type"])
    wanted = " or ".join(_ARTICLES.get(kind, f"a {kind}") for kind in kinds)
    fixed = _converted(value, kinds, cast("JsonObject", schema.get("items", {})))
    fix, hint = None, None
    if fixed is not _NO_VALUE:
        fix, hint = setting(path, fixed), f"Send {quoted(fixed)}."
    elif value is None and len(path) == 1:
        fix, hint = _dropping(path), "Leave it out to get the default."
    message = f"{_name(path)} must be {wanted}, not {_kind(value)}."
    return Problem("wrong_type", path, message, got=value, allowed=" | ".join(kinds), hint=hint, fix=fix)


def _not_one_of(path: Path, schema: JsonObject, value: Any) -> Problem:
    allowed: list[Any] = schema["enum"]
    words = [word for word in allowed if isinstance(word, str)]
    ours = (value_for(value, words) or nearest(value, words)) if isinstance(value, str) else None
    hint = f"Did you mean {ours!r}?" if ours else None
    fix = setting(path, ours) if ours else None
    message = f"{_name(path)} cannot be {quoted(value)}; allowed: {', '.join(map(str, allowed))}."
    return Problem("not_one_of", path, message, value, allowed, hint, fix)


def _out_of_range(path: Path, schema: JsonObject, value: Any) -> Problem:
    low, high = bounds(schema)
    parts = [] if low == -math.inf else [f"{low} {'<=' if 'minimum' in schema else '<'} "]
    parts.append(_name(path))
    parts += [] if high == math.inf else [f" {'<=' if 'maximum' in schema else '<'} {high}"]
    nearest = low if value <= low else high
    closed = ("minimum" if value <= low else "maximum") in schema
    fix = setting(path, nearest) if closed else None
    message = f"{_name(path)} is {quoted(value)}; allowed: {''.join(parts)}."
    return Problem("out_of_range", path, message, value, "".join(parts), fix=fix)


def _wrong_size(path: Path, schema: JsonObject, keyword: str, value: Any) -> Problem:
    low_key, high_key, unit = _SIZES[keyword]
    low, high = schema.get(low_key, 0), schema.get(high_key)
    allowed = f"{low} to {high} {unit}" if high is not None else f"at least {low} {unit}"
    message = f"{_name(path)} has {len(value)} {unit} and must have {allowed}."
    return Problem("out_of_range", path, message, got=f"{len(value)} {unit}", allowed=allowed)


def _converted(value: Any, kinds: list[str], items: JsonObject) -> Any:
    """The value in one of the wanted types, when nobody could mean anything else by it."""
    if isinstance(value, str):
        return _read_text(value.strip(), kinds, items)
    if isinstance(value, bool):
        return _NO_VALUE
    if isinstance(value, int | float):
        if "boolean" in kinds and value in (0, 1):
            return bool(value)
        return json.dumps(value) if kinds == ["string"] else _NO_VALUE
    if "array" in kinds and isinstance(value, dict) and "object" in items.get("type", ()):
        return [value]
    return _NO_VALUE


def _read_text(text: str, kinds: list[str], items: JsonObject) -> Any:
    number = read_number(text)
    if number is not None and ("number" in kinds or ("integer" in kinds and number == int(number))):
        return number if "number" in kinds else int(number)
    if "boolean" in kinds and text.lower() in ("true", "false"):
        return text.lower() == "true"
    wanted = {"[": "array", "{": "object"}.get(text[:1])
    if wanted in kinds and len(text) <= LONGEST_REPAIRED_TEXT:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return _NO_VALUE
    return [text] if "array" in kinds and text and "string" in items.get("type", ()) else _NO_VALUE


def setting(path: Path, value: Any) -> Fix:
    """Puts a value at a place that is there."""

    def fix(arguments: JsonObject) -> None:
        place: Any = arguments
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return fix


def _dropping(path: Path) -> Fix:
    def fix(arguments: JsonObject) -> None:
        arguments.pop(str(path[0]), None)

    return fix


def _name(path: Path) -> str:
    return "/".join(quoted(part)[1:-1] if isinstance(part, str) else str(part) for part in path) or "The argument list"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = ((bool, "true or false"), (int, "an integer"), (float, "a number"), (str, "a string"), (list, "an array"))
    return next((name for kind, name in names if isinstance(value, kind)), "an object")
