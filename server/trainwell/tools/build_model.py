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
from trainwell.store.handles import content_handle
from trainwell.tools.services import Services

TITLE = "Build model"
HINTS = Hints(read_only=False, destructive=False, idempotent=True)
DEFAULT_ARCHITECTURE = "auto"


class Arguments(Spec):
    """See SKILL.md."""

    data: str
    architecture: str
    options: dict[str, Any] | None = None
    layers: list[str | dict[str, Any]] | None = None
    module: str | None = None
    pretrained: str | None = None
    name: str | None = None


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
    asked, options = _asked_for(services, arguments)
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
    fixed, per_row = report["training_bytes_fixed"], report["training_bytes_per_row"]
    return Result(
        summary=f"{spec.handle}: {architecture}, {parameters:,} parameters, {report['flops_per_row']:,} FLOPs a row.\n"
        f"Training needs {_megabytes(fixed)} and {_megabytes(per_row * 128)} for each 128 rows of a batch. "
        "Forward and backward pass checked.",
        model=spec.handle,
        architecture=architecture,
        parameters=parameters,
        options=spec.options,
        report=report,
        next_call=next_call("train", model=spec.handle, train_loader=prepared.handle),
    )


def _asked_for(services: Services, arguments: Arguments) -> tuple[str, dict[str, Any]]:
    """The architecture and its options; `layers`, `module` and `pretrained` stand for an architecture of their own."""
    options = arguments.options or {}
    own = {"layers": arguments.layers, "module": arguments.module, "pretrained": arguments.pretrained}
    given = [name for name, value in own.items() if value is not None]
    if not given:
        return arguments.architecture, options
    name = given[0]
    if len(given) > 1 or arguments.architecture not in {DEFAULT_ARCHITECTURE, name}:
        raise TrainwellError(
            "exactly_one",
            f"{name} stands for itself: give no other architecture with it.",
            argument=name,
            allowed=["architecture", *own],
        )
    if arguments.module is not None:
        services.workspace.require("code", "module", arguments.module)
        return "module", {"module": arguments.module, "arguments": options}
    if arguments.pretrained is not None:
        return "pretrained", {**options, "source": arguments.pretrained}
    if arguments.options is not None:
        raise TrainwellError("exactly_one", "layers take no options.", argument="options", allowed=["layers"])
    return "layers", {"layers": arguments.layers}


def _megabytes(count: float) -> str:
    return f"{count / 2**20:.1f} MB"
