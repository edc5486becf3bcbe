"""Keyword arguments from JSON against the signature of a person's own class."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from trainwell.contract.errors import TrainwellError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


def fitted(kind: type, arguments: Mapping[str, Any], needed: str) -> dict[str, Any]:
    """The arguments as the class takes them: names known, none missing, values of the types that it is annotated with.

    Args:
        kind: The class to be made.
        arguments: By name, as JSON has them.
        needed: What the network must fit, in a sentence; it helps whoever left an argument out.

    Raises:
        TrainwellError: `unknown_option`, `missing_option`, `invalid_option`.
    """
    parameters = inspect.signature(kind).parameters.values()
    takes = {one.name: one for one in parameters if one.kind in _NAMED}
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
    for name in arguments:
        if name not in takes and not takes_any:
            raise TrainwellError(
                "unknown_option", f"{kind.__name__} takes no argument of this name.", argument=f"options/{name}",
                got=name, allowed=sorted(takes), hint=did_you_mean(name, takes),
            )  # fmt: skip
    for name, one in takes.items():
        if one.default is inspect.Parameter.empty and name not in arguments:
            raise TrainwellError(
                "missing_option", f"{kind.__name__} needs {name}.", argument=f"options/{name}",
                allowed=sorted(takes), hint=f"Give it in options. {needed}",
            )  # fmt: skip
    hints = _hints(kind)
    return {name: _read(name, value, hints.get(name)) for name, value in arguments.items()}


def _hints(kind: type) -> dict[str, Any]:
    try:
        return get_type_hints(kind.__init__)
    except Exception:  # noqa: BLE001 - annotations are foreign code too; what cannot be read is not checked
        return {}


def _read(name: str, value: Any, hint: Any) -> Any:
    """The value as its annotation wants it (a list becomes a tuple, say); unchecked where nothing is known of it."""
    if hint is None:
        return value
    try:
        return TypeAdapter[Any](hint).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        complaint = error.errors(include_url=False)[0]
        raise TrainwellError(
            "invalid_option", f"options/{name}: {complaint['msg']}.", argument=f"options/{name}", got=value,
            allowed=inspect.formatannotation(hint),
        ) from None  # fmt: skip
    except (PydanticSchemaGenerationError, PydanticUserError, NameError, TypeError):
        return value
