"""Read a checkpoint file that save_checkpoint wrote, here or elsewhere.

Checks it whole and gives handles for evaluate, predict and train. Pickle files (.pt, .pth) are refused: they can run
code.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import ModelSpec, PreparedData, Spec
from trainwell.contract.told import describe_target
from trainwell.tools.services import Services

TITLE = "Load checkpoint"
HINTS = Hints(read_only=False, destructive=False, idempotent=True)


class Arguments(Spec):
    """See SKILL.md."""

    path: str


class Result(Answer):
    """What the file holds."""

    checkpoint: str
    model: str
    task: str
    inputs: dict[str, list[int]]
    classes: list[str]
    epoch: int
    metrics: dict[str, Any]
    parameters: int


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker check the file, then enter its handles."""
    path = services.workspace.resolve_read(arguments.path, "path")
    loaded = await services.ask("load_checkpoint", path=str(path))
    card = loaded["card"]
    model, prepared = ModelSpec.model_validate(card["model"]), PreparedData.model_validate(card["data"])
    shown = services.workspace.shown(path)
    services.store.artifacts.put_model(model)
    handle = services.store.artifacts.put_checkpoint(shown, card)
    return Result(
        summary=f"{handle}: {model.architecture} for {describe_target(prepared)}, "
        f"{loaded['parameters']:,} parameters, epoch {card['epoch']}.",
        checkpoint=handle,
        model=model.handle,
        task=prepared.task,
        inputs={tensor.name: list(tensor.shape) for tensor in prepared.inputs},
        classes=list(prepared.classes[:20]),
        epoch=card["epoch"],
        metrics=card["metrics"],
        parameters=loaded["parameters"],
        next_call=next_call("predict", checkpoint=handle, source="path/to/new_rows.csv"),
    )
