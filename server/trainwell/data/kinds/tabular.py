"""Tables: CSV, TSV and other delimited text, Parquet, JSON Lines, inline rows, and the sets of scikit-learn.

Every usable column becomes numbers (see `table.encode`); the network gets one input `x` of shape (features,), and
beside it `categories` where columns have many levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import Field

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Spec, TensorSpec, Warned
from trainwell.contract.text import quoted
from trainwell.data import target as targets
from trainwell.data.content import recognise_content
from trainwell.data.files import open_array, save_split, write_rows
from trainwell.data.memory import check_disk
from trainwell.data.parts import Draft, EncodedRows
from trainwell.data.splits import divide, split_column
from trainwell.data.table.dividing import column_of_series
from trainwell.data.table.encode import embedded, encode_frame, encode_numbers, fit_column, input_names, width
from trainwell.data.table.knots import fit_knots
from trainwell.data.table.labels import LabelReader, take_target
from trainwell.data.table.look import look
from trainwell.data.table.multilabel import as_text
from trainwell.data.table.names import require
from trainwell.data.table.raw import encode_table, rows_table
from trainwell.data.table.read import read_table
from trainwell.data.table.suspicions import candidates, column_warnings, copies, leaks, useless
from trainwell.data.table.typed import TypedTable, read_typed

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import Baseline, PreparedData, Task
    from trainwell.data.parts import Request
    from trainwell.data.source import Source
    from trainwell.data.splits import Division, Rows

KIND = "tabular"
TASKS: frozenset[Task] = frozenset({"classification", "multilabel", "regression", "reconstruction"})
INPUT, CATEGORIES = "x", "categories"
# A first layer of 256 units over this many inputs has 13 million weights.
MOST_INPUTS = 50_000
# For the mean of the inputs.
_ENOUGH_ROWS = 100_000
_ROW_GROUP = 100_000


class Config(Spec):
    """Options of tables."""

    columns: tuple[str, ...] | None = Field(default=None, description="Use only these columns")
    drop_columns: tuple[str, ...] = Field(default=(), description="Leave these columns out")


def recognise(source: Source) -> int:
    """Whether the source is a table: anything but NumPy's formats and folders."""
    return 2 if source.path is None or recognise_content(source.path) in {"text", "parquet"} else 0


def inspect(source: Source, target: str | None) -> dict[str, Any]:
    """What the table holds, for an agent; see `data.inspect`."""
    return look(source, target)


def prepare(source: Source, request: Request, folder: Path) -> Draft:
    """Read, split, fit on the training rows and write the arrays; see `Draft`.

    Raises:
        TrainwellError: what was wrong with the files, the columns, the split or the target.
    """
    config = request.config
    assert isinstance(config, Config)  # noqa: S101 - the front door makes it from this module's Config
    table = read_typed(source, request.given, only=_needed(config, request, source))
    found: list[Warned] = []
    labels, table = take_target(table, _target_columns(request, table, source), request.task, found)
    table.require_given(labels.names)
    division = _divide(request, table, labels)
    features = _features(table, config, labels.names, request.split_by if division.how == "group" else None)
    places = {split: table.rows[rows] for split, rows in division.splits.items()}
    embed = labels.target.task != "reconstruction"
    encodings, dropped = _fit(table, features, config, places["train"], embed=embed)
    used = [entry["name"] for entry in encodings]
    table.require_given(used)
    found += dropped + column_warnings([table.columns[name] for name in features], table.height, table.file.locate)
    found += targets.suspicions(labels.target, division.splits) + division.warnings
    found += leaks([table.columns[name] for name in used], table, labels.target, division.splits["train"])
    found += copies(table, used, labels.names, places)
    scaling = _write(folder, table, labels, encodings, division.splits)
    notes = [*table.notes, *filter(None, [labels.target.note]), *division.notes]
    return Draft(
        task=labels.target.task,
        inputs=_inputs(encodings, folder),
        target=labels.target.name,
        classes=labels.target.classes,
        class_counts=targets.class_counts(labels.target),
        target_shape=_target_shape(labels, encodings),
        target_mean=scaling[0],
        target_std=scaling[1],
        splits={split: len(rows) for split, rows in places.items()},
        baseline=_baseline(folder, labels, division.splits),
        encoding=_encoding(table, labels, features, encodings),
        warnings=tuple(found),
        notes=(*notes, *(note for name in features for note in table.columns[name].notes)),
    )


def encode(prepared: PreparedData, rows: list[Any] | None, source: Source | None, *, strict: bool) -> EncodedRows:
    """Raw rows, or a file of them, as network inputs; `strict`: a cell that cannot be read is an error.

    Raises:
        TrainwellError: `missing_column`, `bad_row`, `bad_value`, or what reading the file raises.
    """
    if rows is not None:
        return encode_table(prepared, rows_table(prepared, rows), argument="rows", strict=strict)
    if source is None:
        raise TrainwellError("missing_argument", "There are no rows to encode.", argument="rows")
    argument = "source" if source.part is None else "part"
    return encode_table(prepared, read_table(source), argument=argument, strict=strict)


def _main(table: TypedTable, name: str) -> Any:
    """A column's cells of the main source."""
    return table.frame[name].head(table.main)


def _needed(config: Config, request: Request, source: Source) -> list[str] | None:
    """The columns to read; None when they are not known before reading."""
    named = request.targets or ((request.target,) if request.target else ())
    if config.columns is None or source.shipped is not None or not (named or request.task == "reconstruction"):
        return None
    by = (request.split_by,) if request.split_by else ()
    return list(dict.fromkeys([*config.columns, *config.drop_columns, *named, *by]))


def _target_columns(request: Request, table: TypedTable, source: Source) -> tuple[str, ...]:
    """What is to be predicted; nothing for reconstruction."""
    named = request.targets or ((request.target,) if request.target else ())
    if request.target and request.targets:
        raise TrainwellError(
            "exclusive_arguments", "target and targets were both given.", argument="targets",
            allowed="one of: target, targets",
        )  # fmt: skip
    if request.task == "reconstruction":
        if named:
            raise TrainwellError(
                "exclusive_arguments", "To reconstruct the inputs there is no target.", argument="target",
                got=named[0], hint="Leave it out; drop_columns keeps a column out of the inputs.",
            )  # fmt: skip
        return ()
    if not named and table.file.target is None:
        columns = list(table.columns.values())
        shown = source.shown if source.path is not None else None
        raise targets.no_target([column.name for column in columns], candidates(columns, table.height), shown)
    return tuple(dict.fromkeys(named or (table.file.target or "",)))


def _divide(request: Request, table: TypedTable, labels: LabelReader) -> Division:
    """The rows by split, as numbers among the usable ones."""
    name = split_column(request, list(table.columns))
    by = None
    if name is not None:
        if table.columns[name].kind in {"nested", "empty"}:
            raise TrainwellError(
                "not_a_time" if request.split == "time" else "invalid_argument",
                f"Column {quoted(name)} holds nothing to split by.", argument="split_by", got=name,
                hint="Name a column with one group or time a row.",
            )  # fmt: skip
        table.require_given([name])
        by = column_of_series(table.frame[name].gather(table.rows))
    strata = targets.groups_for(labels.target, request.split)
    return divide(len(table.rows), request, strata, by=by, given=table.given_among_rows())


def _features(table: TypedTable, config: Config, target: tuple[str, ...], group: str | None) -> list[str]:
    """The columns asked for, without the target, the sources' own target, and the groups unless asked for."""
    known = list(table.columns)
    require(config.columns or (), known, "columns")
    require(config.drop_columns, known, "drop_columns")
    chosen = config.columns if config.columns is not None else known
    out = {*target, *config.drop_columns, table.file.target}
    if group is not None and group not in (config.columns or ()):
        out.add(group)
    return [name for name in dict.fromkeys(chosen) if name not in out]


def _fit(
    table: TypedTable, features: list[str], config: Config, train: Rows, *, embed: bool
) -> tuple[list[dict[str, Any]], list[Warned]]:
    encodings: list[dict[str, Any]] = []
    dropped: list[Warned] = []
    for name in features:
        column = table.columns[name]
        warned = useless(column, _main(table, name), table.height)
        if warned is not None and not (warned.code == "id_column" and name in (config.columns or ())):
            dropped.append(warned)
            continue
        encoding = fit_column(column, table.frame[name].gather(train), embed=embed)
        if encoding is None:
            message = f"Column {quoted(name)} has one value only in the training rows and is left out."
            dropped.append(Warned(code="constant_column", message=message, column=quoted(name)[1:-1]))
        else:
            encodings.append(encoding)
    total = sum(map(width, encodings))
    if not encodings:
        raise TrainwellError(
            "no_features", "No column is left to predict from.", argument="columns" if config.columns else "source",
            hint="; ".join(warned.message for warned in dropped[:3]) or "The table needs more than the target.",
        )  # fmt: skip
    if total > MOST_INPUTS:
        raise TrainwellError(
            "too_wide", f"The columns would make {total:,} inputs.", argument="drop_columns",
            allowed=f"at most {MOST_INPUTS:,}", hint="Leave out columns of many categories.",
        )  # fmt: skip
    return encodings, dropped


def _inputs(encodings: list[dict[str, Any]], folder: Path) -> tuple[TensorSpec, ...]:
    """What the network gets, from what was written."""
    numbers, many = sum(map(width, encodings)), embedded(encodings)
    sizes = tuple(1 + len(entry["levels"]) for entry in many)
    found: list[TensorSpec] = []
    if numbers:
        knots = fit_knots(encodings, open_array(folder / f"train_{INPUT}.npy"))
        found.append(TensorSpec(name=INPUT, shape=(numbers,), knots=knots))
    if many:
        found.append(TensorSpec(name=CATEGORIES, shape=(len(many),), dtype="int64", role="categories", sizes=sizes))
    return tuple(found)


def _target_shape(labels: LabelReader, encodings: list[dict[str, Any]]) -> tuple[int, ...]:
    if labels.target.task == "reconstruction":
        return (sum(map(width, encodings)),)
    return (len(labels.target.classes),) if labels.target.task == "multilabel" else ()


def _encoding(
    table: TypedTable, labels: LabelReader, features: list[str], encodings: list[dict[str, Any]]
) -> dict[str, Any]:
    """What raw rows are encoded by."""
    names = input_names(encodings)
    return {
        "version": 1,
        "columns": encodings,
        "order": features,
        "source_columns": list(table.columns),
        "target": labels.reading,
        "inputs": names if len(names) <= 1000 else [],
    }


def _write(
    folder: Path, table: TypedTable, labels: LabelReader, encodings: list[dict[str, Any]], splits: dict[str, Rows]
) -> tuple[float, float]:
    """Write inputs, targets, row numbers and raw rows; returns the target's mean and deviation."""
    numbers, many = sum(map(width, encodings)), len(embedded(encodings))
    check_disk(len(table.rows) * (numbers * 4 + many * 8), folder)
    mean, deviation = targets.scaling_of(labels.target, splits["train"])
    used = table.frame.select([entry["name"] for entry in encodings])
    raw = [as_text(table.frame[name]) if name in labels.names else table.frame[name]
           for name, column in table.columns.items() if column.kind != "nested" or name in labels.names]  # fmt: skip
    for split, rows in splits.items():
        at = table.rows[rows]
        if numbers:
            write_rows(
                folder / f"{split}_{INPUT}.npy", at, (numbers,), lambda part: encode_frame(encodings, used[part])
            )
        if many:
            write_rows(
                folder / f"{split}_{CATEGORIES}.npy", at, (many,), lambda part: encode_numbers(encodings, used[part]),
                "int64",
            )  # fmt: skip
        reconstructs = labels.target.task == "reconstruction"
        save_split(
            folder, split, INPUT if reconstructs else targets.encoded(labels.target, rows, mean, deviation),
            table.numbers[at],
        )  # fmt: skip
        if split != "train":
            pl.DataFrame([series.gather(at) for series in raw]).write_parquet(
                folder / f"raw_{split}.parquet", row_group_size=_ROW_GROUP
            )
    return mean, deviation


def _baseline(folder: Path, labels: LabelReader, splits: dict[str, Rows]) -> Baseline:
    if labels.target.task != "reconstruction":
        return targets.baseline_of(labels.target, splits)
    train, validation = (open_array(folder / f"{split}_{INPUT}.npy") for split in ("train", "validation"))
    return targets.mean_inputs(train[:_ENOUGH_ROWS], validation[:_ENOUGH_ROWS])
