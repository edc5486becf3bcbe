"""From pydantic's complaint about an option to the error that an agent can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError, did_you_mean

if TYPE_CHECKING:
    from pydantic import ValidationError

    from trainwell.contract.specs import Spec


_SIGNS = {
    "ge": ">=",
    "gt": ">",
    "le": "<=",
    "lt": "<",
    "min_length": "items >=",
    "max_length": "items <=",
}


def refusal(error: ValidationError, config: type[Spec], at: str | None = None) -> TrainwellError:
    """The first complaint as a TrainwellError: `unknown_option`, `missing_option` or `invalid_option`.

    Args:
        error: What `config`'s validation raised.
        config: The class whose fields are the allowed names.
        at: Path of the object that was validated; default is `build_model`'s `options` (or its `layers`).
    """
    complaint = error.errors(include_url=False)[0]
    path = "/".join([*_start(complaint["loc"], at), *(str(part) for part in complaint["loc"])])
    fields = sorted(config.model_fields)
    if complaint["type"] == "extra_forbidden":
        word = str(complaint["loc"][-1])
        hint = did_you_mean(word, fields)
        return TrainwellError(
            "unknown_option", f"There is no option at {path}.", argument=path, got=word, allowed=fields, hint=hint
        )
    if complaint["type"] == "missing":
        return TrainwellError("missing_option", f"{path} must be given.", argument=path, allowed=fields)
    message = f"{path}: {complaint['msg']}."
    return TrainwellError("invalid_option", message, argument=path, got=complaint["input"], allowed=_allowed(complaint))


def _start(loc: tuple[int | str, ...], at: str | None) -> list[str]:
    if at is not None:
        return [at]
    return [] if loc[:1] == ("layers",) else ["options"]


def _allowed(complaint: Any) -> str | None:
    context: dict[str, Any] = complaint.get("ctx", {})
    if "expected" in context:
        return str(context["expected"])
    limits = [f"{sign} {context[key]}" for key, sign in _SIGNS.items() if key in context]
    return ", ".join(limits) or None
