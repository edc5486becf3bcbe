"""Texts with a class or a value each: a column of a table, or files in a folder for each class.

A tokenizer is fitted on the training texts and goes with the data into every checkpoint. The network gets `tokens`
of shape (length,) and their number, `length`.

Tokenizer `auto` takes whole words, which the base install cuts in a tenth of the time. With a bag of tokens they are
as good as byte pairs: on Rotten Tomatoes (12,808 review snippets, fresh or rotten) words reached 0.770, 8,000 byte
pairs 0.763 and 2,000 of them 0.733; on 8,614 tweets (sent from which of two telephones) 0.856, 0.862 and 0.846 (test
accuracy, means over 3 splits). Upper case kept made no difference (0.768 and 0.861). Characters were not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.lib.format import open_memmap
from pydantic import Field

from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import Spec, TensorSpec
from trainwell.data import target as targets
from trainwell.data.files import save_split
from trainwell.data.memory import check_disk
from trainwell.data.parts import Draft, EncodedRows
from trainwell.data.splits import divide, split_column
from trainwell.data.table.dividing import column_of_series
from trainwell.data.table.labels import read_target, take_target
from trainwell.data.table.multilabel import as_text as lists_as_text
from trainwell.data.table.names import require
from trainwell.data.table.suspicions import candidates, copies
from trainwell.data.target import unusable_note
from trainwell.data.text import tokenizer as tokenizers
from trainwell.data.text.read import as_text, fits, left_out, oddities, read_again, read_texts
from trainwell.data.text.report import describe
from trainwell.data.text.rows import frame_of_rows
from trainwell.data.text.subwords import Subwords
from trainwell.data.wording import Tally
from trainwell.store.workspace import workspace_at_work

if TYPE_CHECKING:
    from pathlib import Path

    from trainwell.contract.specs import PreparedData, Task
    from trainwell.data.parts import Request
    from trainwell.data.source import Source
    from trainwell.data.splits import Division, Rows
    from trainwell.data.table.labels import LabelReader
    from trainwell.data.table.typed import TypedTable
    from trainwell.data.text.read import Texts
    from trainwell.data.text.tokenizer import Tokenizer

KIND = "text"
TASKS: frozenset[Task] = frozenset({"classification", "multilabel", "regression"})
TOKENS, LENGTH = "tokens", "length"
AUTO = "word"
# The length covers this share of the training texts, in steps of 8, up to a limit by tokenizer.
COVERED = 0.98
_STEP = 8
LONGEST = {"char": 1024}
LONGEST_OTHERS = 512
_MEASURED_ROWS, _PIECE_ROWS = 50_000, 20_000


class Config(Spec):
    """Options of texts."""

    text: str | None = Field(default=None, description="Column of the texts; recognised if left out")
    tokenizer: str = Field(
        default="auto", max_length=4096,
        description="auto, word, char, bpe (learnt from the training texts), or a folder with a tokenizer.json",
    )  # fmt: skip
    vocabulary: int | None = Field(default=None, ge=4, le=1_000_000, description="Most different tokens")
    length: int | None = Field(
        default=None, ge=1, le=65_536, description="Tokens a text is cut after; from the data if left out"
    )
    lowercase: bool | None = Field(default=None, description="Lower case first; by default for words and byte pairs")


def recognise(source: Source) -> int:
    """3 for texts beyond doubt, 1 for any table with words in it."""
    return fits(source)


def further_content(source: Source, config: Config) -> str | None:  # noqa: ARG001 - one signature for all kinds
    """Tells one tokenizer from another where an option names its folder."""
    if config.tokenizer in tokenizers.NAMES:
        return None
    return Subwords.of_folder(_folder(config.tokenizer)).identity


def inspect(source: Source, target: str | None) -> dict[str, Any]:
    """What the texts are, for an agent; see `data.inspect`."""
    texts = read_texts(source, {}, None, [target] if target else [], sample=True)
    cells = texts.cells(texts.table.rows)
    found = [*texts.warnings, *oddities(cells)]
    target = target or texts.table.file.target
    others = [column for column in texts.table.columns.values() if column.name != texts.name]
    guesses = candidates(others, texts.table.height)
    if target is None:
        return describe(texts, cells, guesses, None, found, texts.notes)
    labels, table = take_target(texts.table, _named([target], texts), "auto", found)
    found += targets.suspicions(labels.target, None) + copies(table, [texts.name], labels.names, None)
    return describe(texts, cells, guesses, labels.target, found, [*texts.notes, *filter(None, [labels.target.note])])


def prepare(source: Source, request: Request, folder: Path) -> Draft:
    """Read, split, fit a tokenizer on the training texts and write the tokens; see `Draft`.

    Raises:
        TrainwellError: what was wrong with the source, the columns, the target or the tokenizer.
    """
    config = request.config
    assert isinstance(config, Config)  # noqa: S101 - the front door makes it from this module's Config
    asked = list(request.targets or filter(None, [request.target]))
    texts = read_texts(source, request.given, config.text, asked)
    found = list(texts.warnings)
    labels, table = take_target(texts.table, _named(_targets(texts, request, source), texts), request.task, found)
    table.require_given(labels.names)
    division = _divide(request, table, labels)
    places = {split: table.rows[rows] for split, rows in division.splits.items()}
    train = texts.cells(places["train"])
    tokenizer, about = _fit(config, train)
    length, told = _length(config, tokenizer, train)
    check_disk(len(table.rows) * (length + 2) * 4, folder)
    mean, deviation = targets.scaling_of(labels.target, division.splits["train"])
    for split, rows in division.splits.items():
        _write(folder, split, tokenizer, texts.cells(places[split]), length)
        target = targets.encoded(labels.target, rows, mean, deviation)
        save_split(folder, split, target, table.numbers[places[split]])
        if split != "train":
            _write_raw(folder / f"raw_{split}.parquet", table, places[split], labels.names)
    found += [*division.warnings, *targets.suspicions(labels.target, division.splits)]
    found += oddities(texts.cells(table.rows)) + copies(table, [texts.name], labels.names, places)
    notes = [*texts.notes, *filter(None, [labels.target.note]), *division.notes, *left_out(texts, labels.names), told]
    classes = labels.target.classes
    return Draft(
        task=labels.target.task,
        inputs=(
            TensorSpec(name=TOKENS, shape=(length,), dtype="int32", role="tokens", sizes=(tokenizer.size,)),
            TensorSpec(name=LENGTH, shape=(), dtype="int64", role="length"),
        ),
        target=labels.target.name,
        classes=classes,
        class_counts=targets.class_counts(labels.target),
        target_shape=(len(classes),) if labels.target.task == "multilabel" else (),
        target_mean=mean,
        target_std=deviation,
        splits={split: len(rows) for split, rows in places.items()},
        baseline=targets.baseline_of(labels.target, division.splits),
        encoding={
            "version": 1, "text": texts.name, "tokenizer": about, "length": length, "target": labels.reading,
            "source_columns": list(table.columns),
        },
        warnings=tuple(found),
        notes=tuple(notes),
    )  # fmt: skip


def encode(
    prepared: PreparedData,
    rows: list[Any] | None,
    source: Source | None,
    *,
    strict: bool,  # noqa: ARG001
) -> EncodedRows:
    """Raw rows (objects, lists or plain strings), or a source of them, as network inputs.

    Raises:
        TrainwellError: `missing_column`, `bad_row`, `bad_value`, or what reading the source raises.
    """
    encoding = prepared.encoding
    name, length = str(encoding["text"]), int(encoding["length"])
    if rows is not None:
        frame, notes = frame_of_rows(rows, name, encoding["source_columns"]), []
    elif source is not None:
        frame, notes = read_again(source, name)
    else:
        raise TrainwellError("missing_argument", "There are no rows to encode.", argument="rows")
    if not frame.height:
        raise TrainwellError("too_few_rows", "There are no rows.", argument="source", allowed="at least one row")
    cells = as_text(frame[name]).fill_null("")
    tokenizer = tokenizers.unpacked(encoding["tokenizer"])
    tokens, counts = tokenizers.rows_of(tokenizer, cells, length)
    empty = int((cells == "").sum())
    meaningless = " without any content; the answer for it means nothing"
    notes += [Tally(empty, "text", after=meaningless)] if empty else []
    cut = int(np.count_nonzero(tokenizer.counts(cells.filter(pl.Series(counts == length))) > length))
    unread = f" longer than {length} tokens; what comes behind was not read"
    notes += [Tally(cut, "text", after=unread)] if cut else []
    target = read_target(prepared, frame)
    notes += [] if target is None else unusable_note(prepared, target)
    return EncodedRows((tokens, counts), target, frame.height, np.arange(frame.height), notes)


def _targets(texts: Texts, request: Request, source: Source) -> list[str]:
    """The columns to predict.

    Raises:
        TrainwellError: `exclusive_arguments`, `missing_target`.
    """
    if request.target and request.targets:
        raise TrainwellError(
            "exclusive_arguments", "target and targets were both given.", argument="targets",
            allowed="one of: target, targets",
        )  # fmt: skip
    known = request.target or texts.table.file.target
    if request.targets or known:
        return list(dict.fromkeys(request.targets or [known or ""]))
    others = [column for column in texts.table.columns.values() if column.name != texts.name]
    shown = source.shown if source.path is not None else None
    raise targets.no_target([one.name for one in others], candidates(others, texts.table.height), shown)


def _named(names: list[str], texts: Texts) -> list[str]:
    """The same names, none of which is a column of texts.

    Raises:
        TrainwellError: `missing_column`, `target_not_usable`.
    """
    require(names, list(texts.table.columns), "target")
    wrong = next((name for name in names if name == texts.name or texts.table.columns[name].kind == "text"), None)
    if wrong is not None:
        raise TrainwellError(
            "target_not_usable", "The target is a column of texts.", argument="target", got=wrong,
            hint="Name a column of classes or numbers.",
        )  # fmt: skip
    return names


def _divide(request: Request, table: TypedTable, labels: LabelReader) -> Division:
    """The rows by split, as numbers among the usable ones."""
    name = split_column(request, list(table.columns))
    by = None
    if name is not None:
        table.require_given([name])
        by = column_of_series(table.frame[name].gather(table.rows))
    strata = targets.groups_for(labels.target, request.split)
    return divide(len(table.rows), request, strata, by=by, given=table.given_among_rows())


def _fit(config: Config, train: pl.Series) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer, and its JSON."""
    name = AUTO if config.tokenizer == "auto" else config.tokenizer
    if name not in tokenizers.NAMES:
        name = str(_folder(name))
    tokenizer = tokenizers.fit(name, train, config.vocabulary, lowercase=config.lowercase)
    return tokenizer, tokenizers.packed(tokenizer)


def _folder(name: str) -> Path:
    return workspace_at_work().resolve_read(name, "options/tokenizer", folder=True)


def _length(config: Config, tokenizer: Tokenizer, train: pl.Series) -> tuple[int, str]:
    """After how many tokens texts are cut, and a sentence about it."""
    sample = train if len(train) <= _MEASURED_ROWS else train.sample(_MEASURED_ROWS, seed=0)
    counts = tokenizer.counts(sample)
    most = min(tokenizer.longest or LONGEST_OTHERS, LONGEST.get(tokenizer.kind, LONGEST_OTHERS))
    fitting = -(-int(np.quantile(counts, COVERED, method="higher")) // _STEP) * _STEP
    length = config.length or max(_STEP, min(most, fitting))
    whole = float((counts <= length).mean())
    how = "as asked" if config.length else f"chosen to hold {COVERED:.0%} of the training texts whole, at most {most}"
    return length, f"Tokenizer: {tokenizer.told()}. length {length}: {how}; {whole:.1%} are whole."


def _write(folder: Path, split: str, tokenizer: Tokenizer, cells: pl.Series, length: int) -> None:
    tokens = open_memmap(folder / f"{split}_{TOKENS}.npy", mode="w+", dtype=np.int32, shape=(len(cells), length))
    lengths = np.zeros(len(cells), np.int64)
    for start in range(0, len(cells), _PIECE_ROWS):
        part = slice(start, start + _PIECE_ROWS)
        tokens[part], lengths[part] = tokenizers.rows_of(tokenizer, cells[part], length)
    tokens.flush()
    np.save(folder / f"{split}_{LENGTH}.npy", lengths, allow_pickle=False)


def _write_raw(path: Path, table: TypedTable, places: Rows, targets_of: tuple[str, ...]) -> None:
    """Raw rows, for another run's preprocessing and for slices."""
    kept = [name for name, column in table.columns.items() if column.kind != "nested" or name in targets_of]
    pl.DataFrame([lists_as_text(table.frame[name]).gather(places) for name in kept]).write_parquet(path)
