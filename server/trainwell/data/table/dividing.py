"""Tables that are split together: the column to split by, and given files beside the main one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trainwell.data.splits import SplitColumn

if TYPE_CHECKING:
    from trainwell.data.splits import Rows


def column_of_series(values: pl.Series) -> SplitColumn:
    """A column of a frame as the column to split by.

    Args:
        values: As `columns.recognise` returned it: numbers, dates, booleans or text with nulls.
    """
    kind = values.dtype
    time = isinstance(kind, pl.Date | pl.Datetime)
    ranks: Rows = values.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
    return SplitColumn(
        values.name, np.ascontiguousarray(ranks), time, time or kind.is_numeric(), lambda row: _shown(values[row])
    )


def _shown(value: object) -> str:
    text = str(value)
    return text.removesuffix(" 00:00:00")[:40]
