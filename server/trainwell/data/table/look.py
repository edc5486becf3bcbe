"""What an agent wants to know of a table first, and the call that prepares it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.data import target as targets
from trainwell.data.table.doubts import label_errors, outliers
from trainwell.data.table.labels import take_target
from trainwell.data.table.names import require
from trainwell.data.table.report import describe
from trainwell.data.table.suspicions import candidates, column_warnings, copies, leaks, useless
from trainwell.data.table.typed import read_typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import Warned
    from trainwell.data.source import Source
    from trainwell.data.table.columns import Column
    from trainwell.data.table.labels import LabelReader
    from trainwell.data.table.typed import TypedTable

# Rows of one of these belong together: the same one in training and test is an old acquaintance.
_GROUP_NAME = re.compile(
    r"(?i)(.*[_ .-])?(patient|subject|participant|person|user|customer|client|household|family|speaker|session|group)s?"
    r"([_ .-]?(id|no|nr|number|key))?"
)
_FEWEST_GROUPS, _ROWS_A_GROUP = 5, 2
_FEWEST_TIMES = 30


def look(source: Source, target: str | None) -> dict[str, Any]:
    """The answer of `inspect_data` but for what the front door knows; `prepare_with` holds arguments for the next call.

    Raises:
        TrainwellError: what was wrong with the file or with the target that was named.
    """
    table = read_typed(source, sample=True)
    columns = list(table.columns.values())
    guesses = candidates(columns, table.height)
    found: list[Warned] = []
    notes = list(table.notes)
    dropped = [warned for column in columns if (warned := useless(column, table.frame[column.name], table.height))]
    useful = {column.name for column in columns} - {warned.column for warned in dropped}
    named = target or table.file.target
    labels: LabelReader | None = None
    if named is not None:
        require([named], list(table.columns), "target")
        labels, table = take_target(table, [named], "auto", found)
    else:
        labels, table = _guess(table, guesses, found)
        notes += [f"Taken as the target: {quoted(labels.names[0])}; name another with target."] if labels else []
    features = [column for column in columns if labels is None or column.name not in labels.names]
    inputs = [column for column in features if column.name in useful]
    found += [warned for warned in dropped if labels is None or warned.column not in labels.names]
    found += _about_rows(table, features, inputs, labels)
    found += column_warnings(features, table.height, table.file.locate)
    answer = describe(table.file.rows, columns, notes, guesses, labels, found)
    hints, said = _split_hint(table, features)
    answer["notes"] += said
    return {**answer, "prepare_with": hints}


def _guess(table: TypedTable, guesses: Sequence[str], found: list[Warned]) -> tuple[LabelReader | None, TypedTable]:
    """The likeliest column that can be learnt."""
    for name in guesses:
        warned: list[Warned] = []
        try:
            labels, kept = take_target(table, [name], "auto", warned)
        except TrainwellError:
            continue
        found += warned
        return labels, kept
    return None, table


def _about_rows(
    table: TypedTable, features: Sequence[Column], inputs: Sequence[Column], labels: LabelReader | None
) -> list[Warned]:
    """What the rows show together, gravest first."""
    learnt = None if labels is None else labels.target
    names = () if labels is None else labels.names
    found: list[Warned] = []
    if learnt is not None:
        found += leaks(features, table, learnt, np.arange(len(table.rows)))
        found += label_errors(inputs, table, learnt)
        found += targets.suspicions(learnt, None)
    found += copies(table, [column.name for column in features], names, None)
    measured = learnt is not None and learnt.task == "regression"
    return found + outliers([*inputs, *(table.columns[name] for name in names if measured)], table)


def _split_hint(table: TypedTable, features: Sequence[Column]) -> tuple[dict[str, Any], list[str]]:
    """Arguments for a split that does not flatter, where a column of groups or of times is plain to see."""
    for column in features:
        groups = column.kind == "category" or table.frame[column.name].dtype.is_integer()
        several = _FEWEST_GROUPS <= column.distinct <= table.height / _ROWS_A_GROUP
        if groups and several and _GROUP_NAME.fullmatch(column.name):
            note = f"Rows share values of {quoted(column.name)}: split by group, so that no group is in two parts."
            return {"split": "group", "split_by": column.name}, [note]
    for column in features:
        if column.kind != "date" or column.missing or column.distinct < _FEWEST_TIMES:
            continue
        if table.frame[column.name].gather(table.rows).is_sorted():
            note = f"The rows follow the time in {quoted(column.name)}: split by time, as they will be predicted."
            return {"split": "time", "split_by": column.name}, [note]
    return {}, []
