"""JSON Schema as we use it: draft 2020-12, no remote references, patterns that must match the whole text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol, cast

from jsonschema import Draft202012Validator, ValidationError, validators
from referencing import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JsonSchema = dict[str, Any]


def _whole_pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    """The keyword `pattern`, with `$` as JSON Schema means it: Python's also matches before a last newline."""
    whole = pattern[:-1] + r"\Z" if pattern.endswith("$") and not pattern.endswith("\\$") else pattern
    if isinstance(instance, str) and re.search(whole, instance) is None:
        yield ValidationError(f"does not match {pattern}")


class Validator(Protocol):
    """The part of a jsonschema validator that we use."""

    def iter_errors(self, instance: Any) -> Iterator[ValidationError]:
        """Every way in which the value does not fit."""
        ...


# jsonschema's own annotations leave this function open.
_extend = cast("Callable[..., Callable[..., Validator]]", validators.extend)  # pyright: ignore[reportUnknownMemberType]
_Draft = _extend(Draft202012Validator, {"pattern": _whole_pattern})


def compile_schema(schema: JsonSchema) -> Validator:
    """A validator for one schema; an empty registry keeps it from fetching anything from the network."""
    return _Draft(schema, registry=Registry[Any]())
