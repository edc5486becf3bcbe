"""Prepared data of each task, small, for a network that echoes its first input."""

import numpy as np

from tests.factories import prepared_data
from trainwell.contract.specs import Baseline, TargetColumn, TensorSpec

LABELS = ("red", "green", "blue")


def multilabel(labels=LABELS, counts=(60, 20, 10), rows=100):
    return prepared_data(
        task="multilabel", classes=labels, class_counts=counts, target_shape=(len(labels),), target="",
        inputs=(TensorSpec(name="x", shape=(len(labels),)),), splits={"train": rows, "validation": 0, "test": 0},
    )  # fmt: skip


def forecasting(horizon=3, names=("sales", "heat"), window=8, season=4, std=(10.0, 2.0), scale=(5.0, 1.0)):
    columns = tuple(TargetColumn(name=name, mean=100.0 * i, std=std[i]) for i, name in enumerate(names))
    return prepared_data(
        task="forecasting", kind="series", classes=(), class_counts=(), target_shape=(horizon, len(names)),
        target_columns=columns, target=names[0],
        inputs=(TensorSpec(name="past", shape=(window, len(names)), role="sequence", sizes=(len(names),)),),
        encoding={"naive": {"season": season, "scale": list(scale[: len(names)]), "how": "one season before"}},
        baseline=Baseline(metric="val_r2", value=0.1, how="naive"),
    )  # fmt: skip


def reconstruction(shape=(4,), image=False):
    scale = {"role": "image", "dtype": "uint8", "mean": (100.0,) * shape[0], "std": (50.0,) * shape[0]}
    spec = TensorSpec(name="x", shape=shape, **(scale if image else {}))
    return prepared_data(
        task="reconstruction", classes=(), class_counts=(), target_shape=shape, inputs=(spec,), target="the inputs"
    )


def seasonal(rows=60, season=4, window=8, horizon=3, columns=2, noise=0.3, seed=0):
    """Windows of series with a season: (past, target), standardised."""
    random = np.random.default_rng(seed)
    starts = random.integers(0, 100, rows)[:, None, None]
    steps = np.arange(window + horizon)[None, :, None]
    wave = np.sin(2 * np.pi * (starts + steps) / season) + np.zeros((1, 1, columns))
    whole = (wave + noise * random.normal(size=wave.shape)).astype(np.float32)
    return whole[:, :window], whole[:, window:]
