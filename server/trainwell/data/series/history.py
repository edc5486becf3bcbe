"""Raw rows of recent history as the inputs of a forecast: one for each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.text import quoted
from trainwell.data.parts import Array, EncodedRows
from trainwell.data.series import span
from trainwell.data.series.clock import Clock, calendar
from trainwell.data.series.judged import PAST_STEPS
from trainwell.data.series.sheet import Sheet, make_sheet, matrix, width
from trainwell.data.series.table import Steps, order, read_again, refuse_duplicates
from trainwell.data.table.columns import Column
from trainwell.data.table.read import Table, read_table, rows_frame
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData
    from trainwell.data.source import Source

MOST_NAMED = 3


def encode(prepared: PreparedData, rows: list[Any] | None, source: Source | None) -> EncodedRows:
    """The window that ends with the last known target of each group, and what is known of the steps behind it.

    Raises:
        TrainwellError: `missing_column`, `history_too_short`, `missing_future`, `irregular_steps`,
            `duplicate_times`, or what reading raises.
    """
    table = _table(prepared, rows, source)
    if PAST_STEPS in table.frame.columns:
        return _judged(prepared, table)
    sheet, notes = _sheet(prepared, table)
    ends = _last_known(sheet, prepared.encoding["forecast"]["targets"])
    kept, short = _long_enough(sheet, prepared, ends)
    if not len(kept):
        window = prepared.encoding["forecast"]["window"]
        raise TrainwellError(
            "history_too_short", "No series has enough past to forecast from.",
            argument="source" if rows is None else "rows", allowed=f"at least {window} steps with known targets",
            hint="Give the rows before these, too, one for each step.",
        )  # fmt: skip
    if short:
        shown = ", ".join(quoted(name, 40) for name in short[:MOST_NAMED])
        notes.append(f"{counted(len(short), 'group')} left out for want of past: {shown}.")
    inputs = _inputs(sheet, prepared, kept)
    about = [_about(sheet, prepared, int(end)) for end in kept]
    return EncodedRows(inputs, None, len(kept), sheet.steps.rows[sheet.grid.place[kept]], notes, about)


def _table(prepared: PreparedData, rows: list[Any] | None, source: Source | None) -> Table:
    if rows is None:
        if source is None:
            raise TrainwellError("missing_argument", "There are no rows to encode.", argument="rows")
        return read_table(source)
    if not rows:
        raise TrainwellError("too_few_rows", "rows is empty.", argument="rows", allowed="at least one row")
    first: Any = rows[0]
    names = list(prepared.encoding["readings"]) if isinstance(first, list | tuple) else None
    frame = rows_frame(rows, names)
    return Table(frame, frame.height)


def _sheet(prepared: PreparedData, table: Table) -> tuple[Sheet, list[str]]:
    """The table on the grid of the clock that was fitted."""
    sizes, readings = prepared.encoding["forecast"], prepared.encoding["readings"]
    missing = [name for name in readings if name not in table.frame.columns]
    if missing:
        raise TrainwellError(
            "missing_column", f"Missing {counted(len(missing), 'column')}: {', '.join(map(quoted, missing[:5]))}.",
            argument="rows", got=[name[:80] for name in table.frame.columns[:20]],
            allowed=[name[:80] for name in readings], hint=did_you_mean(missing[0], table.frame.columns),
        )  # fmt: skip
    frame, notes = read_again(table, readings)
    columns = {name: Column(name, reading["kind"], reading) for name, reading in readings.items()}
    steps = refuse_duplicates(order(frame, columns, sizes["time"], sizes["group"]), sizes["group"], [])
    notes = [*table.notes, *notes, *(warned.message for warned in steps.warnings)]
    names = [channel["name"] for channel in prepared.encoding["channels"]]
    return make_sheet(steps, names, Clock(**prepared.encoding["clock"])), notes


def _last_known(sheet: Sheet, targets: list[str]) -> Array:
    """(G,) the last step of each group with a known target; -1 where there is none."""
    known = np.logical_or.reduce([sheet.given[name] for name in targets])
    latest = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    ends = latest[sheet.grid.starts[1:] - 1]
    return np.where(ends >= sheet.grid.starts[:-1], ends, -1)


def _long_enough(sheet: Sheet, prepared: PreparedData, ends: Array) -> tuple[Array, list[str]]:
    """Ends of the groups with a whole window of past, and the names of the others."""
    window, targets = prepared.encoding["forecast"]["window"], prepared.encoding["forecast"]["targets"]
    filled = np.logical_and.reduce([~np.isnan(sheet.values[name]) for name in targets])
    begins = ends - window + 1
    able: Array = (ends >= 0) & (begins >= sheet.grid.starts[:-1]) & filled[np.maximum(begins, 0)]
    return ends[able], [_group_name(sheet, int(number)) for number in np.flatnonzero(~able)]


def _inputs(sheet: Sheet, prepared: PreparedData, ends: Array) -> tuple[Array, ...]:
    encoding = prepared.encoding
    sizes, channels = encoding["forecast"], encoding["channels"]
    whole = matrix(sheet, channels, encoding["cycles"])
    past = whole[ends[:, None] + span(1 - sizes["window"], 1)]
    if len(prepared.inputs) == 1:
        return (past,)
    ahead = span(1, sizes["horizon"] + 1)
    _require_future(sheet, prepared, ends)
    first, known = width(channels, "target", "past"), width(channels, "future")
    places = np.minimum(ends[:, None] + ahead, len(whole) - 1)
    dates = [calendar(sheet.grid.clock, sheet.grid.ticks[end] + ahead, encoding["cycles"]) for end in ends]
    future = np.concatenate([whole[places, first : first + known], np.stack(dates)], axis=2)
    return past, future.astype(np.float32)


def _require_future(sheet: Sheet, prepared: PreparedData, ends: Array) -> None:
    sizes = prepared.encoding["forecast"]
    names, horizon = sizes["known_future"], sizes["horizon"]
    if not names:
        return
    given = np.r_[sheet.known(names), np.zeros(horizon, bool)]
    group = np.searchsorted(sheet.grid.starts, ends, side="right") - 1
    left = sheet.grid.starts[group + 1] - 1 - ends
    found = np.array(
        [int(given[end + 1 : end + 1 + min(horizon, rest)].sum()) for end, rest in zip(ends, left, strict=True)]
    )
    short = np.flatnonzero(found < horizon)
    if len(short):
        whose = f" for {quoted(_group_name(sheet, int(group[short[0]])))}" if sheet.steps.names else ""
        raise TrainwellError(
            "missing_future",
            f"Known-future values are given for {found[short[0]]} of {horizon} steps{whose}.",
            argument="rows", allowed=f"{horizon} rows behind the last known target: {', '.join(map(quoted, names))}",
            hint="Append a row for each step to forecast: its time, its known-future values, and null as the target.",
        )  # fmt: skip


def _about(sheet: Sheet, prepared: PreparedData, end: int) -> dict[str, Any]:
    """Whose forecast it is, and for which times."""
    ahead = span(1, prepared.encoding["forecast"]["horizon"] + 1)
    clock = sheet.grid.clock
    ticks: Array = ahead if clock.unit == "order" else sheet.grid.ticks[end] + ahead
    group = int(np.searchsorted(sheet.grid.starts, end, side="right")) - 1
    named = {"group": _group_name(sheet, group)} if sheet.steps.names else {}
    return {**named, "times": clock.labels(ticks)}


def _group_name(sheet: Sheet, number: int) -> str:
    return sheet.steps.names[int(sheet.grid.groups[number])] if sheet.steps.names else "the series"


def _judged(prepared: PreparedData, table: Table) -> EncodedRows:
    """Windows that other data kept for judging: each a group of its own, with a known target.

    Raises:
        TrainwellError: `missing_column`, `wrong_shape`.
    """
    sizes = prepared.encoding["forecast"]
    frame, clock = table.frame, Clock(**prepared.encoding["clock"])
    past, count = int(frame[PAST_STEPS][0]), frame.height
    listed = [name for name in frame.columns if frame[name].dtype.is_nested()]
    missing = [channel["name"] for channel in prepared.encoding["channels"] if channel["name"] not in listed]
    steps = int(frame[listed[0]].list.len()[0])
    if missing or past < sizes["window"] or steps - past < sizes["horizon"]:
        raise TrainwellError(
            "wrong_shape" if not missing else "missing_column",
            f"The data to judge by has windows of {past} and {steps - past} steps of {len(listed)} columns.",
            argument="data", got=missing or [past, steps - past], allowed=[sizes["window"], sizes["horizon"]],
            hint="Prepare it with the same columns, window and horizon.",
        )  # fmt: skip
    times = np.tile(np.arange(steps), count)
    dates = clock.unit not in {"order", "number"}
    if clock.unit != "order":
        first = frame[sizes["time"]].to_physical().to_numpy()
        ticks = clock.ticks(first)[:, None] + np.arange(-past, steps - past)
        times = clock.times(ticks.ravel())
    values = pl.DataFrame([frame[name].explode() for name in listed])
    readings = prepared.encoding["readings"]
    columns = {name: Column(name, readings[name]["kind"], readings[name]) for name in listed if name in readings}
    numbers = np.repeat(np.arange(count), steps)
    laid = Steps(values, columns, numbers, [], times, np.arange(count * steps), dates)
    sheet = make_sheet(laid, [channel["name"] for channel in prepared.encoding["channels"]], clock)
    ends = sheet.grid.starts[:-1] + past - 1
    whole = matrix(sheet, prepared.encoding["channels"], prepared.encoding["cycles"])
    ahead = ends[:, None] + span(1, sizes["horizon"] + 1)
    target = whole[ahead, : len(sizes["targets"])]
    return EncodedRows(_inputs(sheet, prepared, ends), target, count, np.arange(count))
