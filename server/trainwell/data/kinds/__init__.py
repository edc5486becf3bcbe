"""What can be learned from: one file a kind, found by being there.

A kind's file has a docstring that says what it reads, and:
- `KIND`: its name, that of the file.
- `TASKS`: what can be learnt from it.
- `Config`: a `Spec` with the arguments of `prepare_data` that only this kind takes.
- `recognise(source) -> int`: 0 cannot read the source, 1 can, 2 is made for such sources, 3 beyond doubt; cheap.
- `inspect(source, target) -> dict`: what an agent sees before preparing.
- `prepare(source, request, folder) -> Draft`: writes arrays into the folder and says what they are.
- `encode(prepared, rows, source, strict) -> EncodedRows`: raw rows through the fitted preprocessing; if strict, a cell
  that cannot be read is an error, else it is taken as missing where that has a meaning.

A kind that reads sources of another, but looks at them only when they are plainly its own, may add
`evident(source) -> bool`: `inspect_data` then shows them as this kind. A kind whose sources or options name further
files may add `further_content(source, config)`: JSON that changes with their content, so that data is prepared anew.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trainwell.contract.specs import PreparedData, Spec, Task
    from trainwell.data.parts import Draft, EncodedRows, Request
    from trainwell.data.source import Source


class Kind(Protocol):
    """What a kind's file offers."""

    KIND: str
    TASKS: frozenset[Task]
    Config: type[Spec]

    def recognise(self, source: Source) -> int: ...  # noqa: D102
    def inspect(self, source: Source, target: str | None) -> dict[str, Any]: ...  # noqa: D102
    def prepare(self, source: Source, request: Request, folder: Path) -> Draft: ...  # noqa: D102
    def encode(  # noqa: D102
        self, prepared: PreparedData, rows: list[Any] | None, source: Source | None, *, strict: bool
    ) -> EncodedRows: ...


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
            "unknown_kind", f"Data of kind {quoted(name, 40)} is not known to this version.", argument="kind", got=name,
            allowed=list(names()), hint=did_you_mean(name, names()) or "A checkpoint of a newer trainwell needs that.",
        )  # fmt: skip
    return cast("Kind", import_module(f"{__name__}.{name}"))


def find_kind(source: Source, asked: str, task: str = "auto", options: Iterable[str] = ()) -> Kind:
    """The kind that was asked for, or the one that fits best.

    Of the kinds that read the source and learn the task, those whose options were used come first, then those that
    are made for it.

    Args:
        source: What is to be read.
        asked: A kind, or `auto`.
        task: What is to be learnt, or `auto`.
        options: Names of the options of a kind that were given.

    Raises:
        TrainwellError: `unknown_kind`, `wrong_kind_of_file`, `task_not_supported`.
    """
    if asked != "auto" and kind(asked).recognise(source):
        return _that_learns(kind(asked), task)
    fits = {name: level for name in names() if (level := kind(name).recognise(source))}
    if asked != "auto" or not fits:
        raise TrainwellError(
            "wrong_kind_of_file",
            f"{source.shown} cannot be read as {asked}." if asked != "auto" else f"{source.shown} is of no known kind.",
            argument="kind",
            got=asked,
            allowed=["auto", *fits],
            hint="Leave kind out: it is told from the content.",
        )
    given = set(options) - {"columns", "drop_columns"}  # these say nothing of the kind
    able = [name for name in fits if task == "auto" or task in kind(name).TASKS] or list(fits)
    best = max(able, key=lambda name: (len(given & set(kind(name).Config.model_fields)), fits[name]))
    return _that_learns(kind(best), task)


def kind_to_inspect(source: Source) -> Kind:
    """The kind that a source is shown as when nobody says what is wanted.

    Raises:
        TrainwellError: `wrong_kind_of_file`.
    """
    for name in names():
        evident = getattr(kind(name), "evident", None)
        if evident is not None and evident(source):
            return kind(name)
    return find_kind(source, "auto")


def _that_learns(found: Kind, task: str) -> Kind:
    if task == "auto" or task in found.TASKS:
        return found
    raise TrainwellError(
        "task_not_supported", f"Data of kind {found.KIND} is not for {task}.", argument="task", got=task,
        allowed=["auto", *sorted(found.TASKS)],
    )  # fmt: skip


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every kind's `Config`, by kind."""
    return {name: kind(name).Config.model_json_schema() for name in names()}
