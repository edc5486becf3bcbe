"""Checks a tool's arguments against the served schema; what is wrong is told so that the next call can be right."""

from __future__ import annotations

import copy
import json
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from trainwell.contract.aliases import argument_for
from trainwell.contract.errors import JsonObject, TrainwellError, nearest, next_call
from trainwell.contract.problems import Fix, Problem, problem_of, setting, size_problem
from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jsonschema import ValidationError

    from trainwell.contract.manifest import ToolManifest

MOST_TOLD = 5
MOST_READ = 50
LONGEST_CORRECTED_CALL = 1500  # characters; a longer one is not worth its tokens
HANDLE_HINTS = {"run": "Run handle, a unique prefix, or latest", "data": "Data handle from prepare_data"}


def check_arguments(tool: ToolManifest, arguments: Any) -> JsonObject:
    """The arguments with every default filled in.

    As in JSON Schema, 5.0 is an integer (and becomes 5), true is none, and "7" is no number.

    Raises:
        TrainwellError: One error for everything that is wrong; its code, argument and limits are those of
            the first problem, and `next_call` is the call with all of them put right, where that is possible.
    """
    if not isinstance(arguments, dict):
        raise TrainwellError("wrong_type", f"The arguments of {tool.name} must be a JSON object.", got=arguments)
    given = cast("JsonObject", arguments)
    too_big = size_problem(given)
    if too_big is not None:
        raise _refusal(tool, given, [too_big])
    problems = _problems(tool, given)
    if problems:
        raise _refusal(tool, given, problems)
    properties = tool.input_schema["properties"]
    whole = {name: _whole(properties[name], value) for name, value in given.items()}
    return {**copy.deepcopy(tool.defaults), **whole}


def _problems(tool: ToolManifest, given: JsonObject) -> list[Problem]:
    errors = list(islice(tool.validator.iter_errors(given), MOST_READ))
    unknown = _unknown_arguments(tool, given)
    renamed = {problem.belongs_to for problem in unknown}
    missing = [problem for problem in _missing_arguments(tool, given) if problem.argument not in renamed]
    return [*unknown, *missing, *(problem_of(error) for error in errors if not _about_names(error))]


def _about_names(error: ValidationError) -> bool:
    return not error.absolute_path and error.validator in ("additionalProperties", "required")


def _unknown_arguments(tool: ToolManifest, given: JsonObject) -> list[Problem]:
    known: JsonObject = tool.input_schema["properties"]
    names = [name for name in given if name not in known]
    return [_unknown_argument(tool.name, name, known, given, told=name != names[0]) for name in names]


def _unknown_argument(tool: str, name: str, known: JsonObject, given: JsonObject, *, told: bool) -> Problem:
    ours = argument_for(name, known) or nearest(name, known)
    if ours is None:
        hint = None if told else f"Known: {', '.join(known)}." if known else f"{tool} takes no arguments."
    elif "/" in ours:
        hint = f"Did you mean {ours.split('/')[1]!r} inside {ours.split('/')[0]!r}?"
    else:
        hint = f"Did you mean {ours!r}?"
    return Problem(
        "unknown_argument",
        (name,),
        f"{tool} has no argument {quoted(name)}.",
        allowed=list(known),
        hint=hint,
        fix=None if ours in given else _moving(name, ours),
        belongs_to=ours.split("/")[0] if ours else None,
    )


def _moving(name: str, ours: str | None) -> Fix:
    """Gives the argument our name, or takes it away when it has none; `options/x` moves it into `options`."""

    def fix(arguments: JsonObject) -> None:
        value = arguments.pop(name)
        if ours is not None:
            *folder, last = ours.split("/")
            place = arguments.setdefault(folder[0], {}) if folder else arguments
            if isinstance(place, dict):
                cast("JsonObject", place).setdefault(last, value)

    return fix


def _missing_arguments(tool: ToolManifest, given: JsonObject) -> list[Problem]:
    return [_missing_argument(tool, name) for name in tool.input_schema.get("required", []) if name not in given]


def _missing_argument(tool: ToolManifest, name: str) -> Problem:
    hint = tool.input_schema["properties"][name].get("description") or HANDLE_HINTS.get(name)
    fix = setting((name,), "latest") if name == "run" else None
    return Problem("missing_argument", (name,), f"{tool.name} needs {name}.", hint=hint and f"{hint}.", fix=fix)


def _refusal(tool: ToolManifest, given: JsonObject, problems: Sequence[Problem]) -> TrainwellError:
    first = problems[0]
    message, hint = first.message, first.hint
    if len(problems) > 1:
        told = [f"({number}) {problem.sentence}" for number, problem in enumerate(problems[:MOST_TOLD], start=1)]
        more = f" And {len(problems) - MOST_TOLD} more." if len(problems) > MOST_TOLD else ""
        message, hint = f"{len(problems)} things are wrong: {' '.join(told)}{more}", None
    return TrainwellError(
        first.code,
        message,
        argument=first.argument,
        got=first.got,
        allowed=first.allowed,
        hint=hint,
        next_call=_corrected(tool, given, problems),
    )


def _corrected(tool: ToolManifest, given: JsonObject, problems: Sequence[Problem]) -> JsonObject | None:
    """The call with every problem repaired, if all can be and the result is valid and short."""
    if any(problem.fix is None for problem in problems) or size_problem(given, finite_only=False) is not None:
        return None
    corrected = copy.deepcopy(given)
    for problem in problems:
        if problem.fix is not None:
            problem.fix(corrected)
    valid = size_problem(corrected) is None and next(iter(tool.validator.iter_errors(corrected)), None) is None
    if not valid or len(json.dumps(corrected)) > LONGEST_CORRECTED_CALL:
        return None
    return next_call(tool.name, **corrected)


def _whole(schema: JsonObject, value: Any) -> Any:
    return int(value) if schema.get("type") == "integer" and isinstance(value, float) else value
