"""Predictions on their way out: a few for the answer, all of them for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.store.atomic import place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainwell.evaluation.tasks import Predicted

Json = dict[str, Any]

SHOWN = 50
# Numbers and labels in an answer; long rows are shown in smaller number.
MOST_SHOWN = 400
# Values of a row that get a column each in a file; more of them share one column of lists.
MOST_COLUMNS = 512
FORMATS = (".csv", ".jsonl", ".parquet")


def preview(found: Predicted, about: Sequence[Json] = ()) -> Json:
    """The first predictions, for an answer; None where the network's output is not finite.

    Args:
        found: What was predicted.
        about: What each row is, where there is something to say (see `EncodedRows.about`).
    """
    first = next((one for one in found.predictions if one is not None), None)
    count = min(SHOWN, max(1, MOST_SHOWN // _size(first)))
    predictions = found.predictions[:count]
    if isinstance(first, dict):  # a forecast: what it is of stands beside its values
        known: list[Json] = [*about[:count]] or [{} for _ in predictions]
        predictions = [{**one, "values": values} for one, values in zip(known, predictions, strict=True)]
    shown: Json = {"predictions": predictions}
    if found.confidence is not None:
        shown["confidence"] = found.confidence[:count]
    return shown


def _size(prediction: Any) -> int:
    """How many numbers or words a prediction holds."""
    if isinstance(prediction, dict):
        return sum(map(_size, cast("Json", prediction).values()))
    return max(1, len(cast("list[Any]", prediction))) if isinstance(prediction, list) else 1


def write_predictions(path: Path, found: Predicted, about: Sequence[Json] = ()) -> None:
    """Write all predictions in the order of the input; whole or not at all.

    A row of the input is a line, with a column for each label's or class's probability; a forecast has a line for
    each step to come.

    Raises:
        TrainwellError: `unknown_format`.
    """
    import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

    if path.suffix not in FORMATS:
        raise TrainwellError(
            "unknown_format",
            "Predictions are not written in this format.",
            argument="output",
            got=path.name,
            allowed=list(FORMATS),
        )
    columns: Json = {**_identities(about, found.per_row), **found.columns}
    flat: Json = {}
    for name, values in columns.items():
        flat |= _flat(name, values, lists=path.suffix != ".csv")
    frame = pl.DataFrame(flat)
    writers = {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}
    place(path, writers[path.suffix])


def _identities(about: Sequence[Json], per_row: int) -> Json:
    """Columns that say what each line is: the group and the time of a forecast's step, the name of a series."""
    columns: Json = {}
    for name in dict.fromkeys(key for one in about for key in one):
        if name == "times":
            columns["time"] = [time for one in about for time in one.get(name) or [None] * per_row]
        else:
            columns[name] = [one.get(name) for one in about for _ in range(per_row)]
    return columns


def _flat(name: str, values: Any, *, lists: bool) -> Json:
    """A column as the format takes it: several values a row become several columns, or one of lists if too many."""
    width = cast("NDArray[Any]", values).shape[1] if isinstance(values, np.ndarray) and values.ndim > 1 else None
    if width is None:
        return {name: values}
    if width <= MOST_COLUMNS or not lists:
        return {f"{name}_{number + 1}": values[:, number] for number in range(width)}
    return {name: values.tolist()}
