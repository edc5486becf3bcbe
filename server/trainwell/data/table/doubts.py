"""Cells and labels of a table that look wrong beside the others: doubts to be checked, not verdicts.

Measured on iris, wine, digits and breast cancer, three times each with 5 % of the labels set wrong: 57 to 100 % of the
wrong labels are among the suspects, and 71 to 100 % of the suspects are wrong. As they are, the sets show 0 to 1.1 %
suspects, which is below what is reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.specs import Warned
from trainwell.contract.text import quoted
from trainwell.data.table.encode import encode_frame, fit_column
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainwell.data.splits import Rows
    from trainwell.data.table.columns import Column
    from trainwell.data.table.typed import TypedTable
    from trainwell.data.target import Target

Numbers = np.ndarray[Any, Any]

_FEWEST_ROWS = 50
_LOOKED_ROWS, _LOOKED_COLUMNS = 50_000, 500
# An outlier lies this many widths of the middle 98 % beyond it; more of them than this share are a tail.
_FAR, _MOST_OUTLIERS = 3.0, 0.01
_FEW_STEPS = 30
# A number at the end of a column that occurs so often, as far from the rest as the rest is wide, is likely a code.
_OFTEN = 3
# Neighbours that are asked, how many of them must agree, and how many may side with the label.
_NEIGHBOURS, _AGREE, _SIDE = 10, 8, 1
_COMPARED_ROWS, _COMPARED_COLUMNS = 2_000, 500
# Neighbours must tell the label of the others this well (1 is always, 0 as well as the commonest class), and fewer
# suspects than this are the overlap of any two classes.
_SKILL, _SUSPECT_SHARE, _FEWEST_SUSPECTS = 0.6, 0.02, 4
_SHOWN = 3


def outliers(columns: Sequence[Column], table: TypedTable) -> list[Warned]:
    """Numbers far beyond all others, and numbers that stand for something else, such as -999.

    Args:
        columns: Those that are looked at; the first `_LOOKED_COLUMNS` numbers count.
        table: Their cells; the first `_LOOKED_ROWS` usable rows count.
    """
    rows = table.rows[:_LOOKED_ROWS]
    found: list[Warned] = []
    for column in [column for column in columns if column.kind == "number"][:_LOOKED_COLUMNS]:
        if len(rows) < _FEWEST_ROWS:
            break
        cells = table.frame[column.name].gather(rows)
        known = np.flatnonzero(cells.is_not_null().to_numpy())
        values = cells.drop_nulls().cast(pl.Float64).to_numpy()
        if len(values) < _FEWEST_ROWS:
            continue
        message = _code(column, values) or _far(column, values, table, rows[known])
        if message:
            found.append(Warned(code="outliers", message=message, column=quoted(column.name, 80)[1:-1]))
    return found


def label_errors(columns: Sequence[Column], table: TypedTable, target: Target) -> list[Warned]:
    """Rows whose nearest neighbours nearly all bear one other label, where neighbours tell the label well.

    Args:
        columns: The inputs.
        table: Their cells.
        target: Of the table's usable rows; other than classes are not judged.
    """
    if target.task != "classification" or len(table.rows) < _FEWEST_ROWS:
        return []
    random = np.random.default_rng(0)
    some = np.sort(random.permutation(len(table.rows))[:_COMPARED_ROWS])
    labels: Rows = target.values[some]
    points = _points(columns, table, table.rows[some], random)
    if points is None:
        return []
    votes = _votes(points, np.unique(labels, return_inverse=True)[1])
    labels = np.unique(labels, return_inverse=True)[1]
    own, most = votes[np.arange(len(labels)), labels], votes.max(axis=1)
    commonest = np.bincount(labels).max() / len(labels)
    skill = ((votes.argmax(axis=1) == labels).mean() - commonest) / max(1e-9, 1 - commonest)
    suspects = np.flatnonzero((own <= _SIDE) & (most >= _AGREE))
    if skill < _SKILL or len(suspects) < max(_FEWEST_SUSPECTS, _SUSPECT_SHARE * len(labels)):
        return []
    first = [_place(table, int(table.rows[some[row]])) for row in suspects[:_SHOWN]]
    message = (
        f"{len(suspects):,} of {len(labels):,} rows looked at bear another label than nearly all rows like them, "
        f"first {', '.join(first)}: are these labels right?"
    )
    return [Warned(code="label_errors", message=message)]


def _place(table: TypedTable, row: int) -> str:
    return table.file.locate(row)


def _far(column: Column, values: Numbers, table: TypedTable, rows: Rows) -> str | None:
    far = _beyond(values)
    if far.any() and float(values.min()) > 0:
        far &= _beyond(np.log(values))  # a quantity that grows by factors has a long tail by nature
    count = int(far.sum())
    if column.distinct <= _FEW_STEPS:  # counts of something rare have no middle to be far from
        return None
    if not count or count > max(1, _MOST_OUTLIERS * len(values)):
        return None
    first = int(np.argmax(far))
    what = counted(count, "value")
    return (
        f"Column {quoted(column.name)}: {what} far beyond all others, first {values[first]:.6g} "
        f"({_place(table, int(rows[first]))})."
    )


def _beyond(values: Numbers) -> np.ndarray[Any, np.dtype[np.bool_]]:
    low, high = np.quantile(values, [0.01, 0.99])
    if not high > low:
        return np.zeros(len(values), np.bool_)
    return (values > high + _FAR * (high - low)) | (values < low - _FAR * (high - low))


def _code(column: Column, values: Numbers) -> str | None:
    """The least or greatest number, where it occurs often and far from the rest, and looks like a code."""
    different, counts = np.unique(values, return_counts=True)
    if len(different) < 4:
        return None
    for end, rest in ((0, different[1:]), (len(different) - 1, different[:-1])):
        value, gap = float(different[end]), float(np.abs(rest - different[end]).min())
        width = float(rest[-1] - rest[0])
        if counts[end] >= _OFTEN and gap > width and _looks_like_code(value):
            return (
                f"Column {quoted(column.name)}: {value:g} occurs {counts[end]:,} times, far from all other values: "
                "does it stand for a missing value?"
            )
    return None


def _looks_like_code(value: float) -> bool:
    digits = f"{abs(value):.0f}" if value == int(value) else ""
    return value < 0 or (len(digits) > 1 and set(digits) in ({"9"}, {"8"}))


def _points(columns: Sequence[Column], table: TypedTable, rows: Rows, random: np.random.Generator) -> Numbers | None:
    """The rows as points whose distance means something: inputs as a network would get them."""
    cells = {column.name: table.frame[column.name].gather(rows) for column in _some(columns, random)}
    kinds = {column.name: column for column in columns}
    encodings = [fit_column(kinds[name], series, embed=False) for name, series in cells.items()]
    known = [encoding for encoding in encodings if encoding is not None]
    if not known:
        return None
    points = encode_frame(known, pl.DataFrame([cells[entry["name"]] for entry in known]))
    return points - points.mean(axis=0)


def _some(columns: Sequence[Column], random: np.random.Generator) -> Iterator[Column]:
    usable = [column for column in columns if column.kind in {"number", "boolean", "category"}]
    yield from (usable[place] for place in np.sort(random.permutation(len(usable))[:_COMPARED_COLUMNS]))


def _votes(points: Numbers, labels: Rows) -> Rows:
    """(rows, classes) how many of each row's nearest neighbours bear each label."""
    squares = (points**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    nearest = np.argpartition(distances, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    votes = np.zeros((len(labels), int(labels.max()) + 1), np.int64)
    rows = np.arange(len(labels))
    for place in range(_NEIGHBOURS):
        np.add.at(votes, (rows, labels[nearest[:, place]]), 1)
    return votes
