"""What an agent reads about series before preparing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import Warned
from trainwell.contract.text import plain
from trainwell.data import target as targets
from trainwell.data.series.clock import season_candidates, written
from trainwell.data.series.forecasting import (
    LONGEST_WINDOW,
    Named,
    group_candidates,
    guess_time,
    refuse_duplicates,
    sheet_warnings,
)
from trainwell.data.series.labels import understand
from trainwell.data.series.reading import missing_warnings
from trainwell.data.series.season import find_season
from trainwell.data.series.sheet import Sheet, make_sheet
from trainwell.data.series.table import order, recognise_all
from trainwell.data.table.names import require
from trainwell.data.table.read import read_table

if TYPE_CHECKING:
    from trainwell.data.series.recordings import Recordings
    from trainwell.data.source import Source
    from trainwell.data.table.columns import Column

_NAMED, _CLASSES = 8, 12


def of_table(source: Source, target: str | None) -> dict[str, Any]:
    """A table of steps: its times, their frequency, gaps, season, and the call that forecasts."""
    table = read_table(source, sample=True)
    frame, columns = recognise_all(table)
    time = guess_time(columns)
    found: list[Warned] = []
    group, steps = None, order(frame, columns, time, None)
    try:
        steps = refuse_duplicates(steps, None, [])
    except TrainwellError:
        group = next(iter(group_candidates(columns, frame.height)), None)
        steps = order(frame, columns, time, group)
        found.append(Warned(code="duplicate_times", message="Several rows have the same time: several series?"))
    numeric = [name for name, column in columns.items() if column.kind == "number" and name not in {time, group}]
    if target is not None:
        require([target], list(columns), "target")
    chosen = target or next(iter(numeric), None)
    answer: dict[str, Any] = {
        "rows": table.rows,
        "columns": _groups(columns),
        "missing": {plain(name, 40): column.missing for name, column in columns.items() if column.missing},
        "target_candidates": numeric[:5],
        "time": time,
        "groups": None if group is None else {"column": plain(group, 40), "count": len(steps.names)},
    }
    if chosen is not None and chosen in numeric:
        sheet = make_sheet(steps, [chosen])
        found += sheet_warnings(sheet, Named([chosen], time, group, [], []))
        answer |= _times(sheet, chosen) | {"task": "forecasting"}
        options = {} if group is None else {"group": group}
        answer["next_call"] = _call(source, chosen, "forecasting", options)
    if target is not None:
        answer["target"] = target
    answer["warnings"] = [warned.model_dump(exclude_none=True) for warned in [*steps.warnings, *found]]
    answer["notes"] = [*table.notes, "To predict one value from the same row instead, pass kind: tabular."]
    return answer


def of_whole(recordings: Recordings, source: Source, target: str | None) -> dict[str, Any]:
    """Whole series: how many, how long, of which channels, and the call that learns their classes."""
    lengths = recordings.lengths
    answer: dict[str, Any] = {
        "rows": len(lengths),
        "series": {
            "count": len(lengths), "channels": [plain(name, 40) for name in recordings.channels[:_NAMED]],
            "channel_count": len(recordings.channels), "steps": len(recordings.values),
            "shortest": int(lengths.min()), "median": float(np.median(lengths)), "longest": int(lengths.max()),
        },
        "target_candidates": _candidates(recordings),
    }  # fmt: skip
    found = missing_warnings(recordings)
    notes = list(recordings.notes)
    if recordings.label is not None and recordings.labels is not None:
        labels = recordings.labels.drop_nulls()
        learnt = understand(recordings.label, labels, "auto")
        found += targets.suspicions(learnt, None)
        answer |= {"target": target or recordings.label.name, "task": learnt.task}
        notes += filter(None, [learnt.note])
        if learnt.task == "classification":
            counts = dict(zip(learnt.classes, targets.class_counts(learnt), strict=True))
            answer["classes"] = len(counts)
            answer["class_counts"] = {plain(label, 40): count for label, count in list(counts.items())[:_CLASSES]}
    best = answer.get("target") or next(iter(answer["target_candidates"]), None)
    if best is not None:
        answer["next_call"] = _call(source, best, "auto", {})
    answer["warnings"] = [warned.model_dump(exclude_none=True) for warned in found]
    answer["notes"] = notes
    return answer


def _times(sheet: Sheet, name: str) -> dict[str, Any]:
    grid = sheet.grid
    spans = zip(grid.starts[:-1], grid.starts[1:], strict=True)
    stretches = [sheet.values[name][start:end] for start, end in spans]
    candidates = [season for season in season_candidates(grid.clock) if season <= LONGEST_WINDOW]
    season = find_season([part[~np.isnan(part)] for part in stretches], candidates, LONGEST_WINDOW)
    facts: dict[str, Any] = {
        "frequency": grid.clock.frequency,
        "gaps": grid.gaps,
        "season": None if season == 1 else season,
        "steps": {"shortest": int(np.diff(grid.starts).min()), "longest": int(np.diff(grid.starts).max())},
    }
    if sheet.steps.dates:
        facts["from"], facts["to"] = written(int(grid.times.min())), written(int(grid.times.max()))
    return facts


def _groups(columns: dict[str, Column]) -> dict[str, Any]:
    groups: dict[str, list[str]] = {}
    words = {"number": "numeric", "category": "categorical", "boolean": "boolean", "date": "date"}
    for name, column in columns.items():
        groups.setdefault(words.get(column.kind, "ignored"), []).append(plain(name, 40))
    told = {group: {"count": len(names), "first": names[:_NAMED]} for group, names in groups.items()}
    return {"count": len(columns), **told}


def _candidates(recordings: Recordings) -> list[str]:
    named = [] if recordings.label is None else [recordings.label.name]
    few = [name for name, tag in recordings.tags.items() if 1 < tag.n_unique() <= max(2, len(tag) // 2)]
    return [*named, *few][:5]


def _call(source: Source, target: str, task: str, options: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {"target": target, "kind": "series"}
    if task != "auto":
        given["task"] = task
    if options:
        given["options"] = options
    return next_call("prepare_data", source=source.shown, **given)
