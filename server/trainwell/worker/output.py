"""Predictions on their way out: a few for the answer, all of them for a file."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData

SHOWN = 50
FORMATS = (".csv", ".jsonl", ".parquet")


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
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        if path.suffix == ".csv":
            frame.write_csv(temporary)
        elif path.suffix == ".jsonl":
            frame.write_ndjson(temporary)
        elif path.suffix == ".parquet":
            frame.write_parquet(temporary)
        else:
            raise TrainwellError(
                "unknown_format",
                "Predictions are not written in this format.",
                argument="output",
                got=path.name,
                allowed=list(FORMATS),
            )
        os.replace(temporary, path)  # noqa: PTH105 - Path.replace returns a path nobody needs
    finally:
        temporary.unlink(missing_ok=True)
