"""How good a network is on one split: metrics with intervals, beside a baseline, and where it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.contract.text import finite
from trainwell.evaluation import tasks
from trainwell.evaluation.comparing import beside_trees
from trainwell.evaluation.numbers import with_intervals
from trainwell.evaluation.outputs import outputs
from trainwell.evaluation.pictures import Picture, chosen_picture
from trainwell.evaluation.scored import Scored, score_rows
from trainwell.evaluation.slices import check_slices, raw_values, slice_scores
from trainwell.evaluation.trees import Trees

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from trainwell.contract.specs import PreparedData, Split
    from trainwell.data.parts import SplitArrays
    from trainwell.evaluation.metrics import Ints
    from trainwell.evaluation.tasks import Judge

MOST_WORST = 5
FEW_ROWS = 50  # below this an interval is too wide to rest a decision on


def evaluate(
    module: nn.Module,
    prepared: PreparedData,
    arrays: SplitArrays,
    *,
    split: Split,
    raw: Path | None = None,
    slices: Sequence[str] = (),
    picture: Picture | None = None,
    trees: Trees | str | None = None,
) -> dict[str, Any]:
    """Judge a network on one split; every row goes through it once.

    Args:
        module: The network; its mode and device stay as they are.
        prepared: The data that it was trained on: classes, units and the baseline's guess come from there.
        arrays: The rows to judge by, encoded as `prepared` says.
        split: Their name, for the report.
        raw: Parquet file with the raw columns of the same rows in the same order.
        slices: Raw columns to break the score down by.
        picture: A picture of the scores that is drawn as well.
        trees: What trees say of the same rows, or why there are none to compare with.

    Returns: JSON without NaN: `split`, `rows`, `task`, `metrics` (a number or null by name, and [low, high] or null as
        `<name>_interval`), `interval_method`, `baseline` (with `beaten`: whether the 95 % interval lies clearly beyond
        it), `worst` (at most 5 rows by loss), `notes`, and the details of the task: `per_class`, `classes_left_out`
        and `confusions`; `per_label` and `labels_left_out`; `by_column` and `by_step`. `slices` where columns were
        given; `trees` as `beside_trees` has them.

    Raises:
        TrainwellError: `wrong_input_shape`, `no_labelled_rows`, `no_raw_columns`, `missing_column`, `data_damaged`,
            `no_such_picture`.
    """
    check_slices(raw, slices, len(arrays.target))
    judge = tasks.judge(prepared)
    kind = chosen_picture(judge, prepared, picture.kind) if picture is not None else ""
    scored = score_rows(module, prepared, arrays, judge)
    if picture is not None:
        _draw(module, judge, arrays, scored, picture, kind)
    summary = judge.summary(scored)
    told = with_intervals(summary.values, summary.intervals)
    report: dict[str, Any] = {
        "split": split,
        "rows": len(scored),
        "task": prepared.task,
        "metrics": told,
        "interval_method": summary.method,
        "baseline": judge.baseline(scored, summary),
        "worst": [_worst(judge, scored, prepared, index, raw) for index in _worst_first(scored)],
        **judge.details(scored),
    }
    if slices and raw is not None:
        report["slices"] = slice_scores(judge.slicing(scored), scored.places, raw, slices)
    if isinstance(trees, Trees):
        report["trees"] = beside_trees(judge, scored, arrays, trees)
    said = [] if trees is None else [trees] if isinstance(trees, str) else trees.notes
    report["notes"] = [*_notes(scored, report, judge.broken), *judge.notes(scored, told), *said]
    return finite(report)


def _draw(module: nn.Module, judge: Judge, arrays: SplitArrays, scored: Scored, picture: Picture, kind: str) -> None:
    """Draw the picture, for which some rows may be looked at again."""

    def look(index: Ints) -> tuple[list[Any], Any]:
        inputs = [array[scored.places[index]] for array in arrays.inputs]
        return inputs, np.concatenate(list(outputs(module, inputs)))

    judge.draw(kind, scored, look, picture.path, picture.title)


def _worst_first(scored: Scored) -> list[int]:
    """Places among the scored rows by loss; rows whose outputs are not finite come first."""
    loss = np.where(scored.finite, scored.loss, np.inf)
    most = min(MOST_WORST, len(loss))
    top = np.argpartition(-loss, most - 1)[:most]
    return [int(index) for index in top[np.argsort(-loss[top], kind="stable")]]


def _worst(judge: Judge, scored: Scored, prepared: PreparedData, index: int, raw: Path | None) -> dict[str, Any]:
    told = {"row": int(scored.rows[index]), **judge.row(scored, index)}
    values = raw_values(raw, int(scored.places[index]), without=prepared.target)
    return told if values is None else {**told, "values": values}


def _notes(scored: Scored, report: dict[str, Any], effect: str) -> list[str]:
    rows, broken = len(scored), int((~scored.finite).sum())
    unseen = "their target is missing or of a class not seen in training"
    notes = {
        f"The network gives NaN or infinity for {broken} of {rows} rows: {effect}.": broken > 0,
        f"{scored.left_out} rows were left out: {unseen}.": scored.left_out > 0,
        f"Only {rows} rows: read the intervals, not the values.": rows < FEW_ROWS,
        f"Not clearly better than the baseline ({report['baseline']['how']}).": not report["baseline"]["beaten"],
        "These rows were trained on: the score says nothing about new rows.": report["split"] == "train",
    }
    return [note for note, holds in notes.items() if holds]
