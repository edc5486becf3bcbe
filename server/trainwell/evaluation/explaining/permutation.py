"""How much worse a network gets when the values of a column are dealt out anew among the rows (Breiman 2001)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from trainwell.evaluation import tasks
from trainwell.evaluation.explaining.explained import Explained, ranked, some_rows
from trainwell.evaluation.explaining.groups import groups_of, joined_groups
from trainwell.evaluation.scored import score_rows
from trainwell.reports.importance import draw_importance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from trainwell.contract.specs import PreparedData
    from trainwell.data.parts import SplitArrays
    from trainwell.evaluation.explaining.groups import Group
    from trainwell.evaluation.metrics import Floats

SECONDS = 10.0
MOST_ROWS, FEWEST_ROWS = 2000, 200
REPEATS = 5
_UNITS = {"classification": "Rise of the log loss", "multilabel": "Rise of the log loss", "regression": "Fall of r2"}
_OTHER_UNIT = "Rise of the squared error, in variances"


def explain_columns(
    module: nn.Module, prepared: PreparedData, arrays: SplitArrays, picture: tuple[Path, str] | None
) -> Explained:
    """Shuffle every group of inputs several times, and groups that go together also as one.

    Raises:
        TrainwellError: `no_labelled_rows`.
    """
    began = time.monotonic()
    groups = groups_of(prepared)
    some = some_rows(arrays, MOST_ROWS)
    losses = _losses(module, prepared, some)
    if (time.monotonic() - began) * len(groups) * 2 > SECONDS:
        some = some_rows(arrays, FEWEST_ROWS)
        losses = _losses(module, prepared, some)
    together = joined_groups(prepared, groups, some.inputs)
    both = [*groups, *together]
    worse, repeats = _shuffled(module, prepared, some, both, losses, began + SECONDS)
    unit = _UNITS.get(prepared.task, _OTHER_UNIT)
    if prepared.task == "regression":
        worse /= max(float(np.var(np.asarray(some.target, np.float64))) * prepared.target_std**2, 1e-300)
    features = ranked([group.name for group in groups], worse[: len(groups)])
    joint = ranked([group.name for group in together], worse[len(groups) :]) if together else []
    alone = "go together, so each alone seems to matter less; shuffled as one:"
    notes = [f"{one.name} {alone} {one.measured()}." for one in joint]
    if repeats < REPEATS:
        notes.append(f"Shuffled {repeats} times only, for want of time.")
    if picture is not None:
        draw_importance(features, picture[0], title=picture[1], unit=unit, rows=len(some.target))
    method = f"permutation importance, mean of {repeats} shuffles"
    return Explained(method, unit, len(some.target), features, notes, columns=prepared.kind == "tabular")


def _losses(module: nn.Module, prepared: PreparedData, arrays: SplitArrays) -> Floats:
    """(rows that can be judged,) the loss of each; a row without a finite output has that of the worst other."""
    loss = score_rows(module, prepared, arrays, tasks.judge(prepared)).loss
    known = loss[np.isfinite(loss)]
    return np.where(np.isfinite(loss), loss, known.max() if len(known) else 0.0)


def _shuffled(
    module: nn.Module, prepared: PreparedData, arrays: SplitArrays, groups: Sequence[Group], losses: Floats,
    deadline: float,
) -> tuple[Floats, int]:  # fmt: skip
    """By how much the loss of each row rises, (groups, rows), the mean over as many shuffles as there was time for."""
    total = np.zeros((len(groups), len(losses)))
    for repeat in range(REPEATS):
        if repeat and time.monotonic() > deadline:
            return total / repeat, repeat
        order = np.random.default_rng(repeat).permutation(len(arrays.target))
        for number, group in enumerate(groups):
            kept = [(one, where, arrays.inputs[one][(slice(None), *where)].copy()) for one, where in group.places]
            for one, where, values in kept:
                arrays.inputs[one][(slice(None), *where)] = values[order]
            total[number] += _losses(module, prepared, arrays) - losses
            for one, where, values in kept:
                arrays.inputs[one][(slice(None), *where)] = values
    return total / REPEATS, REPEATS
