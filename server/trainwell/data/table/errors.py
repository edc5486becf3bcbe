"""A table that cannot be read, in one error whoever found it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polars.exceptions import PanicException, PolarsError

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain

if TYPE_CHECKING:
    from pathlib import Path


class polars_errors:  # noqa: N801 - used like a function
    """Within it, what polars raises becomes one error; its panics do not derive from Exception."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MemoryError):
            raise TrainwellError("not_enough_memory", "Memory ran out.", argument="source") from error
        if isinstance(error, PolarsError | PanicException | OSError | UnicodeDecodeError):
            said = str(error).strip().splitlines()
            raise unreadable(self.path, f"It could not be parsed: {plain(said[0] if said else '', 200)}.") from error


def unreadable(path: Path, message: str, hint: str | None = None) -> TrainwellError:
    """The refusal of a file that cannot be parsed."""
    return TrainwellError(
        "table_unreadable", message, argument="source", got=path.name, hint=hint or "Is the file whole?"
    )
