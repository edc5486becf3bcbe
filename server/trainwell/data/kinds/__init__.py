"""What can be learned from: one file a kind, found by being there.

A kind's file has a docstring that says what it reads, and:
- `KIND`: its name, that of the file.
- `Config`: a `Spec` with the arguments of `prepare_data` that only this kind takes.
- `recognise(source) -> int`: 0 cannot read the source, 1 can, 2 is made for sources like it; cheap.
- `inspect(source, target) -> dict`: what an agent sees before preparing.
- `prepare(source, request, folder) -> Draft`: writes arrays into the folder and says what they are.
- `encode(prepared, rows, source) -> EncodedRows`: raw rows through the fitted preprocessing.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from trainwell.contract.errors import TrainwellError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData, Spec
    from trainwell.data.parts import Draft, EncodedRows, Request
    from trainwell.data.source import Source


class Kind(Protocol):
    """What a kind's file offers."""

    KIND: str
    Config: type[Spec]

    def recognise(self, source: Source) -> int: ...  # noqa: D102
    def inspect(self, source: Source, target: str | None) -> dict[str, Any]: ...  # noqa: D102
    def prepare(self, source: Source, request: Request, folder: Path) -> Draft: ...  # noqa: D102
    def encode(self, prepared: PreparedData, rows: list[Any] | None, source: Source | None) -> EncodedRows: ...  # noqa: D102


@cache
def names() -> tuple[str, ...]:
    """All kinds, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def kind(name: str) -> Kind:
    """The kind of this name.

    Raises:
        TrainwellError: `unknown_kind`.
    """
    if name not in names():
        raise TrainwellError(
            "unknown_kind", "There is no kind of data of this name.", argument="kind", got=name, allowed=list(names()),
            hint=did_you_mean(name, names()),
        )  # fmt: skip
    return cast("Kind", import_module(f"{__name__}.{name}"))


def find_kind(source: Source, asked: str) -> Kind:
    """The kind that was asked for, or the one that fits the source best.

    Raises:
        TrainwellError: `unknown_kind`, `wrong_kind_of_file`.
    """
    if asked != "auto" and kind(asked).recognise(source):
        return kind(asked)
    fits = {name: kind(name).recognise(source) for name in names()}
    fitting = [name for name in names() if fits[name]]
    if asked == "auto" and fitting:
        return kind(max(fitting, key=lambda name: fits[name]))
    raise TrainwellError(
        "wrong_kind_of_file",
        f"{source.shown} cannot be read as {asked}." if asked != "auto" else f"{source.shown} is of no known kind.",
        argument="kind",
        got=asked,
        allowed=["auto", *fitting],
        hint="Leave kind out: it is told from the content.",
    )


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every kind's `Config`, by kind."""
    return {name: kind(name).Config.model_json_schema() for name in names()}
