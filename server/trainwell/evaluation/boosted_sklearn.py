"""scikit-learn's HistGradientBoosting as `evaluation.boosting` asks for it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from trainwell.evaluation.boosting import LEARNING_RATE, MOST_ROUNDS, PATIENCE, Forest, in_time
from trainwell.evaluation.tasks.classification import log_probabilities
from trainwell.evaluation.tasks.multilabel import softplus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.data.table.columns_again import PlainColumns
    from trainwell.evaluation.boosting import Rows
    from trainwell.evaluation.metrics import Floats

# Between two looks at the validation loss and the clock.
_ROUNDS_AT_A_TIME = 10
# The library takes no column of more categories; such a column is read as a number, the commonest category first.
_MOST_LEVELS = 255


def grow(train: Rows, stop_by: Rows, asked: Sequence[PlainColumns], classes: int, deadline: float) -> Forest:
    """See `evaluation.boosting.Library`."""
    columns = train.columns
    categorical = [
        columns.levels.get(place, _MOST_LEVELS + 1) <= _MOST_LEVELS for place in range(columns.values.shape[1])
    ]
    kind: Any = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model: Any = kind(
        learning_rate=LEARNING_RATE, max_iter=0, warm_start=True, early_stopping=False, random_state=0,
        categorical_features=categorical,
    )  # fmt: skip
    best: Forest | None = None
    lowest = np.inf
    with threadpool_limits(1):
        for rounds in range(_ROUNDS_AT_A_TIME, MOST_ROUNDS + 1, _ROUNDS_AT_A_TIME):
            model.set_params(max_iter=rounds).fit(columns.values, train.target)
            loss = _loss(_margins(model, stop_by.columns, classes), stop_by.target, classes)
            if loss < lowest or best is None:
                lowest, best = loss, Forest([_margins(model, rows, classes) for rows in asked], rounds, hurried=False)
            if rounds - best.rounds >= PATIENCE:
                return best
            if not in_time(deadline):
                return Forest(best.outputs, best.rounds, hurried=True)
    assert best is not None  # noqa: S101 - the loop runs at least once
    return best


def _margins(model: Any, rows: PlainColumns, classes: int) -> Floats:
    """(rows, K); classes that no training row has are put far below the others."""
    found = np.asarray(model.decision_function(rows.values) if classes else model.predict(rows.values), np.float64)
    found = found.reshape(len(found), -1)
    if classes <= 2 or found.shape[1] == classes:
        return found
    known = np.asarray(model.classes_, np.int64)
    if found.shape[1] == 1:  # two of more classes
        found = np.concatenate([-found / 2, found / 2], axis=1)
    margins = np.full((len(found), classes), found.min() - 10.0)
    margins[:, known] = found
    return margins


def _loss(margins: Floats, target: Any, classes: int) -> float:
    """Mean squared error, or cross entropy in nats."""
    if not classes:
        return float(np.square(margins[:, 0] - target).mean())
    if classes == 2:
        return float(softplus(np.where(target > 0, -margins[:, 0], margins[:, 0])).mean())
    return float(-log_probabilities(margins)[np.arange(len(margins)), target].mean())
