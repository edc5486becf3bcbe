"""Suggest a learning rate from a range test.

The rate rises over about a hundred steps on a copy of the model, and the loss is watched. Nothing is trained or kept.
"""

from __future__ import annotations

from typing import Any

from trainwell.contract.answers import Answer, Hints
from trainwell.contract.errors import next_call
from trainwell.contract.specs import Spec
from trainwell.contract.text import rounded
from trainwell.tools.asking import model_and_data, spec_fields
from trainwell.tools.services import Services

TITLE = "Find learning rate"
HINTS = Hints(read_only=True, destructive=False, idempotent=True)


class Arguments(Spec):
    """See SKILL.md."""

    model: str
    train_loader: str
    optimizer: str
    batch_size: int | None = None
    seconds: float
    plot: bool


class Result(Answer):
    """The rate, and what it rests on: pairs of rate and smoothed loss."""

    lr: float | None
    usual_lr: float
    lowest_at: float | None
    diverges_at: float | None
    batch_size: int
    steps: int
    curve: list[list[float | None]]


async def call(services: Services, arguments: Arguments) -> Result:
    """Have a worker make the test."""
    model, prepared = model_and_data(services, arguments.model, arguments.train_loader)
    given = {"optimizer": arguments.optimizer, "batch_size": arguments.batch_size}
    title = f"{prepared.name}-{model.name}: range test, {arguments.optimizer}"
    picture = services.workspace.state / "reports" / f"{model.handle}-range-test.png" if arguments.plot else None
    found = await services.look(
        "find_lr", spec=spec_fields(services, model, prepared, given, run="run_range_test"), seconds=arguments.seconds,
        picture=str(picture) if picture else None, title=title,
    )  # fmt: skip
    lr = found["lr"]
    asked = {
        name: value
        for name, value in given.items()
        if value not in (None, services.manifest.defaults("train").get(name))
    }
    if lr is not None:
        asked["lr"] = lr
    return Result(
        summary=_told(found),
        picture=services.workspace.shown(picture) if picture else None,
        next_call=next_call("train", model=model.handle, train_loader=prepared.handle, **asked),
        **{name: found[name] for name in Result.model_fields if name in found},
    )


def _told(found: dict[str, Any]) -> str:
    ends = found["diverges_at"]
    where = f"and diverges at {rounded(ends, 2)}" if ends is not None else "and never diverges"
    if found["lr"] is None:
        return (
            f"No rate lowered the loss in {found['steps']} steps ({where[4:]}): look at the data and the model first."
        )
    return (
        f"Suggested lr {found['lr']:g} for {found['optimizer']} with batches of {found['batch_size']}: "
        f"the loss is lowest at {rounded(found['lowest_at'], 2)} {where}.\nLeft out, lr would be {found['usual_lr']:g}."
    )
