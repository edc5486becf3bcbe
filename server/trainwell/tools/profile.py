"""Time training steps: fp32, mixed precision and compile side by side, where a step's time goes, which batch fits.

Says what to set. Nothing is trained or kept.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import Spec
from trainwell.tools.asking import model_and_data, spec_fields
from trainwell.tools.services import Services

TITLE = "Profile training"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)
# What a brief answer leaves to its summary.
_IN_FULL = {"precisions", "parts", "batch_sizes", "compile"}


class Arguments(Spec):
    """See SKILL.md."""

    model: str
    train_loader: str
    batch_size: int | None = None
    seconds: float
    detail: str


class Result(Answer):
    """Times in milliseconds, sizes in rows; all that was timed comes with `detail: full`."""

    device: str
    batch_size: int
    precision: str
    precisions: dict[str, Any] | None = None
    parts: dict[str, Any] | None = None
    batch_sizes: list[dict[str, Any]] | None = None
    largest_batch: dict[str, Any]
    compile: dict[str, Any] | None = None
    suggested: dict[str, Any]
    words: list[str]


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker take the times."""
    model, prepared = model_and_data(services, arguments.model, arguments.train_loader)
    given = {"batch_size": arguments.batch_size}
    found = await services.look(
        "profile", spec=spec_fields(services, model, prepared, given, run="run_profile"), seconds=arguments.seconds
    )
    asked = {name: value for name, value in given.items() if value is not None} | found["suggested"]
    return Result(
        summary=_told(found),
        next_call=next_call("train", model=model.handle, train_loader=prepared.handle, **asked),
        **{name: one for name, one in found.items() if arguments.detail == "full" or name not in _IN_FULL},
    )


def _told(found: dict[str, Any]) -> str:
    precisions = ", ".join(f"{name} {one['ms']:g} ms" for name, one in found["precisions"].items())
    parts = ", ".join(f"{name} {taken:g}" for name, taken in found["parts"].items())
    largest = found["largest_batch"]["rows"]
    return (
        f"A step of {found['batch_size']} rows on {found['device']}: {precisions}; compile {found['compile']['timed']}."
        f"\nMilliseconds by part ({found['precision']}): {parts}. Largest batch: {largest} rows.\n"
        f"{'; '.join(found['words'])}."
    )
