"""Predictions on their way out: a few for the answer, all of them for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.store.atomic import remove

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


def check_format(path: Path) -> None:
    """Refuse a file of another format than we write.

    Raises:
        TrainwellError: `unknown_format`.
    """
    if path.suffix not in FORMATS:
        raise TrainwellError(
            "unknown_format",
            "Predictions are not written in this format.",
            argument="output",
            got=path.name,
            allowed=list(FORMATS),
        )


class PredictionFile:
    """A file of predictions that grows part by part, without holding them.

    A row of the input is a line, with a column for each label's or class's probability; a forecast has a line for
    each step to come. Parquet cannot be appended to: its parts wait in a folder beside, and become one file at the end.
    """

    def __init__(self, path: Path, suffix: str) -> None:
        self._path, self._suffix = path, suffix
        self._parts = path.with_name(f"{path.name}-parts")
        self._count = 0

    def __enter__(self) -> PredictionFile:
        if self._suffix == ".parquet":
            self._parts.mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if error is None and self._suffix == ".parquet":
                self._join()
        finally:
            remove(self._parts)

    def add(self, found: Predicted, about: Sequence[Json] = ()) -> None:
        """Write the predictions of some rows behind the others."""
        import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

        columns: Json = {**_identities(about, found.per_row), **found.columns}
        flat: Json = {}
        for name, values in columns.items():
            flat |= _flat(name, values, lists=self._suffix != ".csv")
        frame = pl.DataFrame(flat)
        if self._suffix == ".parquet":
            frame.write_parquet(self._parts / f"{self._count:08}.parquet")
        else:
            with self._path.open("ab") as stream:
                if self._suffix == ".csv":
                    frame.write_csv(stream, include_header=not self._count)
                else:
                    frame.write_ndjson(stream)
        self._count += 1

    def _join(self) -> None:
        import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

        # A part without any prediction has a column of nulls of no type.
        parts = [pl.scan_parquet(part, glob=False) for part in sorted(self._parts.iterdir())]
        pl.concat(parts, how="vertical_relaxed").sink_parquet(self._path)


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
