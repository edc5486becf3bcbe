"""Inline rows of texts: objects with the text column, lists, or plain strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import polars as pl

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence


def frame_of_rows(rows: Sequence[Any], text: str, columns: Sequence[str]) -> pl.DataFrame:
    """Rows as a frame with the text column, and with all others that the rows hold.

    Args:
        rows: Each a string, a list of the text alone or of all columns, or an object.
        text: Name of the text column.
        columns: The columns of the source that was trained on, which a full list means.

    Raises:
        TrainwellError: `bad_row`, `bad_value`, `missing_column`.
    """
    found = [_as_object(row, number, text, columns) for number, row in enumerate(rows)]
    names = dict.fromkeys([text, *(name for row in found for name in row if name in columns)])
    cells = {name: [_as_cell(row.get(name), number, name) for number, row in enumerate(found)] for name in names}
    return pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String))


def _as_object(row: Any, number: int, text: str, columns: Sequence[str]) -> dict[str, Any]:
    place = f"rows/{number}"
    if isinstance(row, str):
        return {text: row}
    if isinstance(row, list | tuple):
        values = list(cast("Sequence[Any]", row))
        if len(values) == 1:
            return {text: _text(values[0], f"{place}/0")}
        if len(values) == len(columns):
            return dict(zip(columns, values, strict=True))
    elif isinstance(row, dict):
        found = cast("dict[str, Any]", row)
        if text not in found:
            raise TrainwellError(
                "missing_column", f"Row {number} has no {quoted(text, 40)}.", argument=place,
                got=[str(name)[:80] for name in list(found)[:20]], allowed=text,
                hint=did_you_mean(text, [str(name) for name in found]),
            )  # fmt: skip
        return {**found, text: _text(found[text], f"{place}/{text}")}
    raise TrainwellError(
        "bad_row", f"Row {number} is no text.", argument=place, got=row,
        allowed=f'{{"{text}": "..."}}, ["..."] or "..."',
    )  # fmt: skip


def _text(value: Any, place: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TrainwellError("bad_value", "This is not a text.", argument=place, got=value, allowed="a string")


def _as_cell(value: Any, number: int, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict | list | tuple):
        raise TrainwellError(
            "bad_value", "A cell holds a list or an object.", argument=f"rows/{number}/{name}", got=value,
            allowed="a number, text, true, false or null",
        )  # fmt: skip
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
