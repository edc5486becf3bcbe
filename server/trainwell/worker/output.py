"""Predictions on their way out: a few for the answer, all of them for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError
from trainwell.store.atomic import place

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData

SHOWN = 50


def preview(found: dict[str, Any]) -> dict[str, Any]:
    """The first predictions, for an answer; None where the network's output is not finite."""
    shown: dict[str, Any] = {"predictions": found["predictions"][:SHOWN]}
    if "probabilities" in found:
        shown["confidence"] = [round(float(row.max()), 4) for row in found["probabilities"][:SHOWN]]
    return shown


def write_predictions(path: Path, prepared: PreparedData, found: dict[str, Any]) -> None:
    """Write all predictions, one row each, in the order of the input; whole or not at all."""
    import polars as pl  # noqa: PLC0415 - it starts threads, which the preloaded process must not have

    columns = {"prediction": found["predictions"]}
    if "probabilities" in found:
        for number, name in enumerate(prepared.classes):
            columns[f"probability_{name}"] = found["probabilities"][:, number]
    frame = pl.DataFrame(columns)
    writers = {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}
    if path.suffix not in writers:
        raise TrainwellError(
            "unknown_format",
            "Predictions are not written in this format.",
            argument="output",
            got=path.name,
            allowed=list(writers),
        )
    place(path, writers[path.suffix])
