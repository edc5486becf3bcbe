"""Series: whole ones with a class or a value each, and tables of past values from which the next are forecast.

A forecast takes `past` (window, channels), whose first channels are the targets' own past, and, where anything is known
of the time to come, `future` (horizon, channels). Whole series give one input `x` (steps, channels) and their `length`
where they differ in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.data.series import forecasting, history, look, report, whole
from trainwell.data.series.options import Config

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import Draft, EncodedRows, Request
    from trainwell.data.source import Source

__all__ = ["KIND", "Config", "encode", "inspect", "prepare", "recognise"]
KIND = "series"
TASKS = frozenset({"classification", "regression", "forecasting"})


def recognise(source: Source) -> int:
    """2 for arrays of steps and for tables whose cells are lists of numbers, 1 for other tables and arrays."""
    return look.recognise(source)


def inspect(source: Source, target: str | None) -> dict[str, Any]:
    """What the series are, for an agent; see `data.inspect`."""
    if look.holds_series(source):
        return report.of_whole(whole.read(source, target, Config()), source, target)
    return report.of_table(source, target)


def prepare(source: Source, request: Request, folder: Path) -> Draft:
    """Split, fit on the training part and write the arrays; see `Draft`.

    Raises:
        TrainwellError: what was wrong with the file, the columns, the times or the target.
    """
    config = request.config
    assert isinstance(config, Config)  # noqa: S101 - the front door makes it from this module's Config
    if request.task == "forecasting" or (request.task == "auto" and _forecasts(source, request, config)):
        return forecasting.prepare(source, request, config, folder)
    return whole.prepare(source, request, config, folder)


def encode(
    prepared: PreparedData,
    rows: list[Any] | None,
    source: Source | None,
    *,
    strict: bool,  # noqa: ARG001
) -> EncodedRows:
    """Raw rows as network inputs: recent history for a forecast, or series as they were trained on.

    Raises:
        TrainwellError: see `history.encode` and `whole.encode`.
    """
    encode_one = history.encode if prepared.task == "forecasting" else whole.encode
    return encode_one(prepared, rows, source)


def _forecasts(source: Source, request: Request, config: Config) -> bool:
    """Whether a forecast is meant where nobody said so: steps to forecast, or a table of steps without whole series."""
    asked = config.horizon is not None or bool(config.known_future) or bool(request.targets)
    return asked or not (config.series is not None or config.window is not None or look.holds_series(source))


def evident(source: Source) -> bool:
    """Whether a table is plainly a time series, so that inspecting it shows it as one."""
    return look.is_time_series(source)
