"""Forecasts from a table: windows of the past, what is known of the future, and the values to come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TargetColumn, TensorSpec, Warned
from trainwell.contract.text import quoted
from trainwell.data.files import save_split, write_rows
from trainwell.data.memory import check_disk, check_memory
from trainwell.data.parts import Array, Draft
from trainwell.data.series import span
from trainwell.data.series.clock import cycles, season_candidates
from trainwell.data.series.judged import save_windows
from trainwell.data.series.naive import naive_baseline, repeat_season, told
from trainwell.data.series.season import find_season
from trainwell.data.series.sheet import Sheet, fit_channel, make_sheet, matrix, width
from trainwell.data.series.table import USABLE, order, recognise_all, refuse_duplicates
from trainwell.data.series.windows import cut_times, origins, require_windows
from trainwell.data.table.names import require
from trainwell.data.table.read import read_table
from trainwell.data.table.suspicions import useless
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainwell.data.parts import Request
    from trainwell.data.series.options import Config
    from trainwell.data.source import Source
    from trainwell.data.table.columns import Column

PAST, FUTURE = "past", "future"
# Without being asked, a window is at most so long: recurrent networks forget, and take their time.
LONGEST_WINDOW, SHORTEST_WINDOW = 400, 16
# Without being asked, so many steps are forecast: one season, if it is short enough to be of use.
LONGEST_HORIZON, HORIZON = 48, 12
# Windows together hold at most so many numbers; beyond, not every step begins one.
MOST_NUMBERS = 64_000_000
_TINY_VALIDATION = 50


@dataclass(frozen=True)
class Named:
    """The columns by their parts."""

    targets: list[str]
    time: str | None
    group: str | None
    past: list[str]
    future: list[str]

    @property
    def all(self) -> list[str]:
        """Columns whose values are used."""
        return [*self.targets, *self.past, *self.future]


@dataclass(frozen=True)
class Cut:
    """How windows are cut."""

    window: int
    horizon: int
    stride: int
    season: int
    naive_season: int


def prepare(source: Source, request: Request, config: Config, folder: Path) -> Draft:
    """Cut windows by time, fit on the training time and write the arrays.

    Raises:
        TrainwellError: what was wrong with the file, the columns, the times or the lengths.
    """
    refuse_other_splits(request)
    table = read_table(source)
    frame, columns = recognise_all(table)
    found: list[Warned] = []
    notes = list(table.notes)
    named = name_columns(columns, frame.columns, request, config, notes)
    steps = order(frame, columns, named.time, named.group)
    likely = [] if named.group else group_candidates(columns, frame.height)
    steps = refuse_duplicates(steps, named.group, likely)
    found += steps.warnings
    sheet = make_sheet(steps, named.all)
    found += sheet_warnings(sheet, named)
    cuts = cut_times(steps.times, request.validation_fraction, request.test_fraction)
    train = sheet.grid.times < cuts[0]
    channels = _fit(sheet, named, train, found)
    cut = settle(sheet, named, config, cuts, notes, width(channels, "target", "past", "future"))
    parts = origins(
        sheet.grid, sheet.known(named.targets), cuts, window=cut.window, horizon=cut.horizon, stride=cut.stride
    )
    require_windows(parts, cut.window, cut.horizon)
    if len(parts["validation"]) < _TINY_VALIDATION:
        message = f"Validation has {counted(len(parts['validation']), 'window')}: its scores are noisy."
        found.append(Warned(code="tiny_validation_set", message=message))
    rounds = _cycles(sheet, train)
    notes += _told(cut, sheet, rounds)
    encoding = _encoding(sheet, named, cut, channels, rounds, cuts)
    inputs = _write(folder, sheet, encoding, parts)
    save_windows(folder, sheet, named, cut, parts)
    target_columns = tuple(TargetColumn(**{key: channel[key] for key in ("name", "mean", "std")})
                           for channel in channels[: len(named.targets)])  # fmt: skip
    return Draft(
        task="forecasting",
        inputs=inputs,
        target=", ".join(named.targets),
        classes=(),
        class_counts=(),
        target_mean=0.0,
        target_std=1.0,
        target_shape=(cut.horizon, len(named.targets)),
        target_columns=target_columns,
        splits={split: len(places) for split, places in parts.items()},
        baseline=_baseline(folder, encoding["naive"], cut, len(named.targets)),
        encoding=encoding,
        warnings=tuple(found),
        notes=tuple(notes),
    )


def refuse_other_splits(request: Request) -> None:
    """Forecasts are split by time, and by nothing else.

    Raises:
        TrainwellError: `split_does_not_fit`.
    """
    if request.split not in {"auto", "time"} or request.given:
        raise TrainwellError(
            "split_does_not_fit", "Forecasts are split by time: another split would look into the future.",
            argument="split" if not request.given else f"{next(iter(request.given))}_source",
            got=request.split, allowed=["auto", "time"], hint="Leave it out.",
        )  # fmt: skip


def name_columns(
    columns: dict[str, Column], known: Sequence[str], request: Request, config: Config, notes: list[str]
) -> Named:
    """Tell the columns' parts from what was asked and what they are.

    Raises:
        TrainwellError: `missing_column`, `missing_target`, `target_not_numeric`, `column_twice`.
    """
    targets = list(request.targets or filter(None, [request.target]))
    time = config.time or request.split_by or guess_time(columns)
    if config.time is None and time is not None and request.split_by is None:
        notes.append(f"Column {quoted(time)} is taken as the time.")
    asked = {
        "targets" if request.targets else "target": targets, "options/time": filter(None, [time]),
        "options/group": filter(None, [config.group]), "options/known_future": config.known_future,
        "columns": config.columns or (), "drop_columns": config.drop_columns,
    }  # fmt: skip
    for argument, names in asked.items():
        require(names, known, argument)
    if not targets:
        raise TrainwellError(
            "missing_target", "Say which column to forecast.", argument="target",
            allowed=[name[:80] for name, column in columns.items() if column.kind == "number" and name != time][:20],
        )  # fmt: skip
    for name in targets:
        if columns[name].kind not in {"number", "boolean"}:
            raise TrainwellError(
                "target_not_numeric", f"Column {quoted(name)} holds a {columns[name].kind}; numbers can be forecast.",
                argument="targets" if request.targets else "target", got=name,
            )  # fmt: skip
    parts = [*targets, *config.known_future, *filter(None, [time, config.group])]
    twice = next((name for name in parts if parts.count(name) > 1), None)
    if twice is not None:
        raise TrainwellError(
            "column_twice", "A column plays two parts.", argument="options/known_future", got=twice,
            hint="A target is not known for the future; time and group are parts of their own.",
        )  # fmt: skip
    chosen = config.columns if config.columns is not None else known
    past = [name for name in chosen if name not in parts and name not in config.drop_columns]
    return Named(targets, time, config.group, past, list(config.known_future))


def guess_time(columns: dict[str, Column]) -> str | None:
    """The only column of dates, if there is one."""
    dates = [name for name, column in columns.items() if column.kind == "date"]
    return dates[0] if len(dates) == 1 else None


def group_candidates(columns: dict[str, Column], count: int) -> list[str]:
    """Columns that may tell several series apart."""
    return [
        name for name, column in columns.items()
        if column.kind in {"category", "number", "boolean"} and 2 <= column.distinct <= max(2, count // 10)
    ]  # fmt: skip


def sheet_warnings(sheet: Sheet, named: Named) -> list[Warned]:
    """Gaps, irregular steps, missing targets."""
    found: list[Warned] = []
    if not sheet.grid.regular:
        message = "The times have no regular step: rows are taken as steps in their order."
        found.append(Warned(code="irregular_steps", message=message))
    if sheet.grid.gaps:
        message = f"{counted(sheet.grid.gaps, 'step')} of {len(sheet.grid.place):,} have no row: filled from before, "
        found.append(Warned(code="time_gaps", message=f"{message}and never asked for as a target."))
    for name in named.all:
        missing = int((~sheet.given[name] & (sheet.grid.place >= 0)).sum())
        if missing:
            message = f"Column {quoted(name)}: {counted(missing, 'value')} missing, filled from before."
            found.append(Warned(code="missing_values", message=message, column=quoted(name, 80)[1:-1]))
    return found


def settle(
    sheet: Sheet, named: Named, config: Config, cuts: tuple[float, float], notes: list[str], numbers: int
) -> Cut:
    """Window, horizon, stride and season where they were left open."""
    grid = sheet.grid
    spans = list(zip(grid.starts[:-1], grid.starts[1:], strict=True))
    training = max((int((grid.times[start:end] < cuts[0]).sum()) for start, end in spans), default=0)
    judged = max(int(((grid.times[a:b] >= cuts[0]) & (grid.times[a:b] < cuts[1])).sum()) for a, b in spans)
    season = config.season or _season(sheet, named, cuts, config.window or LONGEST_WINDOW)
    usual = season if 1 < season <= LONGEST_HORIZON else HORIZON if season == 1 else LONGEST_HORIZON // 2
    horizon = config.horizon or max(1, min(usual, int(0.6 * judged)))
    wanted = max(2 * season if 2 * season <= LONGEST_WINDOW else season, 2 * horizon, SHORTEST_WINDOW)
    window = config.window or max(1, min(wanted, max(training // 3, min(season, training // 2))))
    stride = config.stride or max(1, -(-len(grid.ticks) * window * numbers // MOST_NUMBERS))
    if config.stride is None and stride > 1:
        notes.append(f"stride {stride}: a window at every step would hold more than {MOST_NUMBERS:,} numbers.")
    cut = Cut(window, horizon, stride, season, season if season <= window else 1)
    if season > window:
        notes.append(f"The season of {season} steps is longer than the window: the naive forecast is the last value.")
    elif season > 1 and config.season is None:
        cut = _better_naive(sheet, named, cuts, cut)
    return cut


def _season(sheet: Sheet, named: Named, cuts: tuple[float, float], longest: int) -> int:
    candidates = [season for season in season_candidates(sheet.grid.clock) if season <= longest]
    stretches: list[Array] = []
    grid, values = sheet.grid, sheet.values[named.targets[0]]
    for start, end in zip(grid.starts[:-1], grid.starts[1:], strict=True):
        inside = values[start:end][grid.times[start:end] < cuts[0]]
        stretches.append(inside[~np.isnan(inside)])
    return find_season(stretches, candidates, longest)


def _better_naive(sheet: Sheet, named: Named, cuts: tuple[float, float], cut: Cut) -> Cut:
    """The naive forecast of the season, or of the last value where that errs less on the training windows."""
    sized = {"window": cut.window, "horizon": cut.horizon, "stride": max(cut.stride, cut.horizon // 2, 1)}
    places = origins(sheet.grid, sheet.known(named.targets), cuts, **sized)["train"]
    if not len(places):
        return cut
    values = np.column_stack([sheet.values[name] for name in named.targets])
    past = values[places[:, None] + np.arange(-cut.window, 0)]
    true = values[places[:, None] + np.arange(cut.horizon)]
    spread: Array = np.nanstd(true, axis=(0, 1)) + 1e-12
    errors = {
        season: float(np.nanmean(np.abs(repeat_season(past, cut.horizon, season) - true) / spread))
        for season in (cut.season, 1)
    }
    return replace(cut, naive_season=min(errors, key=lambda season: errors[season]))


def _fit(sheet: Sheet, named: Named, train: Array, found: list[Warned]) -> list[dict[str, Any]]:
    """The channels: targets, past, future; what does not vary or cannot be used is left out with a warning."""
    channels: list[dict[str, Any]] = []
    for part, names in (("target", named.targets), ("past", named.past), ("future", named.future)):
        for name in names:
            channel = _channel(sheet, name, train, part, found)
            if channel is not None:
                channels.append(channel)
            elif part == "target":
                raise TrainwellError(
                    "constant_target", "The target does not vary in the training time.", argument="target", got=name
                )
    return channels


def _channel(sheet: Sheet, name: str, train: Array, part: str, found: list[Warned]) -> dict[str, Any] | None:
    column = sheet.steps.columns[name]
    shown = quoted(name, 80)[1:-1]
    if column.kind not in USABLE:
        message = f"Column {quoted(name)} holds a {column.kind} and is left out."
        found.append(Warned(code=f"{column.kind}_column", message=message, column=shown))
        return None
    warned = useless(column, sheet.steps.frame[name], sheet.steps.frame.height) if part == "past" else None
    channel = None if warned else fit_channel(sheet, name, train, part)
    if channel is None and part != "target":
        message = f"Column {quoted(name)} does not vary in the training time and is left out."
        found.append(warned or Warned(code="constant_column", message=message, column=shown))
    return channel


def _cycles(sheet: Sheet, train: Array) -> list[str]:
    ticks = sheet.grid.ticks[train]
    return cycles(sheet.grid.clock, int(ticks.min()), int(ticks.max())) if len(ticks) else []


def _encoding(
    sheet: Sheet, named: Named, cut: Cut, channels: list[dict[str, Any]], rounds: list[str], cuts: tuple[float, float]
) -> dict[str, Any]:
    used = [channel["name"] for channel in channels]
    columns = sheet.steps.columns
    readings = {name: columns[name].reading for name in [*used, *filter(None, [named.time, named.group])]}
    return {
        "version": 1,
        "what": "forecast",
        "forecast": {
            "window": cut.window, "horizon": cut.horizon, "stride": cut.stride, "season": cut.season,
            "frequency": sheet.grid.clock.frequency, "time": named.time, "group": named.group,
            "targets": named.targets, "known_future": [c["name"] for c in channels if c["part"] == "future"],
        },
        "clock": sheet.grid.clock.as_json(),
        "cycles": rounds,
        "readings": readings,
        "channels": channels,
        "naive": {
            "season": cut.naive_season, "scale": _scales(sheet, named, cut, cuts), "how": told(cut.naive_season),
        },
    }  # fmt: skip


def _scales(sheet: Sheet, named: Named, cut: Cut, cuts: tuple[float, float]) -> list[float]:
    """Mean absolute difference to one season before, in the training time, of each target (MASE's denominator)."""
    grid, season = sheet.grid, cut.naive_season
    group = np.repeat(np.arange(len(grid.groups)), np.diff(grid.starts))
    inside = (group[season:] == group[:-season]) & (grid.times[season:] < cuts[0])
    scales: list[float] = []
    for name in named.targets:
        known = inside & sheet.given[name][season:] & sheet.given[name][:-season]
        apart = np.abs(sheet.values[name][season:] - sheet.values[name][:-season])[known]
        mean = float(apart.mean()) if len(apart) else 0.0
        spread = float(np.nanstd(sheet.values[name][grid.times < cuts[0]]))
        scales.append(mean if mean > 0 else spread or 1.0)
    return scales


def _write(folder: Path, sheet: Sheet, encoding: dict[str, Any], parts: dict[str, Array]) -> tuple[TensorSpec, ...]:
    """Write the windows; the matrix of all steps is held once, windows are gathered piece by piece."""
    sizes, channels, rounds = encoding["forecast"], encoding["channels"], encoding["cycles"]
    check_memory(8 * len(sheet.grid.ticks) * (width(channels, "target", "past", "future") + 6), "The table of steps")
    whole = matrix(sheet, channels, rounds)
    targets = len(sizes["targets"])
    inputs = specs(encoding)
    check_disk(sum(map(len, parts.values())) * 4 * sum(a.shape[0] * a.shape[1] for a in inputs), folder)
    behind = span(-sizes["window"], 0)
    ahead = span(0, sizes["horizon"])
    for split, places in parts.items():
        for spec, reach in zip(inputs, (behind, ahead), strict=False):
            first = whole.shape[1] - spec.shape[1]  # what is known of the future stands last
            write_rows(
                folder / f"{split}_{spec.name}.npy", places, spec.shape,
                lambda some, first=first, reach=reach: whole[some[:, None] + reach, first:],
            )  # fmt: skip
        target = whole[places[:, None] + ahead, :targets]
        save_split(folder, split, target, sheet.steps.rows[sheet.grid.place[places]])
    return inputs


def specs(encoding: dict[str, Any]) -> tuple[TensorSpec, ...]:
    """The network's inputs."""
    sizes, channels = encoding["forecast"], encoding["channels"]
    known = width(channels, "future") + 2 * len(encoding["cycles"])
    numbers = width(channels, "target", "past") + known
    past = TensorSpec(name=PAST, shape=(sizes["window"], numbers), role="sequence", sizes=(len(sizes["targets"]),))
    future = TensorSpec(name=FUTURE, shape=(sizes["horizon"], known), role="sequence")
    return (past, future) if known else (past,)


def _baseline(folder: Path, naive: dict[str, Any], cut: Cut, targets: int) -> Any:
    past = np.load(folder / f"validation_{PAST}.npy", mmap_mode="r", allow_pickle=False)[:, :, :targets]
    target = np.load(folder / "validation_target.npy", allow_pickle=False)
    return naive_baseline(target, repeat_season(np.asarray(past), cut.horizon, naive["season"]), naive)


def _told(cut: Cut, sheet: Sheet, rounds: list[str]) -> list[str]:
    clock = sheet.grid.clock
    step = clock.frequency
    season = "no season was found" if cut.season == 1 else f"a season of {cut.season} steps"
    notes = [
        f"window {cut.window}, horizon {cut.horizon}, stride {cut.stride}: {season}"
        f"{'' if step is None else f', steps of {step}'}.",
        "Split by time: no value that validation or test ask for is seen in training.",
    ]
    if rounds:
        notes.append(f"Inputs from the calendar, known for the future: {', '.join(rounds)}.")
    return notes
