"""LightGBM as `evaluation.boosting` asks for it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
from lightgbm.callback import EarlyStopException

from trainwell.evaluation.boosting import LEARNING_RATE, MOST_ROUNDS, PATIENCE, Forest, in_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.data.table.columns_again import PlainColumns
    from trainwell.evaluation.boosting import Rows

# The same rows give the same trees.
_FIXED = {"num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 0, "verbosity": -1}


def grow(train: Rows, stop_by: Rows, asked: Sequence[PlainColumns], classes: int, deadline: float) -> Forest:
    """See `evaluation.boosting.Library`."""
    categorical = sorted(train.columns.levels)
    learnt = lightgbm.Dataset(train.columns.values, train.target, categorical_feature=categorical, params=dict(_FIXED))
    held_out = learnt.create_valid(stop_by.columns.values, stop_by.target)
    clock = _Clock(deadline)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    booster = lightgbm.train(
        {**_FIXED, **_objective(classes), "learning_rate": LEARNING_RATE}, learnt, MOST_ROUNDS, valid_sets=[held_out],
        callbacks=[stop, clock],
    )  # fmt: skip
    rounds = int(booster.best_iteration or booster.current_iteration())
    outputs = [
        np.asarray(booster.predict(rows.values, num_iteration=rounds, raw_score=True), np.float64) for rows in asked
    ]
    return Forest([margin.reshape(len(margin), -1) for margin in outputs], rounds, clock.up)


def _objective(classes: int) -> dict[str, Any]:
    if classes > 2:
        return {"objective": "multiclass", "num_class": classes}
    return {"objective": "binary" if classes else "regression"}


class _Clock:
    """Ends the training when the time is up, with the best round so far."""

    order = 40  # after early stopping has seen the round

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.up = False
        self._loss, self._round = float("inf"), 0

    def __call__(self, env: Any) -> None:
        loss = float(env.evaluation_result_list[0][2])
        if loss < self._loss:
            self._loss, self._round = loss, int(env.iteration)
        if not in_time(self.deadline):
            self.up = True
            raise EarlyStopException(self._round, env.evaluation_result_list)
