"""One call of a tool, for every way in: check, do, answer. Nothing that goes wrong leaves here as an exception."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loguru import logger
from pydantic import ValidationError

from trainwell.contract.checking import check_arguments
from trainwell.contract.errors import JsonObject, TrainwellError, call_line, did_you_mean
from trainwell.contract.text import finite, quoted
from trainwell.runs.deaths import who_holds_up
from trainwell.tools.registry import Tool, discover
from trainwell.tools.way_on import completed, way_on

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from trainwell.contract.answers import Answer
    from trainwell.contract.specs import Spec
    from trainwell.tools.services import Services

    Progress = Callable[[float, float | None, str], Awaitable[None]]


@dataclass(frozen=True)
class Outcome:
    """What an agent gets: `structured` as typed fields, `text` to read, perhaps a picture to see.

    A refusal has `structured == {"summary": ..., "error": {"code": ..., "message": ..., ...}}`.
    """

    is_error: bool
    structured: JsonObject
    text: str
    picture: Path | None = None


async def call_tool(
    services: Services,
    name: str,
    arguments: Any,
    progress: Progress | None = None,
    *,
    tools: Mapping[str, Tool] | None = None,
) -> Outcome:
    """Call a tool with what an agent sent.

    Args:
        services: The server's services.
        name: The tool's name.
        arguments: The arguments as they came out of JSON, unchecked.
        progress: Told (done, total, message) while the tool waits for something.
        tools: The tools to choose from; those of this package when None.

    Returns:
        The answer, or the refusal: never an exception, other than cancellation.
    """
    began = time.monotonic()
    try:
        tool = find_tool(name, discover() if tools is None else tools)
        checked = check_arguments(services.manifest.tools[tool.name], arguments)
        answer = await tool.module.call(services.with_progress(progress), _typed(tool, checked))
        outcome = outcome_of(tool, answer, services)
    except TrainwellError as error:
        told = _told_who(services, error) if error.code == "store_busy" else error
        outcome = refused(_with_way_on(services, name, arguments, told))
    except Exception as error:  # noqa: BLE001  (an agent must never see a traceback)
        outcome = refused(_with_way_on(services, name, arguments, _internal(name, error)))
    ending = outcome.structured["error"]["code"] if outcome.is_error else "ok"
    logger.info("{} {} in {:.0f} ms", quoted(name)[1:-1], ending, 1000 * (time.monotonic() - began))
    return outcome


def find_tool(name: str, tools: Mapping[str, Tool]) -> Tool:
    """The tool of that name.

    Raises:
        TrainwellError: `unknown_tool`, with the nearest name.
    """
    if name not in tools:
        hint = did_you_mean(name, tools)
        raise TrainwellError("unknown_tool", f"There is no tool {quoted(name)}.", hint=hint, allowed=list(tools))
    return tools[name]


def refused(error: TrainwellError) -> Outcome:
    """The answer that an error becomes."""
    told = finite(error.to_json())
    text = "\n".join(line for line in (f"{error.code}: {error}", call_line(told.get("next_call"))) if line)
    return Outcome(is_error=True, structured={"summary": error.message, "error": told}, text=text)


def _told_who(services: Services, error: TrainwellError) -> TrainwellError:
    """The same refusal with who holds the store up, where that can be seen: reading is possible all the while."""
    with suppress(TrainwellError):
        error.hint = who_holds_up(services.store.queue.carried()) or error.hint
    return error


def _with_way_on(services: Services, tool: str, arguments: Any, error: TrainwellError) -> TrainwellError:
    """The same refusal with a call to make next, where it names none."""
    named = error.next_call and completed(services, arguments, error.next_call)
    error.next_call = named or way_on(services, tool, arguments, error)
    return error


def _typed(tool: Tool, checked: JsonObject) -> Spec:
    try:
        return tool.module.Arguments.model_validate(checked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = "/".join(map(str, first["loc"])) or None
        message = first["msg"].removeprefix("Value error, ")
        raise TrainwellError("invalid_argument", message, argument=path, got=first["input"]) from error


def outcome_of(tool: Tool, answer: Answer, services: Services) -> Outcome:
    """An answer as it leaves the server.

    Raises:
        TypeError: It breaks the tool's own schema.
    """
    structured = finite(answer.model_dump(mode="json", exclude_none=True, warnings=False))
    breach = next(iter(tool.result_validator.iter_errors(structured)), None)
    if breach is not None:
        message = f"the answer of {tool.name} breaks its own schema at {breach.json_path}: {breach.message[:300]}"
        raise TypeError(message)
    structured = {name: value for name, value in structured.items() if value is not None}
    lines = [answer.summary, call_line(structured.get("next_call"))]
    picture = services.workspace.root / answer.picture if answer.picture else None
    return Outcome(False, structured, "\n".join(line for line in lines if line), picture)


def _internal(name: str, error: Exception) -> TrainwellError:
    """A fault of ours: logged in full, told in one sentence."""
    reference = secrets.token_hex(4)
    logger.opt(exception=error).error("internal error {} in {}", reference, quoted(name))
    return TrainwellError(
        "internal_error",
        f"Something went wrong inside trainwell; the server's log has it under {reference}.",
        hint="This is not your fault. Try once more; if it stays, report it with that reference.",
    )
