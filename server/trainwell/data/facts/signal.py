"""Facts of inputs beside targets: do neighbours, a plane or a single column tell the target, and who is told wrong.

Nothing is judged on rows that it was fitted on. Neighbours and a plane are cheap stand-ins for a network: what they
can tell, a network should; what only they cannot tell is left open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell.data.facts.sample import Comparable, comparable

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData
    from trainwell.data.facts.sample import Array, Sample

# Rows that are compared with each other, and of validation with them.
ROWS, JUDGED = 1000, 500
FEWEST, FEWEST_OTHERS = 40, 15
# Neighbours that are asked, and the share of the rows whose neighbours agree most, which are sure.
NEIGHBOURS, SURE = 10, 0.15
# Weight of the ridge, over the rows.
RIDGE = 0.1
# Cells that a column's range is cut into, with as many rows in each.
CELLS = 32


@dataclass(frozen=True)
class _Rows:
    """Training rows as points, validation rows on the same scale."""

    points: Array
    target: Array
    others: Array
    other_target: Array


def facts(prepared: PreparedData, train: Sample, validation: Sample) -> dict[str, Any]:
    """What the inputs tell of the target; of other tasks than classes and single values nothing is told."""
    codes = prepared.task == "regression" and train.target.ndim == 1
    if (prepared.task != "classification" and not codes) or min(len(train.rows), len(validation.rows)) < 5:
        return {}
    rows = _rows(train, validation)
    if len(rows.points) < FEWEST or not rows.points.shape[1]:
        return {}
    found = _of_values(prepared, rows) if codes else _of_classes(len(prepared.classes), rows)
    return found | _best_column(prepared, train, validation)


def _rows(train: Sample, validation: Sample) -> _Rows:
    random = np.random.default_rng(0)
    some = np.sort(random.permutation(len(train.rows))[:ROWS])
    other = np.sort(random.permutation(len(validation.rows))[:JUDGED])
    known = np.isfinite(np.asarray(train.target[some], np.float64))
    some = some[known]
    to_points: Comparable = comparable(train, some)
    return _Rows(to_points(train, some), train.target[some], to_points(validation, other), validation.target[other])


def _nearest(points: Array, others: Array | None = None) -> Array:
    """(rows, NEIGHBOURS) places in `points` of the nearest ones to each row; a row is no neighbour of its own."""
    asked = points if others is None else others
    squares = (points**2).sum(axis=1)
    distances = squares[None, :] - 2 * asked @ points.T
    if others is None:
        np.fill_diagonal(distances, np.inf)
    count = min(NEIGHBOURS, len(points) - 1)
    return np.argpartition(distances, count - 1, axis=1)[:, :count]


def _of_classes(classes: int, rows: _Rows) -> dict[str, Any]:
    base = np.bincount(rows.target, minlength=classes).max() / len(rows.target)
    votes = _votes(rows.target[_nearest(rows.points)], classes)
    here = _skill((votes.argmax(axis=1) == rows.target).mean(), base)
    scores = _plane(rows.points, np.eye(classes)[rows.target])
    plane = _skill((scores.argmax(axis=1) == rows.target).mean(), base)
    other_votes = _votes(rows.target[_nearest(rows.points, rows.others)], classes)
    there = other_votes.argmax(axis=1)
    common = np.bincount(rows.other_target, minlength=classes).max() / len(rows.other_target)
    return {
        "data.signal": max(here, plane),
        "data.signal_balanced": max(_balanced(votes, rows.target), _balanced(scores, rows.target)),
        **_among(rows, classes, common),
        "data.signal_validation": _skill((there == rows.other_target).mean(), common),
        "data.signal_renamed": _skill(_renamed(there, rows.other_target, classes), common),
        **_wrong(votes, rows.target, other_votes, rows.other_target),
    }


def _among(rows: _Rows, classes: int, common: float) -> dict[str, Any]:
    """`signal_others`: what neighbours among validation rows alone tell."""
    if len(rows.others) < FEWEST:
        return {}
    told = _votes(rows.other_target[_nearest(rows.others)], classes).argmax(axis=1)
    return {"data.signal_others": _skill((told == rows.other_target).mean(), common)}


def _votes(labels: Array, classes: int) -> Array:
    """(rows, classes) how many neighbours bear each label."""
    votes = np.zeros((len(labels), classes), np.int64)
    for column in labels.T:
        np.add.at(votes, (np.arange(len(labels)), column), 1)
    return votes


def _skill(right: float, base: float) -> float:
    """Share of the way from the commonest class (0) to always right (1)."""
    return float((right - base) / (1 - base)) if base < 1 else 0.0


def _balanced(scores: Array, labels: Array) -> float:
    """Skill where every class counts alike: 0 is guessing, 1 always right; less two standard errors, at least 0.

    Where one class is common, always naming it is hard to beat by accuracy although the others can be told. So each
    score is taken beside its mean: the class that a row speaks for more than others do.

    Args:
        scores: (rows, classes), more for likelier classes.
        labels: (rows,).
    """
    told = (scores - scores.mean(axis=0)).argmax(axis=1)
    counts = np.bincount(labels, minlength=scores.shape[1])
    known = counts > 1
    if known.sum() < 2:
        return 0.0
    right = np.bincount(labels[told == labels], minlength=len(counts))[known] / counts[known]
    kinds = len(right)
    error = float(np.sqrt((np.clip(right * (1 - right), 0.05, None) / counts[known]).sum())) / kinds
    return max(0.0, (float(right.mean()) - 2 * error - 1 / kinds) / (1 - 1 / kinds))


def _plane(points: Array, wanted: Array) -> Array:
    """(rows, outputs) of a ridge regression that was fitted on the other half of the rows."""
    given = np.concatenate([points, np.ones((len(points), 1), np.float32)], axis=1).astype(np.float64)
    halves = np.arange(len(points)) % 2
    out = np.zeros(wanted.shape)
    for half in (0, 1):
        fitted, told = given[halves == half], given[halves != half]
        weight = RIDGE * len(fitted) * np.eye(given.shape[1])
        out[halves != half] = told @ np.linalg.solve(fitted.T @ fitted + weight, fitted.T @ wanted[halves == half])
    return out


def _renamed(told: Array, labels: Array, classes: int) -> float:
    """Share of rows that are right when every class that is told is renamed as suits best, each name once."""
    table = np.zeros((classes, classes))
    np.add.at(table, (told, labels), 1)
    right = 0.0
    for _ in range(classes):
        row, column = np.unravel_index(table.argmax(), table.shape)
        if table[row, column] <= 0:
            break
        right += float(table[row, column])
        table[row], table[:, column] = -1, -1
    return right / len(labels)


def _wrong(votes: Array, labels: Array, other_votes: Array, other_labels: Array) -> dict[str, Any]:
    """`wrong_labels`: of the rows whose neighbours agree most, the share that bears another label than they.

    Mistakes in labelling are as common where classes lie apart as where they overlap. So rows whose neighbours agree
    most show mistakes, and hardly any overlap: this share is that of wrong labels. `wrong_by_chance` is what it would
    be if neighbours told nothing, `wrong_labels_validation` the share among validation rows whose neighbours, taken
    from training, agree as much: overlap is the same there, mistakes of the training labels are not.
    """
    most = votes.max(axis=1)
    count = max(FEWEST, int(SURE * len(most)))
    if len(most) < count:
        return {}
    enough = np.sort(most)[-count]
    sure, others = most >= enough, other_votes.max(axis=1) >= enough
    told = votes.argmax(axis=1)[sure]
    shares = np.bincount(labels, minlength=votes.shape[1]) / len(labels)
    found = {
        "data.wrong_labels": float((told != labels[sure]).mean()),
        "data.wrong_by_chance": float(1 - shares[told].mean()),
        "data.sure_rows": float(sure.mean()),
    }
    if others.sum() >= FEWEST_OTHERS:
        wrong = other_votes.argmax(axis=1)[others] != other_labels[others]
        found["data.wrong_labels_validation"] = float(wrong.mean())
    return found


def _of_values(prepared: PreparedData, rows: _Rows) -> dict[str, Any]:
    target = np.asarray(rows.target, np.float64)
    variance = target.var()
    if variance <= 0:
        return {}
    near = target[_nearest(rows.points)].mean(axis=1)
    plane = _plane(rows.points, (target - target.mean())[:, None])[:, 0] + target.mean()
    there = target[_nearest(rows.points, rows.others)].mean(axis=1)
    other = np.asarray(rows.other_target, np.float64)
    # The mean of k neighbours has noise of its own, a k-th of the variance.
    found: dict[str, Any] = {
        "data.signal": float(max(1 - ((target - told) ** 2).mean() / variance for told in (near, plane))),
        "data.signal_validation": float(1 - ((other - there) ** 2).mean() / max(other.var(), 1e-12)),
    }
    codes, labels = np.unique(np.round(target * prepared.target_std + prepared.target_mean), return_inverse=True)
    if 2 <= len(codes) <= CELLS:
        base = np.bincount(labels).max() / len(labels)
        votes = _votes(labels[_nearest(rows.points)], len(codes))
        found["data.code_signal"] = _skill((votes.argmax(axis=1) == labels).mean(), base)
    return found


def _best_column(prepared: PreparedData, train: Sample, validation: Sample) -> dict[str, Any]:
    """How well the best single column tells the target of validation rows, and how well the next best does."""
    scores = [
        (_by_one(prepared, train, validation, place), place)
        for place in range(train.numbers.shape[1] if train.numbers.shape[1] <= 512 else 0)
    ]
    if len(scores) < 2:
        return {}
    (best, place), (second, _) = sorted(scores, reverse=True)[:2]
    return {"data.best_column": train.names[place], "data.best_column_tells": best, "data.next_column_tells": second}


def _by_one(prepared: PreparedData, train: Sample, validation: Sample, place: int) -> float:
    """Skill of telling the target by the cell that a column's value falls into."""
    column, other = train.numbers[:, place], validation.numbers[:, place]
    if not np.isfinite(column).all():
        return 0.0
    edges: Array = np.unique(np.quantile(column, np.linspace(0, 1, CELLS + 1)[1:-1]))
    cells, told = np.searchsorted(edges, column), np.searchsorted(edges, other)
    if prepared.task == "classification":
        classes = len(prepared.classes)
        table = np.zeros((len(edges) + 1, classes))
        np.add.at(table, (cells, train.target), 1)
        common = np.bincount(validation.target, minlength=classes).max() / len(validation.target)
        return _skill((table.argmax(axis=1)[told] == validation.target).mean(), common)
    return _line(column, np.asarray(train.target, np.float64), other, np.asarray(validation.target, np.float64))


def _line(column: Array, target: Array, other: Array, wanted: Array) -> float:
    """R2 on validation of a straight line through training rows."""
    spread = column.var()
    if spread <= 0 or wanted.var() <= 0:
        return 0.0
    slope = ((column - column.mean()) * (target - target.mean())).mean() / spread
    told = target.mean() + slope * (other - column.mean())
    return float(1 - ((wanted - told) ** 2).mean() / wanted.var())
