"""What in a table deserves a second look before a network learns it: identifiers, leaks, copies, gaps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.specs import Warned
from trainwell.contract.text import quoted
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainwell.data.splits import Rows
    from trainwell.data.table.columns import Column
    from trainwell.data.table.typed import TypedTable
    from trainwell.data.target import Target

_ID_NAME = re.compile(r"(?i:id|idx|index|uuid|guid|rowid|row_?n(um|umber|o)?|unnamed.*|column_1|.*[_ ]id)|.*[a-z]I[dD]")
_FEWEST_FOR_ID = 20
# A category of more levels than inputs are spent on it.
_MANY_LEVELS = 63
_MISSING_SHARE = 0.05
# One column tells the class of all but this share of rows, or follows a quantity this closely.
_LEAK_ERRORS = 0.001
_LEAK_CORRELATION = 0.9999
_FEWEST_FOR_LEAK = 30
_LEAK_CELLS = 20_000_000
_MOST_LEAK_ROWS = 20_000
# Of more columns the first and the last are looked at: a copy of the target mostly stands beside it.
_LEAK_COLUMNS = 2_000
_MOST_NAMED = 3
_HASHED_ROWS = 500_000

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


def column_warnings(columns: Sequence[Column], count: int, locate: Callable[[int], str]) -> list[Warned]:
    """What the columns show one by one: mixed types, infinities, gaps, many levels, no content."""
    found: list[Warned] = []
    for column in columns:
        found += _about(column, count, locate)
    gaps = [column for column in columns if 0 < column.missing < count and column.missing > _MISSING_SHARE * count]
    if gaps:
        worst = max(gaps, key=lambda column: column.missing)
        message = (
            f"Columns that lack more than {_MISSING_SHARE:.0%} of their values: {len(gaps)}; "
            f"{quoted(worst.name)} lacks {worst.missing / count:.0%}."
        )
        found.append(Warned(code="missing_values", message=message, column=_shown(worst.name)))
    return found


def useless(column: Column, values: pl.Series, count: int) -> Warned | None:
    """Why a column is left out of the inputs, if it is: nothing in it, one value, an identifier, free text.

    Args:
        column: What was recognised.
        values: Its cells.
        count: Rows that hold any value.
    """
    name = _shown(column.name)
    reasons = {
        "empty": ("constant_column", "is empty"),
        "nested": ("nested_column", "holds lists or objects"),
        "text": ("text_column", "holds free text"),
    }
    if column.kind in reasons:
        code, what = reasons[column.kind]
        return Warned(code=code, message=f"Column {quoted(column.name)} {what} and is left out.", column=name)
    if column.distinct == 1 and not column.missing:
        return Warned(
            code="constant_column",
            message=f"Column {quoted(column.name)} has one value only and is left out.",
            column=name,
        )
    if _is_identifier(column, values, count):
        message = f"Column {quoted(column.name)} looks like an identifier and is left out; columns can keep it."
        return Warned(code="id_column", message=message, column=name)
    return None


def leaks(columns: Sequence[Column], table: TypedTable, target: Target, rows: Rows) -> list[Warned]:
    """Columns that give the target away all by themselves, judged on the training rows.

    Args:
        columns: Those that are looked at.
        table: Their cells.
        target: Of the table's usable rows.
        rows: Numbers among the usable rows.
    """
    if len(rows) < _FEWEST_FOR_LEAK or target.task not in {"classification", "regression"}:
        return []
    most = int(min(_MOST_LEAK_ROWS, max(1000, _LEAK_CELLS // max(len(columns), 1))))
    rows = rows if len(rows) <= most else np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    values = target.values[rows]
    found: list[str] = []
    columns = [column for column in columns if column.kind in {"number", "boolean", "category", "date"}]
    for column in columns[: _LEAK_COLUMNS // 2] + columns[_LEAK_COLUMNS // 2 :][-_LEAK_COLUMNS // 2 :]:
        cells = table.frame[column.name].gather(table.rows[rows])
        gives = _tells_class if target.task == "classification" else _follows
        if gives(column, cells, values):
            found.append(column.name)
    if not found:
        return []
    named = ", ".join(quoted(name, 40) for name in found[:_MOST_NAMED])
    what = "gives the class" if target.task == "classification" else "gives the target"
    message = (
        f"{counted(len(found), 'column')} alone {what} almost without error ({named}): "
        "is it known when the prediction is made, or a leak?"
    )
    return [Warned(code="leakage_suspect", message=message, column=_shown(found[0]))]


def copies(
    table: TypedTable, features: Sequence[str], target: Sequence[str], splits: dict[str, Rows] | None
) -> list[Warned]:
    """Rows that occur more than once, and validation or test rows that training sees too.

    Args:
        table: What was read.
        features: The columns that count as inputs.
        target: The columns that the target comes from.
        splits: Places in the table's frame by split, given files included.
    """
    usable = [name for name in features if table.columns[name].kind != "nested"]
    if not usable:
        return []
    inputs, whole = _hashes(table.frame, usable, [name for name in target if table.columns[name].kind != "nested"])
    found: list[Warned] = []
    again = len(table.rows) - pl.Series(whole[table.rows]).n_unique()
    if again:
        message = f"{again:,} of {len(table.rows):,} rows are copies of others."
        found.append(Warned(code="duplicate_rows", message=message))
    if splits is None:
        return found
    trained = pl.Series("hash", inputs[splits["train"]]).unique()
    seen = {
        name: int(pl.Series("hash", inputs[splits[name]]).is_in(trained.implode()).sum())
        for name in ("validation", "test")
    }
    if any(seen.values()):
        message = (
            f"{seen['validation']:,} validation and {seen['test']:,} test rows have the same inputs as a training row: "
            "their scores flatter."
        )
        found.append(Warned(code="duplicates_across_splits", message=message))
    return found


def _hashes(frame: pl.DataFrame, inputs: Sequence[str], target: Sequence[str]) -> tuple[Hashes, Hashes]:
    """(rows,) of every row's inputs, and of inputs and target; piece by piece, since hashing copies."""
    of_inputs, of_all = np.empty(frame.height, np.uint64), np.empty(frame.height, np.uint64)
    for start in range(0, frame.height, _HASHED_ROWS):
        piece = frame.slice(start, _HASHED_ROWS)
        hashed = piece.select(inputs).hash_rows(seed=0).alias("inputs")
        of_inputs[start : start + len(hashed)] = hashed.to_numpy()
        both = pl.DataFrame([hashed, *(piece[name].alias(f"target {place}") for place, name in enumerate(target))])
        of_all[start : start + len(hashed)] = both.hash_rows(seed=0).to_numpy()
    return of_inputs, of_all


def candidates(columns: Sequence[Column], count: int) -> list[str]:
    """Columns that may be the target, likeliest first: by name, then the last, then short categories."""
    usable = [
        column for column in columns if column.kind not in {"empty", "nested", "text", "date"} and column.distinct > 1
    ]
    named = [column.name for column in usable if _TARGET_NAME.match(column.name)]
    last = (
        [columns[-1].name] if columns and columns[-1] in usable and not _all_distinct_text(columns[-1], count) else []
    )
    short = [column.name for column in usable if column.kind in {"category", "boolean"} and column.distinct <= 20]
    return list(dict.fromkeys([*named, *last, *short]))[:5]


_TARGET_NAME = re.compile(
    r"^(target|label|labels|class|classes|y|outcome|response|result|survived|churn|churned|default|fraud|is_fraud|"
    r"diagnosis|species|quality|price|saleprice|sale_price|income|salary)$",
    re.I,
)


def _about(column: Column, count: int, locate: Callable[[int], str]) -> list[Warned]:
    name = quoted(column.name)
    found: list[Warned] = []
    if column.unread and column.first_unread is not None:
        row, cell = column.first_unread
        unread = counted(column.unread, "cell")
        message = f"Column {name}: {unread} cannot be read as a {column.kind}, taken as missing; first {locate(row)}: "
        message += quoted(cell, 40)
        found.append(Warned(code="mixed_types", message=message, column=_shown(column.name)))
    if column.infinite:
        message = f"Column {name}: {counted(column.infinite, 'infinite value')} taken as missing."
        found.append(Warned(code="infinite_values", message=message, column=_shown(column.name)))
    if column.kind == "category" and column.distinct > _MANY_LEVELS and column.distinct < count:
        message = f"Column {name} has {column.distinct:,} categories: it is embedded, rare ones count as one."
        found.append(Warned(code="high_cardinality", message=message, column=_shown(column.name)))
    return found


def _is_identifier(column: Column, values: pl.Series, count: int) -> bool:
    if count < _FEWEST_FOR_ID or column.missing or column.distinct != count:
        return False
    if column.kind == "category":
        return True
    if column.kind != "number" or not values.dtype.is_integer():
        return False
    smallest, largest = int(values.min() or 0), int(values.max() or 0)  # pyright: ignore[reportArgumentType]
    counting = smallest in {0, 1} and largest - smallest == count - 1
    return bool(_ID_NAME.fullmatch(column.name)) or (counting and values.is_sorted())


def _all_distinct_text(column: Column, count: int) -> bool:
    return column.kind == "category" and column.distinct >= count


def _tells_class(column: Column, cells: pl.Series, classes: np.ndarray[Any, Any]) -> bool:
    """Whether intervals of the column (or its categories) hold one class each, but for a few rows."""
    known = cells.is_not_null().to_numpy()
    if known.sum() < _FEWEST_FOR_LEAK or not known.mean() > 1 - _LEAK_ERRORS:
        return False
    classes = classes[known]
    if np.bincount(classes).max() >= (1 - 2 * _LEAK_ERRORS) * len(classes):
        return False
    cells = cells.drop_nulls()
    keys = cells.rank("dense").to_numpy().astype(np.int64) - 1
    groups = int(keys.max()) + 1
    kinds = int(classes.max()) + 1
    pairs, counts = np.unique(keys * kinds + classes, return_counts=True)
    best = np.zeros(groups, np.int64)
    np.maximum.at(best, pairs // kinds, counts)
    errors = len(classes) - int(best.sum())
    allowed = _LEAK_ERRORS * len(classes)
    if column.kind == "category":
        return errors <= allowed and groups * 5 <= len(classes)
    if errors > allowed:
        return False
    leading = np.zeros(groups, np.int64)
    order = np.argsort(counts, kind="stable")
    leading[pairs[order] // kinds] = pairs[order] % kinds
    runs = 1 + int(np.count_nonzero(np.diff(leading)))
    return errors + (runs - np.unique(classes).size) <= allowed


def _follows(column: Column, cells: pl.Series, values: np.ndarray[Any, Any]) -> bool:
    if column.kind != "number":
        return False
    known = cells.is_not_null().to_numpy()
    x, y = cells.drop_nulls().cast(pl.Float64).to_numpy(), values[known]
    if len(x) < _FEWEST_FOR_LEAK or x.std() == 0 or y.std() == 0:
        return False
    with np.errstate(all="ignore"):
        return bool(abs(np.corrcoef(x, y)[0, 1]) > _LEAK_CORRELATION)


def _shown(name: str) -> str:
    return quoted(name, 80)[1:-1]
