"""Two small tools over a manifest of their own, for tests of what lies between a client and a tool."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import model_validator

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.manifest import Manifest, load_manifest
from trainwell.contract.specs import Spec
from trainwell.tools.registry import Tool

SKILL = """\
---
parameters:
  required: []
  optional:
    - {name: mood, type: enum, default: good, validation: "one of: good, refuse, crash, breach, nan, late"}
    - {name: steps, type: integer, default: 3, validation: "1 <= steps <= 9"}
    - {name: plot, type: boolean, default: false}
retry_logic: {strategy: none, max_attempts: 1, base_delay_ms: 0}
logging: {level: info, metrics: [train_loss]}
tools:
  quiet:
    parameters: {required: [], optional: []}
---
"""
PNG = b"\x89PNG\r\n\x1a\n and so on"


class Arguments(Spec):
    mood: str
    steps: int
    plot: bool

    @model_validator(mode="after")
    def _not_too_late(self):
        if self.mood == "late":
            raise ValueError("it is too late")
        return self


class Result(Answer):
    steps: int
    loss: float


async def call(services, arguments):
    if arguments.mood == "refuse":
        raise TrainwellError("no_luck", "No luck today.", hint="Try tomorrow.", next_call=next_call("quiet"))
    if arguments.mood == "crash":
        secret = "a value that nobody must see"
        raise RuntimeError(secret)
    if arguments.mood == "breach":
        return Result.model_construct(summary="lies", steps="three", loss=1.0)
    for step in (*range(arguments.steps), 0):  # the last one goes back, which the protocol does not allow
        if services.progress:
            await services.progress(step, arguments.steps, f"step {step}")
    loss = float("nan") if arguments.mood == "nan" else 0.5
    return Result(
        summary="all good", steps=arguments.steps, loss=loss, next_call=next_call("quiet"), picture="picture.png"
    )


class NoArguments(Spec):
    pass


async def call_quietly(services, arguments):
    return Answer(summary="...")


@dataclass(frozen=True)
class FakeWorkspace:
    root: Path


class EmptyStore:
    def newest(self, _):
        return []


@dataclass(frozen=True)
class FakeServices:
    workspace: FakeWorkspace
    manifest: Manifest
    store: EmptyStore = field(default_factory=EmptyStore)
    progress: Any = None

    def with_progress(self, progress):
        return replace(self, progress=progress)


def module(**parts):
    made = ModuleType("fake")
    vars(made).update(parts)
    return made


TOOLS = {
    "train": Tool(
        "train",
        "Does as it is told.",
        module(TITLE="Fake", HINTS=Hints(False, False, False), Arguments=Arguments, Result=Result, call=call),
    ),
    "quiet": Tool(
        "quiet",
        "Does nothing.",
        module(TITLE="Quiet", HINTS=Hints(True, False, True), Arguments=NoArguments, Result=Answer, call=call_quietly),
    ),
}


def fake_services(folder):
    """Services over a folder, with a picture in it."""
    skill = folder / "SKILL.md"
    skill.write_text(SKILL, encoding="utf-8")
    (folder / "picture.png").write_bytes(PNG)
    return FakeServices(FakeWorkspace(folder), load_manifest(root=skill))
