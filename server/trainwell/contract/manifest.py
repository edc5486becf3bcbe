"""The manifest: SKILL.md's frontmatter, compiled to the schemas, defaults and policies that the server enforces."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from loguru import logger

from trainwell.contract.errors import JsonObject, TrainwellError, did_you_mean
from trainwell.contract.frontmatter import Entry, Scalar, Sequence, Table, read_frontmatter
from trainwell.contract.parameters import (
    Declared,
    Parameter,
    bounds,
    compile_parameter,
    declare,
    fitting_default,
    refuse_unknown,
    replaced,
    text_of,
)
from trainwell.contract.resources import resource
from trainwell.contract.schema import Validator, compile_schema
from trainwell.contract.specs import RetryPolicy
from trainwell.contract.text import quoted
from trainwell.contract.trace import EpochRecord
from trainwell.contract.validation_text import read_number

if TYPE_CHECKING:
    from collections.abc import Mapping

MAIN_TOOL = "train"
SECTIONS = ("parameters", "retry_logic", "logging", "tools")
METRICS = tuple(field.name for field in fields(EpochRecord) if field.name not in ("epoch", "step"))
LOG_LEVELS = ("trace", "debug", "info", "success", "warning", "error", "critical")
STRATEGIES = get_args(RetryPolicy.model_fields["strategy"].annotation)
MOST_ATTEMPTS = 100
LONGEST_DELAY_MS = 3_600_000

Declarations = dict[str, dict[str, Declared]]


@dataclass(frozen=True)
class ToolManifest:
    """What one tool takes."""

    name: str
    parameters: tuple[Parameter, ...]

    @cached_property
    def input_schema(self) -> JsonObject:
        """JSON Schema (draft 2020-12) of the tool's arguments."""
        schema: JsonObject = {
            "type": "object",
            "properties": {parameter.name: parameter.served for parameter in self.parameters},
            "additionalProperties": False,
        }
        required = [parameter.name for parameter in self.parameters if parameter.required]
        return {**schema, "required": required} if required else schema

    @cached_property
    def validator(self) -> Validator:
        """The input schema, compiled once."""
        return compile_schema(self.input_schema)

    @cached_property
    def defaults(self) -> JsonObject:
        """Default by argument, for the arguments that have one."""
        return {parameter.name: parameter.default for parameter in self.parameters if parameter.has_default}


@dataclass(frozen=True)
class Manifest:
    """The compiled manifest. `notes` tell what had to be adjusted while loading it."""

    tools: Mapping[str, ToolManifest]
    retry: RetryPolicy
    metrics: tuple[str, ...]
    log_level: str
    notes: tuple[str, ...] = ()
    sources: tuple[Path, ...] = ()

    def input_schema(self, tool: str) -> JsonObject:
        """JSON Schema of a tool's arguments."""
        return self.tools[tool].input_schema

    def defaults(self, tool: str) -> JsonObject:
        """A tool's defaults by argument."""
        return self.tools[tool].defaults


@dataclass(frozen=True)
class _Written:
    """One manifest file as read: every section that it has."""

    declarations: Declarations
    retry: RetryPolicy | None
    metrics: tuple[str, ...] | None
    log_level: str | None


def load_manifest(skill_path: Path | None = None, *, root: Path | None = None) -> Manifest:
    """Load our SKILL.md, and over it the limits, defaults and policies of another one.

    Args:
        skill_path: A manifest (or the folder of its SKILL.md) whose word counts more than ours.
        root: Our manifest; the shipped one when None.

    Raises:
        TrainwellError: `bad_manifest`, naming file, line and reason.
    """
    ours_path = root or resource("SKILL.md")
    ours = _read(ours_path)
    if ours.retry is None or ours.metrics is None or ours.log_level is None:
        raise TrainwellError("bad_manifest", f"{ours_path}:1: retry_logic and logging are needed in our own manifest")
    tools = {
        tool: {name: compile_parameter(each) for name, each in its.items()} for tool, its in ours.declarations.items()
    }
    manifest = Manifest(_tools(tools), ours.retry, ours.metrics, ours.log_level, sources=(ours_path,))
    if skill_path is None:
        return manifest
    path = skill_path / "SKILL.md" if skill_path.is_dir() else skill_path
    theirs = _read(path)
    notes = _replace_parameters(tools, ours.declarations, theirs.declarations)
    for note in notes:
        logger.warning("{}: {}", path, note)
    return replace(
        manifest,
        tools=_tools(tools),
        retry=theirs.retry or ours.retry,
        metrics=theirs.metrics or ours.metrics,
        log_level=theirs.log_level or ours.log_level,
        notes=tuple(notes),
        sources=(ours_path, path),
    )


def _tools(tools: dict[str, dict[str, Parameter]]) -> dict[str, ToolManifest]:
    return {name: ToolManifest(name, tuple(its.values())) for name, its in tools.items()}


def _replace_parameters(tools: dict[str, dict[str, Parameter]], ours: Declarations, theirs: Declarations) -> list[str]:
    """Put their parameters in the place of ours in `tools`; returns what had to be adjusted."""
    notes: list[str] = []
    for tool, declared in theirs.items():
        if declared and tool not in ours:
            reason = f"there is no tool {quoted(tool)}. {did_you_mean(tool, ours) or ''}".strip()
            raise next(iter(declared.values())).place.refusal(reason, allowed=list(ours))
        for name, their in declared.items():
            our = ours[tool].get(name)
            if our is None:
                hint = did_you_mean(name, ours[tool]) or ""
                reason = f"{tool} has no parameter {quoted(name)} and could not honour it. {hint}".strip()
                raise their.place.refusal(reason, allowed=list(ours[tool]))
            tools[tool][name] = _replaced_parameter(tools[tool][name], our, their, notes)
    return notes


def _replaced_parameter(before: Parameter, our: Declared, their: Declared, notes: list[str]) -> Parameter:
    merged = replaced(our, their)
    bare = compile_parameter(replace(merged, default=None))
    _refuse_widened_words(before, bare, their)
    notes.extend(_wider(before, bare))
    schema = _with_our_pattern(before, bare)
    if merged.default is None:
        return replace(bare, schema=schema)
    try:
        return replace(compile_parameter(merged), schema=schema)
    except TrainwellError:
        if their.default is not None:
            raise
    value = fitting_default(schema, before.default)
    if value is None:
        reason = f"the usual default {quoted(before.default)} of {their.name} does not fit these limits: give another"
        raise their.place.refusal(reason)
    notes.append(f"{their.name}: the usual default {before.default} is outside the limits here, so it is now {value}")
    return replace(bare, schema=schema, has_default=True, default=value)


def _refuse_widened_words(before: Parameter, after: Parameter, their: Declared) -> None:
    """A word that the tool does not know would be accepted and then fail."""
    known = before.schema.get("enum")
    unknown = [word for word in after.schema.get("enum", []) if known is not None and word not in known]
    if unknown:
        place = their.validation.place if their.validation else their.place
        reason = f"{their.name} cannot be {quoted(unknown[0])}. {did_you_mean(str(unknown[0]), known or ()) or ''}"
        raise place.refusal(reason.strip(), allowed=known)


def _wider(before: Parameter, after: Parameter) -> list[str]:
    """Limits beyond ours are taken as they are, and said: we have not tried what lies there."""
    (low, high), (new_low, new_high) = bounds(before.schema), bounds(after.schema)
    if new_low >= low and new_high <= high:
        return []
    return [f"{after.name}: the limits here are wider than the usual {low} to {high}"]


def _with_our_pattern(before: Parameter, after: Parameter) -> JsonObject:
    """A pattern of ours guards names of files, so another one is checked beside it, not instead of it."""
    ours = before.schema.get("pattern")
    if ours is None or after.schema.get("pattern") == ours:
        return after.schema
    return {**after.schema, "allOf": [{"pattern": ours}]}


def _read(path: Path) -> _Written:
    table = read_frontmatter(path)
    for key, entry in table.entries.items():
        hint = did_you_mean(key, SECTIONS) if key not in SECTIONS else None
        if hint:
            raise entry.place.refusal(f"unknown key {quoted(key)}. {hint}", allowed=list(SECTIONS))
    declarations: Declarations = {MAIN_TOOL: _declarations(table)}
    if "tools" in table.entries:
        for tool, entry in _table(table.entries["tools"], "tools").entries.items():
            if tool in declarations:
                raise entry.place.refusal(f"the parameters of {tool} stand at the top, not under tools")
            declarations[tool] = _declarations(_table(entry, tool))
    retry = _retry(_table(table.entries["retry_logic"], "retry_logic")) if "retry_logic" in table.entries else None
    if "logging" not in table.entries:
        return _Written(declarations, retry, None, None)
    section = _table(table.entries["logging"], "logging")
    refuse_unknown(section, ("level", "metrics"), "logging")
    return _Written(declarations, retry, _metrics(section), _level(section))


def _table(entry: Entry, what: str) -> Table:
    if not isinstance(entry, Table):
        raise entry.place.refusal(f"{what} must be a mapping")
    return entry


def _declarations(table: Table) -> dict[str, Declared]:
    if "parameters" not in table.entries:
        raise table.place.refusal("the key 'parameters' is missing")
    section = _table(table.entries["parameters"], "parameters")
    refuse_unknown(section, ("required", "optional"), "parameters")
    if not section.entries:
        raise section.place.refusal("parameters needs 'required' or 'optional'")
    declared: dict[str, Declared] = {}
    for key in ("required", "optional"):
        entry = section.entries.get(key)
        if entry is None or (isinstance(entry, Scalar) and entry.is_null):
            continue
        if not isinstance(entry, Sequence):
            raise entry.place.refusal(f"parameters.{key} must be a list")
        for item in entry.items:
            one = declare(item, required=key == "required")
            if one.name in declared:
                first = declared[one.name].place.line
                raise one.place.refusal(
                    f"the parameter {one.name} stands here for the second time (first: line {first})"
                )
            declared[one.name] = one
    return declared


def _retry(section: Table) -> RetryPolicy:
    refuse_unknown(section, tuple(RetryPolicy.model_fields), "retry_logic")
    strategy = text_of(section, "strategy")
    if strategy not in STRATEGIES:
        place = section.entries["strategy"].place
        hint = did_you_mean(strategy, STRATEGIES) or f"Known: {', '.join(STRATEGIES)}."
        raise place.refusal(f"unknown strategy {quoted(strategy)}. {hint}", allowed=list(STRATEGIES))
    return RetryPolicy(
        strategy=cast("Any", strategy),
        max_attempts=_whole(section, "max_attempts", 1, MOST_ATTEMPTS),
        base_delay_ms=_whole(section, "base_delay_ms", 0, LONGEST_DELAY_MS),
    )


def _whole(section: Table, key: str, low: int, high: int) -> int:
    text = text_of(section, key)
    number = read_number(text)
    if not isinstance(number, int) or not low <= number <= high:
        reason = f"{key} is {quoted(text)} and must be a whole number from {low} to {high}"
        raise section.entries[key].place.refusal(reason, allowed=f"{low} <= {key} <= {high}")
    return number


def _metrics(section: Table) -> tuple[str, ...]:
    entry = section.entries.get("metrics")
    if not isinstance(entry, Sequence) or not entry.items:
        raise (entry or section).place.refusal("logging needs 'metrics', a list of names")
    names: list[str] = []
    for item in entry.items:
        name = item.text if isinstance(item, Scalar) else ""
        if name not in METRICS:
            hint = did_you_mean(name, METRICS) or f"Known: {', '.join(METRICS)}."
            raise item.place.refusal(f"the metric {quoted(name)} cannot be logged. {hint}", allowed=list(METRICS))
        if name in names:
            raise item.place.refusal(f"the metric {name} stands here for the second time")
        names.append(name)
    return tuple(names)


def _level(section: Table) -> str:
    level = text_of(section, "level")
    if level.lower() not in LOG_LEVELS:
        reason = f"unknown log level {quoted(level)}. {did_you_mean(level, LOG_LEVELS) or ''}".strip()
        raise section.entries["level"].place.refusal(reason, allowed=list(LOG_LEVELS))
    return level.upper()
