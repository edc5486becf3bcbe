"""The column that images are split by: one of their table, an array beside the pixels, or the top folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwell.data.table.columns import recognise
from trainwell.data.table.dividing import column_of_series

if TYPE_CHECKING:
    from trainwell.data.image.found import Found
    from trainwell.data.splits import Rows, SplitColumn


def columns_to_split_by(found: Found) -> list[str]:
    """What there is to split by; nothing but the classes for folders, nothing for arrays."""
    return [name for name in found.known.columns if name != found.image]


def read_split_column(found: Found, name: str, places: Rows) -> SplitColumn:
    """The column of the usable images."""
    return column_of_series(recognise(found.known[name].gather(places))[1])
