"""What is to be said of each text: the target columns of its row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError
from trainwell.data import target as targets
from trainwell.data.splits import FEWEST_ROWS
from trainwell.data.table.labels import LabelReader
from trainwell.data.table.names import require
from trainwell.data.table.suspicions import candidates
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from trainwell.contract.specs import Warned
    from trainwell.data.parts import Array, Request
    from trainwell.data.source import Source
    from trainwell.data.splits import Rows
    from trainwell.data.target import Target
    from trainwell.data.text.read import Texts


@dataclass(frozen=True)
class Learnt:
    """The target of every usable row, and how it was read."""

    target: Target
    names: list[str]
    reader: LabelReader
    shape: tuple[int, ...] = ()
    notes: list[str] = field(default_factory=list[str])

    def scaling(self, train: Rows) -> tuple[float, float]:
        """Mean and deviation of a quantity in the training rows; (0, 1) for classes."""
        return targets.scaling_of(self.target, train)

    def encoded(self, rows: Rows, mean: float, deviation: float) -> Array:
        """The target of some rows as training takes it."""
        return targets.encoded(self.target, rows, mean, deviation)

    def suspicions(self, splits: dict[str, Rows]) -> list[Warned]:
        """What about the target or the split deserves a second look."""
        return targets.suspicions(self.target, splits)

    def reading(self) -> dict[str, Any]:
        """The JSON that reads the target of other rows."""
        return self.reader.reading()


def target_names(texts: Texts, request: Request, source: Source) -> list[str]:
    """The columns to predict.

    Raises:
        TrainwellError: `missing_target`, `missing_column`.
    """
    name = request.target or texts.target
    if name is None:
        others = [column for column in texts.columns.values() if column.name != texts.text]
        shown = source.shown if source.path is not None else None
        raise targets.no_target([one.name for one in others], candidates(others, texts.frame.height), shown)
    require([name], list(texts.columns), "target")
    return [name]


def take_target(texts: Texts, names: list[str], task: str, found: list[Warned]) -> tuple[Learnt, Texts]:
    """The target of the rows that have one, and those rows.

    Raises:
        TrainwellError: `mixed_target`, `too_few_rows`, `target_is_text`, or a code of `target`.
    """
    name = names[0]
    require(names, list(texts.columns), "target")
    column, values = texts.columns[name], texts.frame[name]
    if name == texts.text or column.kind == "text":
        raise TrainwellError(
            "target_is_text", "The target is a column of texts.", argument="target", got=name,
            hint="Name a column of classes or numbers.",
        )  # fmt: skip
    if column.first_unread is not None:
        row, cell = column.first_unread
        raise TrainwellError(
            "mixed_target",
            f"The target reads as a {column.kind}, but not in {counted(column.unread, 'cell')}, "
            f"first {texts.table.locate(row)}.",
            argument="target", got=cell, hint="Mend these cells, or leave them empty: such rows are left out.",
        )  # fmt: skip
    missing = values.null_count()
    found += targets.check_present(name, missing, column.infinite, len(values))
    if missing:
        texts = texts.keep(values.is_not_null())
    if texts.frame.height < FEWEST_ROWS:
        raise TrainwellError(
            "too_few_rows", f"There are {texts.frame.height} rows with a text and a target.", argument="source",
            allowed=f"at least {FEWEST_ROWS} rows",
        )  # fmt: skip
    reader = LabelReader.fit(column, texts.frame[name], task)
    return Learnt(reader.target, names, reader, notes=list(filter(None, [reader.target.note]))), texts
