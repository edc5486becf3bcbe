"""Healthy trainings by chance: a set, a door, a family, and settings that people who know take; and what is sane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from tests.corpus.drawn.kinds import log_uniform
from tests.corpus.drawn.plans import Net, Plan
from tests.corpus.drawn.sources import SETS, Subset
from tests.corpus.second.sources import LEARNT

if TYPE_CHECKING:
    from tests.corpus.sources import Array

KINDS = {"tabular": 0.5, "image": 0.2, "series": 0.18, "text": 0.12}
DOORS = {"tools": 0.5, "python": 0.28, "loop": 0.22}
FAMILIES = {"tabular": ("mlp", "mlp", "tabular"), "image": ("cnn", "cnn", "cnn", "resnet"),
            "series": ("gru", "lstm", "tcn"), "text": ("bag", "transformer")}  # fmt: skip
# Rates of adamw, and steps in all.
RATES = {"mlp": (1e-3, 5e-3), "tabular": (1e-3, 4e-3), "cnn": (2e-3, 6e-3), "resnet": (2e-3, 6e-3), "gru": (3e-3, 1e-2),
         "lstm": (4e-3, 1e-2), "tcn": (3e-3, 1e-2), "transformer": (1e-3, 3e-3), "bag": (4e-3, 1.5e-2)}  # fmt: skip
STEPS = {"mlp": (400, 650), "tabular": (200, 300), "cnn": (220, 320), "resnet": (130, 180), "gru": (180, 280),
         "lstm": (220, 320), "tcn": (90, 140), "transformer": (250, 350), "bag": (250, 350)}  # fmt: skip
# Share of what a cheap baseline knows beyond guessing that a sane training reaches.
SANE = 0.85


def drawn_twin(random: np.random.Generator) -> Plan:
    """A training that is meant to be sane."""
    data = _subset(random)
    door = _chosen(random, DOORS) if data.kind != "text" and data.name != "pixels" else "tools"
    families = FAMILIES[data.kind] if door == "tools" else {"tabular": ("mlp",), "image": ("cnn",)}.get(
        data.kind, ("gru", "lstm"))  # fmt: skip
    family = families[random.integers(len(families))]
    net = Net(widths=_widths(random, data.kind), activation=(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh)[random.integers(4)],
              dropout=float(random.choice([0.0, 0.0, 0.1, 0.3])), norm=bool(random.random() < 0.5))  # fmt: skip
    options = _options(random, family, net) if door == "tools" else {}
    # Series go to the tools as one file: so they were drawn when the first seeds were measured.
    parted = door != "tools" or (data.kind != "series" and bool(random.random() < 0.6))
    return Plan(door, data, family, parted, _train(random, door, family, data.rows), net, options)


def _chosen(random: np.random.Generator, shares: Mapping[str, float]) -> str:
    return str(random.choice(list(shares), p=list(shares.values())))


def _subset(random: np.random.Generator) -> Subset:
    kind = _chosen(random, KINDS)
    name = str(random.choice(list(SETS[kind])))
    rows = round(log_uniform(random, *((400, 900) if kind != "tabular" else (400, 2000))))
    seed = int(random.integers(2**31))
    whole = Subset(kind, name, rows, float(random.uniform(0.7, 1.0)), seed)
    return Subset(kind, name, len(whole.arrays()[0]), whole.columns, seed)


def _widths(random: np.random.Generator, kind: str) -> tuple[int, ...]:
    if kind != "tabular":
        return (int(random.integers(28, 56)),)
    depth, width = int(random.integers(1, 5)), int(random.choice([32, 48, 64, 96, 128]))
    return (width,) * depth


def _options(random: np.random.Generator, family: str, net: Net) -> dict[str, Any]:
    dropout = {"dropout": net.dropout}
    return {
        "mlp": {"hidden_dims": list(net.widths), **dropout},
        "tabular": {},
        "cnn": {"channels": [[8, 16], [12, 24], [16, 32]][random.integers(3)]},
        "resnet": {"depth": 8, "width": int(random.choice([8, 12]))},
        "tcn": {"hidden_size": int(random.integers(16, 32))},
        "transformer": {"width": int(random.choice([32, 48])), "depth": int(random.integers(1, 3)), **dropout},
        "bag": {},
    }.get(family, {"hidden_size": net.widths[0]})


def _train(random: np.random.Generator, door: str, family: str, rows: int) -> dict[str, Any]:
    batch = int(random.choice([16, 32, 32, 64, 64]))
    epochs = round(random.uniform(*STEPS[family]) * batch / (0.7 * rows))
    train: dict[str, Any] = {"batch_size": batch, "epochs": int(np.clip(epochs, 8, 60))}
    if family == "mlp" and random.random() < 0.35:
        momentum = {"momentum": 0.9} if door == "loop" else {}
        train |= {"optimizer": "sgd", "lr": log_uniform(random, 0.01, 0.06), **momentum}
    else:
        train |= {"lr": log_uniform(random, *RATES[family])}
    if door == "loop":
        return train
    schedule = str(random.choice(["onecycle", "cosine", "linear", "constant"]))
    return {**train, "scheduler": schedule, "weight_decay": float(random.choice([0.0, 1e-4, 0.01, 0.05]))}


# What is sane.


def floor_of(plan: Plan) -> float:
    """The score below which a training is not sane: most of what linear models or trees reach on the same rows."""
    x, y = plan.data.arrays()
    cut = int(LEARNT * len(x))
    x = _words(x, cut) if plan.data.kind == "text" else x.reshape(len(x), -1)
    chance = 0.0 if plan.data.is_quantity else float(np.bincount(y[cut:]).max() / len(y[cut:]))
    best = max(_scores(x, y, cut, is_quantity=plan.data.is_quantity))
    return chance + SANE * max(0.0, best - chance)


def _words(texts: Array, cut: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    words: Any = TfidfVectorizer()
    return words.fit(texts[:cut]).transform(texts)


def _scores(x: Any, y: Array, cut: int, *, is_quantity: bool) -> list[float]:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    linear = RidgeCV() if is_quantity else LogisticRegression(max_iter=200)
    trees = (ExtraTreesRegressor if is_quantity else ExtraTreesClassifier)(60, random_state=0)
    models: tuple[Any, ...] = (Pipeline([("scale", StandardScaler(with_mean=False)), ("learn", linear)]), trees)
    return [float(model.fit(x[:cut], y[:cut]).score(x[cut:], y[cut:])) for model in models]
