"""One parameter of the manifest: as it is written, and compiled to JSON Schema with its default."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import JsonObject, did_you_mean
from trainwell.contract.frontmatter import Entry, Place, Scalar, Sequence, Table
from trainwell.contract.schema import compile_schema
from trainwell.contract.text import quoted
from trainwell.contract.validation_text import (
    JsonType,
    ValidationTextError,
    compile_validation,
    parse_validation,
    read_number,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON_TYPES: dict[str, JsonType] = {
    "integer": "integer",
    "number": "number",
    "float": "number",
    "string": "string",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
    "enum": "string",
    "nn.Module": "string",  # a model handle
    "DataLoader": "string",  # a data handle
}
HANDLE_TYPES = ("nn.Module", "DataLoader")
KEYS = ("name", "type", "default", "validation", "description", "items")
TRUE_WORDS, FALSE_WORDS = ("true", "yes", "on"), ("false", "no", "off")


@dataclass(frozen=True)
class Declared:
    """A parameter as a manifest writes it."""

    place: Place
    name: str
    type: str
    required: bool
    default: Entry | None = None
    validation: Scalar | None = None
    items: Scalar | None = None
    description: str = ""


@dataclass(frozen=True)
class Parameter:
    """A compiled parameter; `has_default` tells a default of None from none at all."""

    name: str
    required: bool
    schema: JsonObject
    has_default: bool = False
    default: Any = None

    @property
    def served(self) -> JsonObject:
        """Its part of the tool's input schema."""
        return {**self.schema, "default": self.default} if self.has_default else self.schema


def declare(entry: Entry, *, required: bool) -> Declared:
    """Read one item of `required:` or `optional:`.

    Raises:
        TrainwellError: `bad_manifest` for missing or unknown keys and unknown types.
    """
    if not isinstance(entry, Table):
        raise entry.place.refusal("a parameter must be a mapping with at least a name and a type")
    refuse_unknown(entry, KEYS, "a parameter")
    name, kind = text_of(entry, "name"), text_of(entry, "type")
    place = entry.entries["type"].place
    if not name.isidentifier():
        raise entry.place.refusal(f"{quoted(name)} cannot be the name of a parameter")
    if kind not in JSON_TYPES:
        hint = did_you_mean(kind, JSON_TYPES)
        raise place.refusal(f"unknown type {quoted(kind)} of {name}. {hint or ''}".strip(), allowed=list(JSON_TYPES))
    default = entry.entries.get("default")
    if isinstance(default, Scalar) and default.is_null:
        default = None
    if default is not None and required:
        raise default.place.refusal(f"{name} is required, so it cannot have a default")
    validation, items = optional_scalar(entry, "validation"), optional_scalar(entry, "items")
    return Declared(
        entry.place, name, kind, required, default, validation, items, text_of(entry, "description", default="")
    )


def compile_parameter(declared: Declared) -> Parameter:
    """Compile limits and default.

    Raises:
        TrainwellError: `bad_manifest` for limits that cannot be parsed or met, or a default outside them.
    """
    schema = _schema(declared)
    if declared.description:
        schema["description"] = declared.description
    if declared.default is None:
        return Parameter(declared.name, declared.required, schema)
    value = _default(declared, declared.default)
    complaint = next(iter(compile_schema(schema).iter_errors(value)), None)
    if complaint is not None:
        raise declared.default.place.refusal(
            f"the default {quoted(value)} of {declared.name} does not fit it: {quoted(complaint.message, 200)}"
        )
    return Parameter(declared.name, declared.required, schema, has_default=True, default=value)


def _schema(declared: Declared) -> JsonObject:
    json_type = JSON_TYPES[declared.type]
    schema: JsonObject = {"type": json_type}
    if declared.items is not None:
        schema["items"] = _items(declared, declared.items)
    elif json_type == "array":
        raise declared.place.refusal(f"{declared.name} is an array and must say its items, such as items: string")
    if declared.validation is not None:
        try:
            validation = parse_validation(declared.validation.text, declared.name)
            schema |= compile_validation(validation, json_type)
        except ValidationTextError as error:
            raise declared.validation.place.refusal(f"{declared.name}: {error}") from error
    if declared.type in HANDLE_TYPES:
        schema.setdefault("minLength", 1)
    if "enum" in schema:
        del schema["type"]  # the values say it
    elif declared.type == "enum":
        raise declared.place.refusal(f"{declared.name} is an enum and needs a validation such as 'one of: a, b'")
    return schema


def _items(declared: Declared, items: Scalar) -> JsonObject:
    if declared.type != "array":
        raise items.place.refusal(f"{declared.name} is of type {declared.type}; only an array has items")
    known = {kind: json for kind, json in JSON_TYPES.items() if kind not in (*HANDLE_TYPES, "enum")}
    kinds = [kind.strip() for kind in items.text.split("|")]
    for kind in kinds:
        if kind not in known:
            hint = did_you_mean(kind, known)
            reason = f"unknown type {quoted(kind)} of the items of {declared.name}. {hint or ''}"
            raise items.place.refusal(reason.strip(), allowed=list(known))
    types = [known[kind] for kind in kinds]
    return {"type": types[0] if len(types) == 1 else types}


def _default(declared: Declared, entry: Entry) -> Any:
    """The default as the declared type reads it: YAML's own reading of `1e-6`, `no` or `1.10` is not asked."""
    if not isinstance(entry, Scalar):
        return value_of(entry)
    value = _scalar(entry, JSON_TYPES[declared.type])
    if value is None:
        reason = f"the default {quoted(entry.text)} of {declared.name} is not of type {declared.type}"
        raise entry.place.refusal(reason)
    return value


def _scalar(scalar: Scalar, json_type: JsonType) -> Any:
    if json_type == "string":
        return scalar.text
    if not scalar.plain:
        return None
    if json_type == "boolean":
        word = scalar.text.lower()
        return word in TRUE_WORDS if word in TRUE_WORDS + FALSE_WORDS else None
    number = read_number(scalar.text) if json_type in ("integer", "number") else None
    return int(number) if json_type == "integer" and number is not None and number == int(number) else number


def value_of(entry: Entry) -> Any:
    """An entry as plain JSON values."""
    if isinstance(entry, Table):
        return {key: value_of(item) for key, item in entry.entries.items()}
    if isinstance(entry, Sequence):
        return [value_of(item) for item in entry.items]
    if entry.is_null:
        return None
    if entry.plain and entry.tag == "bool":
        return entry.text.lower() in TRUE_WORDS
    number = read_number(entry.text) if entry.plain else None
    return entry.text if number is None else number


def replaced(ours: Declared, theirs: Declared) -> Declared:
    """Our parameter with the limits, default and description that another manifest gives.

    Raises:
        TrainwellError: `bad_manifest` when the other one has another type, or lets out what we need.
    """
    if JSON_TYPES[ours.type] != JSON_TYPES[theirs.type] or (ours.type in HANDLE_TYPES and ours.type != theirs.type):
        raise theirs.place.refusal(f"{ours.name} is of type {ours.type}, not {theirs.type}", allowed=ours.type)
    if ours.required and not theirs.required:
        raise theirs.place.refusal(f"{ours.name} is required and cannot be made optional")
    return replace(
        theirs,
        type=ours.type,
        default=theirs.default or (None if theirs.required else ours.default),
        validation=theirs.validation or ours.validation,
        items=theirs.items or ours.items,
        description=theirs.description or ours.description,
    )


def fitting_default(schema: JsonObject, value: Any) -> Any:
    """The allowed value nearest to a default that the limits no longer allow, or None when there is none to name."""
    if "enum" in schema:
        return schema["enum"][0]
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    low, high = bounds(schema)
    if value <= low:
        return low if "minimum" in schema else math.nextafter(low, math.inf)
    return high if "maximum" in schema else math.nextafter(high, -math.inf)


def bounds(schema: JsonObject) -> tuple[float, float]:
    """The smallest and largest number a schema speaks of, whether or not they are allowed themselves."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    return low, schema.get("maximum", schema.get("exclusiveMaximum", math.inf))


def text_of(table: Table, key: str, *, default: str | None = None) -> str:
    """The word or sentence under a key; refused when it is missing and there is no default for it."""
    entry = optional_scalar(table, key)
    if entry is not None:
        return entry.text
    if default is None:
        raise table.place.refusal(f"the key {key!r} is missing")
    return default


def optional_scalar(table: Table, key: str) -> Scalar | None:
    """The single value under a key, None when the key is absent or empty."""
    entry = table.entries.get(key)
    if entry is None or (isinstance(entry, Scalar) and entry.is_null):
        return None
    if not isinstance(entry, Scalar):
        raise entry.place.refusal(f"{key} must be a single value")
    return entry


def refuse_unknown(table: Table, known: Iterable[str], what: str) -> None:
    """Refuse keys that nobody would read."""
    allowed = list(known)
    for key, entry in table.entries.items():
        if key not in allowed:
            hint = did_you_mean(key, allowed) or f"Known: {', '.join(allowed)}."
            raise entry.place.refusal(f"{what} has no key {quoted(key)}. {hint}", allowed=allowed)
