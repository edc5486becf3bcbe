"""Export a run's weights (or a checkpoint) for use elsewhere: safetensors, onnx, torch_export (.pt2), or script.

The file is read back and compared on real rows before it counts; a model card and the encoding of its inputs go beside
it. script is a plain PyTorch program that trains the same anew without trainwell.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import rounded
from trainwell.tools.services import Services

TITLE = "Export model"
HINTS = Hints(read_only=False, destructive=False, idempotent=True)
SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torch_export": ".pt2", "script": ".py"}
BESIDE = (".md", ".json")


class Arguments(Spec):
    """See SKILL.md."""

    run: str | None = None
    checkpoint: str | None = None
    format: str
    which: str
    path: str | None = None
    overwrite: bool


class Result(Answer):
    """The file and those beside it. `largest_difference`: of any output from the network's own; null for a script."""

    path: str
    files: list[str]
    format: str
    bytes: int
    epoch: int
    largest_difference: float | None
    compared_rows: int
    real_rows: bool
    expects: dict[str, Any]
    notes: list[str]


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker write, read back and compare."""
    trained = services.trained(arguments.run, arguments.checkpoint)
    name = trained.pop("name")
    suffix = SUFFIXES[arguments.format]
    text = arguments.path or f"{name}{suffix}"
    if PurePath(text).suffix != suffix:
        raise TrainwellError(
            "unknown_format", f"A file of {arguments.format} ends otherwise.", argument="path", got=text,
            allowed=f"a path ending in {suffix}",
            next_call=next_call(
                "export_model", format=arguments.format, path=f"{PurePath(text).with_suffix(suffix)}",
                **{"run" if arguments.run else "checkpoint": name},
            ),
        )  # fmt: skip
    again = arguments.overwrite or arguments.path is None
    path = services.workspace.resolve_write(text, overwrite=again)
    for beside in BESIDE:
        services.workspace.resolve_write(text + beside, overwrite=again)
    card = services.store.artifacts.checkpoint(name)["card"] if arguments.checkpoint else None
    asked = {"card": card, "which": arguments.which, "format": arguments.format, "path": str(path)}
    try:
        told = await services.ask("export", **trained, **asked)
    except TrainwellError as error:
        if error.code == "work_takes_long":
            error.hint = f"Look for {text}.md: it stands once the file has been checked."
        raise
    shown = services.workspace.shown(path)
    return Result(
        summary=_told(name, shown, arguments.format, told),
        path=shown,
        files=[str(PurePath(shown).with_name(file)) for file in told["files"]],
        format=arguments.format,
        bytes=told["bytes"],
        epoch=told["epoch"],
        largest_difference=told["largest_difference"],
        compared_rows=told["compared_rows"],
        real_rows=told["real_rows"],
        expects=told["expects"],
        notes=told["notes"],
        next_call=next_call("load_checkpoint", path=shown) if arguments.format == "safetensors"
        else next_call("evaluate", **({"run": name} if arguments.run else {"checkpoint": name})),
    )  # fmt: skip


def _told(name: str, path: str, kind: str, told: dict[str, Any]) -> str:
    rows = f"{told['compared_rows']} {'real' if told['real_rows'] else 'random'} rows"
    lines = [
        f"{path}: {name} as {kind}, {told['bytes'] / 2**20:.2f} MB; {path}.md is its card, {path}.json its encoding."
    ]
    read = "Its network, given the trained weights," if kind == "script" else "Read back and"
    lines.append(f"{read} run on {rows}: outputs differ by at most {rounded(told['largest_difference'], 2)}.")
    inputs = ", ".join(f"{one} {shape}" for one, shape in told["expects"]["inputs"].items())
    lines.append(f"It expects encoded rows: {inputs}; the .json says how raw rows become them.")
    return "\n".join([*lines, *told["notes"][:2]])
