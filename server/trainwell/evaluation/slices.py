"""The score broken down by a column of the raw data, and raw values of single rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import plain, rounded
from trainwell.evaluation.numbers import short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from trainwell.evaluation.metrics import Bools, Floats, Ints
    from trainwell.evaluation.tasks import Slicing

MOST_GROUPS = 10
MOST_NAMES = 20
MOST_RAW_COLUMNS = 6
LONGEST_VALUE = 40


def check_slices(raw: Path | None, columns: Sequence[str], rows: int) -> None:
    """Refuse columns that cannot be broken down by, before anything is computed.

    Args:
        raw: The Parquet file with the raw columns of the split's rows.
        columns: The columns asked for.
        rows: How many rows the split has.

    Raises:
        TrainwellError: `no_raw_columns`, `missing_column` or `data_damaged`.
    """
    if not columns:
        return
    if raw is None or not raw.is_file():
        raise TrainwellError(
            "no_raw_columns",
            "This data has no raw columns to break the score down by.",
            argument="slices",
            got=list(columns),
            hint="Leave slices out.",
        )
    import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

    table = pl.scan_parquet(raw)
    known = table.collect_schema().names()
    for index, column in enumerate(columns):
        if column not in known:
            raise TrainwellError(
                "missing_column",
                "The data has no column of this name.",
                argument=f"slices/{index}",
                got=column,
                allowed=[plain(name) for name in known[:MOST_NAMES]],
                hint=did_you_mean(column, known),
            )
    held = table.select(pl.len()).collect().item()
    if held != rows:
        message = f"The raw columns have {held} rows, the prepared split has {rows}."
        raise TrainwellError("data_damaged", message, argument="data", hint="Prepare the data again.")


def slice_scores(slicing: Slicing, places: Ints, raw: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The task's score for each value or range of a column; the worst group first.

    Args:
        slicing: How some of the rows are scored.
        places: (B,) places in the split of the rows that were scored.
        raw: The Parquet file with the raw columns of the split's rows.
        columns: Those to break the score down by.

    Returns: `{"column", "metric", "groups": [{"value", "rows", <metric>, "low", "high", "differs"}]}` for each column.
        `differs` is "worse" or "better" where the 95 % interval of the group excludes the score of all rows.
    """
    import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

    overall, _ = slicing.measure(np.ones(len(places), dtype=bool))
    told: list[dict[str, Any]] = []
    for column in columns:
        values = pl.scan_parquet(raw).select(column).collect().to_series().gather(places)
        groups = [_group(label, inside, slicing, overall) for label, inside in _groups(values)]
        groups.sort(key=lambda group: _badness(group[slicing.metric], slicing), reverse=True)
        told.append({"column": plain(column), "metric": slicing.metric, "groups": groups})
    return told


def raw_values(raw: Path | None, place: int, *, without: str) -> dict[str, Any] | None:
    """The first raw columns of one row of the split but one (its target), cut and safe; None where there are none."""
    if raw is None or not raw.is_file():
        return None
    import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

    table = pl.scan_parquet(raw)
    names = [name for name in table.collect_schema().names() if name != without][:MOST_RAW_COLUMNS]
    rows = table.select(names).slice(place, 1).collect().to_dicts()
    return {plain(name): _value(value) for name, value in rows[0].items()} if rows else None


def _value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return plain(str(value), LONGEST_VALUE)


def _groups(values: pl.Series) -> list[tuple[str, Bools]]:
    import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

    if values.dtype.is_numeric() and values.n_unique() > MOST_GROUPS:
        return _ranges(values.cast(pl.Float64).to_numpy())
    words = values.cast(pl.String, strict=False) if not values.dtype.is_nested() else _written(values)
    missing = words.is_null().to_numpy()
    counted = words.drop_nulls().value_counts(sort=True, name="rows")
    common: list[str] = counted.to_series(0).head(MOST_GROUPS).to_list()
    groups = [(plain(word, LONGEST_VALUE), (words == word).fill_null(value=False).to_numpy()) for word in common]
    rare = ~missing & ~words.is_in(common).fill_null(value=False).to_numpy()
    return [*groups, *_if_any(f"({len(counted) - len(common)} other values)", rare), *_if_any("(missing)", missing)]


def _written(values: pl.Series) -> pl.Series:
    import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

    return pl.Series([None if value is None else str(value) for value in values.to_list()], dtype=pl.String)


def _ranges(numbers: Floats) -> list[tuple[str, Bools]]:
    """Quarters of the rows by value."""
    missing = np.isnan(numbers)
    known = numbers[~missing]
    edges: list[float] = np.unique(np.quantile(known, (0.25, 0.5, 0.75), method="lower")).tolist() if len(known) else []
    quarter: Ints = np.searchsorted(np.array(edges), numbers, side="left")
    groups: list[tuple[str, Bools]] = []
    for index in range(len(edges) + 1):
        above = f"> {rounded(edges[index - 1])}" if index else ""
        below = f"<= {rounded(edges[index])}" if index < len(edges) else ""
        groups += _if_any(" and ".join(filter(None, (above, below))) or "(all)", ~missing & (quarter == index))
    return [*groups, *_if_any("(missing)", missing)]


def _if_any(label: str, inside: Bools) -> list[tuple[str, Bools]]:
    return [(label, inside)] if inside.any() else []


def _group(label: str, inside: Bools, slicing: Slicing, overall: float | None) -> dict[str, Any]:
    value, interval = slicing.measure(inside)
    differs: str | None = None
    if overall is not None and interval is not None and not interval.low <= overall <= interval.high:
        differs = "better" if (interval.low > overall) == slicing.higher_is_better else "worse"
    return {
        "value": label,
        "rows": int(inside.sum()),
        slicing.metric: short(value),
        "low": short(interval.low) if interval else None,
        "high": short(interval.high) if interval else None,
        "differs": differs,
    }


def _badness(value: float | None, slicing: Slicing) -> float:
    if value is None:
        return float("inf")
    return -value if slicing.higher_is_better else value
