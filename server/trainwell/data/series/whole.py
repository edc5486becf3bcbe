"""Whole series, or windows of long recordings, with a class or a value each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TensorSpec, Warned
from trainwell.contract.text import quoted
from trainwell.data import target as targets
from trainwell.data.content import recognise_content
from trainwell.data.files import save_split, write_rows
from trainwell.data.memory import check_disk
from trainwell.data.parts import Array, Draft, EncodedRows
from trainwell.data.series.labels import understand
from trainwell.data.series.long import read_long, read_long_again
from trainwell.data.series.look import holds_series
from trainwell.data.series.reading import missing_warnings, only, read_arrays, read_lists, used_label
from trainwell.data.series.recordings import Pieces, Recordings, cut, filled, joined, labels_of, padded
from trainwell.data.splits import FEWEST_ROWS, SplitColumn, column_of_array, divide
from trainwell.data.table.dividing import column_of_series
from trainwell.data.table.labels import read_target
from trainwell.data.table.names import require
from trainwell.data.table.read import Table, read_table, rows_frame
from trainwell.data.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import Request
    from trainwell.data.series.options import Config
    from trainwell.data.source import Source
    from trainwell.data.splits import Division

INPUT, LENGTH = "x", "length"
# Series longer than this share of all are cut when the longest is much longer than that.
_PERCENTILE, _MUCH_LONGER = 99, 1.25


def prepare(source: Source, request: Request, config: Config, folder: Path) -> Draft:
    """Read, cut, split, fit on the training part and write the arrays.

    Raises:
        TrainwellError: what was wrong with the file, the columns or the target.
    """
    tags = [request.split_by] if request.split_by else []
    main = read(source, request.target, config, tags)
    form = _form(main)
    given = {split: _read_again(form, one, None, f"{split}_source") for split, one in request.given.items()}
    recordings = joined([main, *given.values()])
    pieces = cut(recordings, config.window, config.stride)
    found = [*recordings.warnings, *missing_warnings(recordings)]
    notes = list(recordings.notes)
    labels, pieces = _labelled(recordings, pieces, config, found)
    label = used_label(recordings)
    learnt = understand(label, labels, request.task)
    division = _divide(recordings, pieces, learnt, request, config, _given_rows(main, given, pieces))
    splits = _apart(pieces, division, config)
    found += [*division.warnings, *targets.suspicions(learnt, splits)]
    values = filled(recordings)
    scale = _fit_scale(values, pieces.some(splits["train"]))
    values = np.nan_to_num((values - scale["mean"]) / scale["std"])
    steps, lengths_differ = _steps(pieces, config, notes)
    notes += [*filter(None, [learnt.note]), *division.notes]
    encoding: dict[str, Any] = {
        "version": 1, "what": "whole", "form": form, "scale": {key: column.tolist() for key, column in scale.items()},
        "steps": steps, "lengths_differ": lengths_differ, "window": config.window, "stride": config.stride,
        "target": {"name": label.name, "reading": label.reading},
    }  # fmt: skip
    mean, deviation = targets.scaling_of(learnt, splits["train"])
    check_disk(4 * len(pieces.starts) * steps * values.shape[1], folder)
    for split, rows in splits.items():
        some = pieces.some(rows)
        write_rows(
            folder / f"{split}_{INPUT}.npy", np.arange(len(rows)), (steps, values.shape[1]),
            lambda part, some=some: padded(values, some.some(part), steps),
        )  # fmt: skip
        if lengths_differ:
            np.save(folder / f"{split}_{LENGTH}.npy", np.minimum(some.lengths, steps), allow_pickle=False)
        save_split(folder, split, targets.encoded(learnt, rows, mean, deviation), _source_rows(recordings, some))
        if split != "train":
            _save_raw(folder / f"raw_{split}.parquet", recordings, some, labels.gather(rows), form["target"])
    return Draft(
        task=learnt.task,
        inputs=_specs(steps, values.shape[1], lengths_differ),
        target=form["target"],
        classes=learnt.classes,
        class_counts=targets.class_counts(learnt),
        target_mean=mean,
        target_std=deviation,
        splits={split: len(rows) for split, rows in splits.items()},
        baseline=targets.baseline_of(learnt, splits),
        encoding=encoding,
        warnings=tuple(found),
        notes=tuple(notes),
    )


def read(source: Source, target: str | None, config: Config, tags: list[str] | None = None) -> Recordings:
    """The series of a source, whatever its make.

    Raises:
        TrainwellError: see `read_arrays`, `read_lists` and `read_long`.
    """
    tags = tags or []
    if not holds_series(source):
        return read_long(read_table(source), target, config, tags)
    arrays = source.path is not None and recognise_content(source.path) in {"npz", "npy"}
    found = read_arrays(source, target, needs_target=False) if arrays else read_lists(source, None, target)
    wanted = [*(config.columns or found.channels)]
    channels = [name for name in wanted if name not in config.drop_columns]
    require(tags, list(found.tags), "split_by")
    require([config.group] if config.group else [], list(found.tags), "options/group")
    found = only(found, channels, "columns")
    return replace(found, series=config.series if config.series in found.tags else None)


def encode(prepared: PreparedData, rows: list[Any] | None, source: Source | None) -> EncodedRows:
    """Raw series as network inputs, in the make that was trained on or as lists.

    Raises:
        TrainwellError: `missing_column`, `wrong_length`, or what reading raises.
    """
    encoding = prepared.encoding
    recordings = _read_again(encoding["form"], source, rows, "rows" if rows is not None else "source")
    pieces = cut(recordings, encoding["window"], encoding["stride"])
    notes = [*recordings.notes, *(warned.message for warned in missing_warnings(recordings))]
    steps = encoding["steps"]
    if not encoding["lengths_differ"] and bool((pieces.lengths != steps).any()):
        wrong = int((pieces.lengths != steps).argmax())
        raise TrainwellError(
            "wrong_length", f"Series {wrong} has {int(pieces.lengths[wrong])} steps; all others had {steps}.",
            argument="rows" if rows is not None else "source", got=int(pieces.lengths[wrong]), allowed=steps,
            hint="Cut it, or fill it up, as those of the training were.",
        )  # fmt: skip
    long = int((pieces.lengths > steps).sum())
    if long:
        notes.append(f"{long:,} of {len(pieces.lengths):,} series are longer than {steps} steps and cut there.")
    scale = {key: np.array(column) for key, column in encoding["scale"].items()}
    values = np.nan_to_num((filled(recordings) - scale["mean"]) / scale["std"])
    inputs: tuple[Array, ...] = (padded(values, pieces, steps),)
    if encoding["lengths_differ"]:
        inputs = (*inputs, np.minimum(pieces.lengths, steps).astype(np.int64))
    target = _target(prepared, recordings, pieces)
    notes += [] if target is None else targets.unusable_note(prepared, target)
    return EncodedRows(
        inputs, target, len(pieces.starts), _source_rows(recordings, pieces), notes, _about(recordings, pieces)
    )


def _read_again(form: dict[str, Any], source: Source | None, rows: list[Any] | None, argument: str) -> Recordings:
    """Series of the same make as those that `form` tells of, or in cells that hold lists."""
    if rows is not None and not rows:
        raise TrainwellError("too_few_rows", "rows is empty.", argument="rows", allowed="at least one row")
    if rows is not None and isinstance(rows[0], list | tuple):
        return _renamed(read_lists(None, [{INPUT: row} for row in rows], None), form, argument)
    lists = holds_series(source) if source is not None else _lists(rows)
    if source is not None and lists and source.path is not None and recognise_content(source.path) in {"npz", "npy"}:
        return only(read_arrays(source, form["target"], needs_target=False), form["channels"], argument)
    if lists:
        found = read_lists(source, rows, form["target"])
        found = replace(found, series=form["series"] if form["series"] in found.tags else None)
        return _renamed(found, form, argument)
    if form["make"] != "long":
        raise TrainwellError(
            "bad_row", "A row to predict holds a whole series: lists of numbers.", argument=argument,
            allowed=f"lists of numbers for {', '.join(map(quoted, form['channels'][:8]))}",
        )  # fmt: skip
    if rows is not None:
        frame = rows_frame(rows)
        return read_long_again(Table(frame, frame.height), form, argument)
    assert source is not None  # noqa: S101 - the front door gives one of the two
    return read_long_again(read_table(source), form, argument)


def _renamed(found: Recordings, form: dict[str, Any], argument: str) -> Recordings:
    """Channels by their names, or all of them in order where the rows are lists without names."""
    if len(found.channels) == len(form["channels"]) and not set(found.channels) & set(form["channels"]):
        return replace(found, channels=form["channels"])
    return only(found, form["channels"], argument)


def _lists(rows: list[Any] | None) -> bool:
    first: Any = rows[0] if rows else None
    return isinstance(first, dict) and any(isinstance(cell, list) for cell in cast("dict[str, Any]", first).values())


def _form(recordings: Recordings) -> dict[str, Any]:
    """How to read another source of the same make."""
    label = used_label(recordings)
    return {
        "make": "wide" if recordings.steps is None else "long",
        "channels": recordings.channels,
        "readings": recordings.readings,
        "series": recordings.series,
        "time": recordings.time,
        "tags": list(recordings.tags),
        "target": label.name,
    }


def _labelled(recordings: Recordings, pieces: Pieces, config: Config, found: list[Warned]) -> tuple[pl.Series, Pieces]:
    """The target of each piece that has one, and those pieces."""
    label = used_label(recordings)
    labels, mixed = labels_of(recordings, pieces, windows=config.window is not None)
    if mixed.any():
        message = f"{counted(int(mixed.sum()), 'window')} that see more than one class, or none, left out."
        found.append(Warned(code="mixed_windows", message=message))
    labels, pieces = labels.filter(pl.Series(~mixed)), pieces.some(~mixed)
    missing = int(labels.is_null().sum())
    found += targets.check_present(label.name, missing, 0, max(1, len(labels)))
    known = labels.is_not_null()
    if int(known.sum()) < FEWEST_ROWS:
        raise TrainwellError(
            "too_few_rows", f"There are {int(known.sum())} series with a target.", argument="source",
            allowed=f"at least {FEWEST_ROWS}", hint="Shorter windows give more of them." if config.window else None,
        )  # fmt: skip
    return labels.filter(known), pieces.some(known.to_numpy())


def _divide(
    recordings: Recordings, pieces: Pieces, target: targets.Target, request: Request, config: Config,
    given: dict[str, Array],
) -> Division:  # fmt: skip
    """Split by the group asked for; windows by their recording, or in order of time where there is one only."""
    strata = targets.groups_for(target, request.split)
    by: SplitColumn | None = None
    if request.split_by is None and config.group is not None and request.split in {"auto", "group"}:
        request = replace(request, split="group", split_by=config.group)
    if request.split_by is not None:
        by = _of_pieces(column_of_series(recordings.tags[request.split_by]), pieces)
    elif config.window is not None and request.split == "auto":
        if len(recordings.lengths) >= 3:
            request = replace(request, split="group")
            by = column_of_array("recording", pieces.whose)
        else:
            request = replace(request, split="time")
            by = column_of_array("start of the window", pieces.starts)
    return divide(len(pieces.starts), request, strata, by=by, given=given or None)


def _of_pieces(column: SplitColumn, pieces: Pieces) -> SplitColumn:
    """A column of recordings as one of their pieces."""

    def show(row: int) -> str:
        return column.show(int(pieces.whose[row]))

    return replace(column, ranks=column.ranks[pieces.whose], show=show)


def _given_rows(main: Recordings, given: dict[str, Recordings], pieces: Pieces) -> dict[str, Array]:
    """Numbers of the pieces that come from given sources, by split."""
    first = len(main.lengths)
    found: dict[str, Array] = {}
    for split, one in given.items():
        last = first + len(one.lengths)
        found[split] = np.flatnonzero((pieces.whose >= first) & (pieces.whose < last))
        first = last
    return found


def _apart(pieces: Pieces, division: Division, config: Config) -> dict[str, Array]:
    """Splits by time without training and validation windows that overlap later ones."""
    splits = dict(division.splits)
    if config.window is None or division.how != "time":
        return splits
    for early, late in (("validation", "test"), ("train", "validation")):
        ends = pieces.starts[splits[early]] + pieces.lengths[splits[early]]
        splits[early] = splits[early][ends <= pieces.starts[splits[late]].min()]
    return splits


def _fit_scale(values: Array, pieces: Pieces) -> dict[str, Array]:
    """Mean and deviation of each channel over the steps of the training pieces."""
    marks = np.zeros(len(values) + 1, np.int64)
    np.add.at(marks, pieces.starts, 1)
    np.add.at(marks, pieces.starts + pieces.lengths, -1)
    seen = values[np.cumsum(marks[:-1]) > 0]
    known = ~np.isnan(seen)
    counts = np.maximum(known.sum(0), 1)
    mean = np.where(known, seen, 0.0).sum(0) / counts
    deviation = np.sqrt(np.where(known, (seen - mean) ** 2, 0.0).sum(0) / counts)
    if not (deviation > 0).any():
        raise TrainwellError("constant_inputs", "The series do not vary in the training part.", argument="source")
    return {"mean": mean, "std": np.where(deviation > 1e-12 * np.maximum(1, np.abs(mean)), deviation, 1.0)}


def _steps(pieces: Pieces, config: Config, notes: list[str]) -> tuple[int, bool]:
    """Steps of a row, and whether the series differ in length."""
    longest, shortest = int(pieces.lengths.max()), int(pieces.lengths.min())
    if config.length is not None:
        steps = min(config.length, longest)
    else:
        usual = int(np.ceil(np.percentile(pieces.lengths, _PERCENTILE)))
        steps = longest if longest <= _MUCH_LONGER * usual else usual
    if longest > steps:
        longer = int((pieces.lengths > steps).sum())
        notes.append(
            f"length {steps}: {longer:,} of {len(pieces.lengths):,} series are longer, up to {longest}, and cut."
        )
    elif shortest < steps:
        notes.append(
            f"length {steps}: the longest series; shorter ones (from {shortest}) are padded and their length told."
        )
    return steps, min(shortest, steps) < steps


def _specs(steps: int, channels: int, lengths_differ: bool) -> tuple[TensorSpec, ...]:
    x = TensorSpec(name=INPUT, shape=(steps, channels), role="sequence")
    return (x, TensorSpec(name=LENGTH, shape=(), dtype="int64", role="length")) if lengths_differ else (x,)


def _source_rows(recordings: Recordings, pieces: Pieces) -> Array:
    return recordings.rows[pieces.whose] if recordings.steps is None else recordings.steps[pieces.starts]


def _save_raw(path: Path, recordings: Recordings, pieces: Pieces, labels: pl.Series, target: str) -> None:
    """One row a series: what is known of it, its target, and its channels as lists."""
    columns = [recordings.tags[name].gather(pieces.whose).alias(name) for name in recordings.tags if name != target]
    columns.append(labels.alias(target))
    for place, name in enumerate(recordings.channels):
        if name != target and name not in recordings.tags:
            cells = [
                recordings.values[a : a + n, place].tolist() for a, n in zip(pieces.starts, pieces.lengths, strict=True)
            ]
            columns.append(pl.Series(name, cells, pl.List(pl.Float64)).list.eval(pl.element().fill_nan(None)))
    pl.DataFrame(columns).write_parquet(path)


def _target(prepared: PreparedData, recordings: Recordings, pieces: Pieces) -> Array | None:
    if recordings.labels is None:
        return None
    labels, _ = labels_of(recordings, pieces, windows=prepared.encoding["window"] is not None)
    return read_target(prepared, pl.DataFrame([labels.alias(prepared.encoding["target"]["name"])]))


def _about(recordings: Recordings, pieces: Pieces) -> list[dict[str, Any]]:
    if recordings.series is None:
        return []
    names = recordings.tags[recordings.series].cast(pl.String).gather(pieces.whose).to_list()
    return [{"series": name} for name in names]
