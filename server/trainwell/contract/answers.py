"""What a tool answers: a summary for reading, typed fields for using, the next call, perhaps a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from trainwell.contract.errors import JsonObject
from trainwell.contract.specs import Spec

_NOISE = {"title", "description", "default", "examples"}
_COMMON = ("summary", "next_call", "picture")
_NULL: JsonObject = {"type": "null"}


class Answer(Spec):
    """The base of every tool's `Result`.

    `summary` has one to four lines, `next_call` is valid JSON, `picture` is the path of a PNG relative
    to the workspace. A field that is None is left out of the answer.
    """

    summary: str
    next_call: dict[str, Any] | None = None
    picture: str | None = None


@dataclass(frozen=True)
class Hints:
    """What a client may assume of a tool before it calls it."""

    read_only: bool
    destructive: bool
    idempotent: bool


def answer_schema(result: type[Answer]) -> JsonObject:
    """JSON Schema of a tool's whole answer, without the words and the indirections that pydantic adds.

    Numbers may be null: NaN and infinity are values like any other, and JSON has no other way to say so.
    """
    full = result.model_json_schema(mode="serialization")
    return _plain(full, full.get("$defs", {}), ())


def served_schema(schema: JsonObject, *, pictured: bool) -> JsonObject:
    """The outline of an answer that goes into tools/list: its fields with their types, without what lies deeper.

    It also fits a refusal, which has a `summary` and an `error`: some clients check those against it, too.
    The whole list has to stay small, so what is the same for all tools is named only.

    Args:
        schema: From `answer_schema`.
        pictured: Whether the tool can give a picture.
    """
    properties = {name: {} if name in _COMMON else _outline(part) for name, part in schema["properties"].items()}
    if not pictured:
        del properties["picture"]
    return {"type": "object", "properties": {**properties, "error": {}}, "additionalProperties": False}


def _plain(schema: JsonObject, definitions: JsonObject, inside: tuple[str, ...]) -> JsonObject:
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        if name in inside:  # a record that holds its own kind
            return {"type": "object"}
        return _plain(definitions[name], definitions, (*inside, name))
    if "anyOf" in schema:
        return _any_of([_plain(part, definitions, inside) for part in schema["anyOf"]])
    plain = {key: value for key, value in schema.items() if key not in _NOISE and key != "$defs"}
    if plain.get("type") == "number":
        plain["type"] = ["number", "null"]
    if plain.get("additionalProperties") is True:
        del plain["additionalProperties"]
    for key in ("items", "additionalProperties"):
        if isinstance(plain.get(key), dict):
            plain[key] = _plain(plain[key], definitions, inside)
    if "prefixItems" in plain:
        plain["prefixItems"] = [_plain(part, definitions, inside) for part in plain["prefixItems"]]
    if "properties" in plain:
        nullable = {name for name, part in plain["properties"].items() if _NULL in part.get("anyOf", [])}
        plain["properties"] = {name: _plain(part, definitions, inside) for name, part in plain["properties"].items()}
        plain["required"] = [name for name in plain.get("required", []) if name not in nullable]
    return plain


def _any_of(parts: list[JsonObject]) -> JsonObject:
    """`X or null` in its shortest form."""
    others = [part for part in parts if part != _NULL]
    if len(others) < len(parts) and len(others) == 1 and "type" in others[0] and "enum" not in others[0]:
        types = others[0]["type"]
        listed = cast("list[str]", types) if isinstance(types, list) else [str(types)]
        return {**others[0], "type": listed if "null" in listed else [*listed, "null"]}
    return {"anyOf": parts}


def _outline(schema: JsonObject) -> JsonObject:
    """The type alone; null is left out, since a field that is null is left out of an answer."""
    types = schema.get("type")
    if isinstance(types, list):
        types = [kind for kind in cast("list[str]", types) if kind != "null"]
        types = types[0] if len(types) == 1 else types
    return {"type": types} if types else {}
