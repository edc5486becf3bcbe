"""Design a network that fits prepared data, from an architecture (mlp by default) or from your own list of layers.

Shapes are checked first, then a forward and backward pass. Gives the model handle that train takes; weights come from
train's seed.
"""

from __future__ import annotations

import json
from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import ModelSpec, Shapes, Spec
from trainwell.contract.text import brief, plain, size
from trainwell.contract.told import describe_input
from trainwell.store.handles import content_handle
from trainwell.tools.services import Services

TITLE = "Build model"
HINTS = Hints(read_only=False, destructive=False, idempotent=True)
DEFAULT_ARCHITECTURE = "auto"
NOTES_TOLD, LONGEST_NOTE = 2, 160
# What the numbers of an output are.
OUTPUTS = {
    "classification": "class scores", "multilabel": "label scores", "regression": "values",
    "forecasting": "values to come", "reconstruction": "values back",
}  # fmt: skip


class Arguments(Spec):
    """See SKILL.md."""

    data: str
    architecture: str
    options: dict[str, Any] | None = None
    layers: list[str | dict[str, Any]] | None = None
    module: str | None = None
    pretrained: str | None = None
    name: str | None = None
    detail: str


class Result(Answer):
    """The model, and what was proven of it."""

    model: str
    architecture: str
    parameters: int
    options: dict[str, Any]
    report: dict[str, Any]


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker build and check it, then enter the handle."""
    prepared = services.store.artifacts.data(services.find("data", arguments.data, "data"))
    asked, options = _asked_for(arguments)
    if asked == "module":
        services.workspace.require("code", "module", arguments.module)
    built = await services.ask(
        "build", data=prepared.model_dump(mode="json"), architecture=asked, options=options,
        max_parameters=services.max_parameters(),
    )  # fmt: skip
    architecture = built["architecture"]
    name = arguments.name or architecture
    content = json.dumps([architecture, built["options"], built["shapes"], prepared.handle, name], sort_keys=True)
    spec = ModelSpec(
        handle=content_handle("model", name, content),
        name=name,
        architecture=architecture,
        options=built["options"],
        shapes=Shapes.model_validate(built["shapes"]),
        data=prepared.handle,
        report=built["report"],
    )
    services.store.artifacts.put_model(spec)
    report = dict(spec.report)
    parameters = report.pop("parameters")
    return Result(
        summary=_told(spec, parameters, report),
        model=spec.handle,
        architecture=architecture,
        parameters=parameters,
        options=spec.options,
        report=report if arguments.detail == "full" else _brief(report),
        next_call=next_call("train", model=spec.handle, train_loader=prepared.handle),
    )


def _brief(report: dict[str, Any]) -> dict[str, Any]:
    """The report without its layers, which are counted."""
    return brief({**report, "layers": len(report["layers"])})


def _told(spec: ModelSpec, parameters: int, report: dict[str, Any]) -> str:
    """The network in three lines: its size, its cost, and what was chosen."""
    trainable = report.get("trainable", parameters)
    frozen = f" ({trainable:,} learn)" if trainable != parameters else ""
    fixed, per_row = report["training_bytes_fixed"], report["training_bytes_per_row"]
    inputs = " and ".join(describe_input(one) for one in spec.shapes.inputs[:3])
    lines = [
        f"{spec.handle}: {spec.architecture}, {parameters:,} parameters{frozen}, "
        f"{report['flops_per_row']:,} FLOPs a row.",
        f"It takes {inputs}, gives {spec.shapes.num_outputs} {OUTPUTS[spec.shapes.task]}. Training needs "
        f"{size(fixed)} and {size(per_row * 128)} for each 128 rows of a batch. Both passes checked.",
        *(plain(note, LONGEST_NOTE) for note in report.get("notes", [])[:NOTES_TOLD]),
    ]
    return "\n".join(lines)


def _asked_for(arguments: Arguments) -> tuple[str, dict[str, Any]]:
    """The architecture and its options, from whichever way of saying it was taken.

    Raises:
        TrainwellError: `exactly_one`, when two ways were taken at once.
    """
    ways: dict[str, Any] = {
        "layers": arguments.layers, "module": arguments.module, "pretrained": arguments.pretrained,
    }  # fmt: skip
    taken = [name for name, value in ways.items() if value is not None]
    options = arguments.options or {}
    if not taken:
        return arguments.architecture, options
    way = taken[0]
    alone = way == "layers" and arguments.options is not None
    if len(taken) > 1 or alone or arguments.architecture not in {DEFAULT_ARCHITECTURE, way}:
        raise TrainwellError(
            "exactly_one",
            f"{way} stands for itself: no other architecture{' and no options' if way == 'layers' else ''} with it.",
            argument=way,
            got=[*taken, *([arguments.architecture] if arguments.architecture != DEFAULT_ARCHITECTURE else [])],
            allowed=["layers", "module (and options: its arguments)", "pretrained (and options)",
                     "architecture and options"],
        )  # fmt: skip
    inside = {
        "layers": {"layers": arguments.layers},
        "module": {"module": arguments.module, "arguments": options},
        "pretrained": {**options, "source": arguments.pretrained},
    }
    return way, inside[way]
