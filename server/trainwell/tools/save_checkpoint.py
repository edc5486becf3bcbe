"""Save a run's best (or last) weights as one portable .safetensors file.

Weights, network, preprocessing and metrics, with checksums. load_checkpoint reads it anywhere.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import size
from trainwell.tools.services import Services

TITLE = "Save checkpoint"
HINTS = Hints(read_only=False, destructive=False, idempotent=True)
SUFFIX = ".safetensors"


class Arguments(Spec):
    """See SKILL.md."""

    run: str
    which: str
    path: str | None = None
    overwrite: bool


class Result(Answer):
    """The file."""

    checkpoint: str
    path: str
    epoch: int
    metrics: dict[str, Any]
    sha256: str
    bytes: int


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker write the file, then enter the handle."""
    run = services.find("run", arguments.run, "run")
    text = arguments.path or f"{run}_{arguments.which}{SUFFIX}"
    if not text.endswith(SUFFIX):
        named = str(PurePath(text).with_suffix(SUFFIX))
        raise TrainwellError(
            "unknown_format", "Checkpoints are safetensors files.", argument="path", got=text,
            allowed=f"a path ending in {SUFFIX}", next_call=next_call("save_checkpoint", run=run, path=named),
        )  # fmt: skip
    path = services.workspace.resolve_write(text, overwrite=arguments.overwrite or arguments.path is None)
    spec = services.store.runs.spec(run).model_dump(mode="json")
    saved = await services.ask("save_checkpoint", spec=spec, which=arguments.which, path=str(path))
    card, shown = saved["card"], services.workspace.shown(path)
    handle = services.store.artifacts.put_checkpoint(shown, card)
    return Result(
        summary=f"{handle}: {shown}, {arguments.which} weights (epoch {card['epoch']}), {size(saved['bytes'])}.",
        checkpoint=handle,
        path=shown,
        epoch=card["epoch"],
        metrics=card["metrics"],
        sha256=saved["sha256"],
        bytes=saved["bytes"],
        next_call=next_call("predict", checkpoint=handle, source="path/to/new_rows.csv"),
    )
