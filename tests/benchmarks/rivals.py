"""What else a person would reach for on a table, as it comes; each is fitted, then judged on the test rows."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

if TYPE_CHECKING:
    from collections.abc import Callable


def perceptron(x: pd.DataFrame, *, classes: bool) -> Any:
    """scikit-learn's perceptron behind the usual scaling; without it, it would be no rival."""
    numbers = x.select_dtypes("number").columns
    words = x.columns.difference(numbers)
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), list(numbers)),
        (OneHotEncoder(handle_unknown="ignore"), list(words)),
    )
    return make_pipeline(columns, MLPClassifier(random_state=0) if classes else MLPRegressor(random_state=0))


def boosted(_: pd.DataFrame, *, classes: bool) -> Any:
    """scikit-learn's boosted trees; columns of words are categories to it."""
    return (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(random_state=0)


def lightgbm(_: pd.DataFrame, *, classes: bool) -> Any:
    """LightGBM; columns of words are categories to it. One thread, as all here."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMClassifier if classes else LGBMRegressor)(random_state=0, n_jobs=1, verbose=-1)


RIVALS: dict[str, Callable[..., Any]] = {"mlp": perceptron, "histgb": boosted, "lightgbm": lightgbm}


def score(name: str, table: pd.DataFrame, target: str, train: Any, test: Any) -> tuple[float, float]:
    """Accuracy, or r2 of numbers, on the test rows, and the seconds that fitting took.

    Args:
        name: One of RIVALS.
        table: All rows.
        target: Its column.
        train: Numbers of the rows to fit.
        test: Numbers of the rows to judge by.
    """
    x, y = table.drop(columns=target), table[target]
    classes = y.nunique() <= 30
    words = x.columns.difference(x.select_dtypes("number").columns)
    frame = x if name == "mlp" else x.astype(dict.fromkeys(words, "category"))
    model = RIVALS[name](x, classes=classes)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence: its own 200 epochs are its default
        model.fit(frame.iloc[train], y.iloc[train])
        seconds = time.perf_counter() - start
        given = model.predict(frame.iloc[test])
    return float((accuracy_score if classes else r2_score)(y.iloc[test], given)), seconds
