"""Learning curves of known faults, made by formula: what can be told from the losses of epochs alone.

Twenty curves of each of seven faults and sixty healthy ones, from one seed. Seeds below `FIRST_REPORTED` were looked at
when thresholds were chosen; those from there on are for reporting only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from trainwell.contract.trace import EpochRecord, Trace

EACH, HEALTHY = 20, 60
FIRST_REPORTED = 100
# Codes that name a fault rightly.
ACCEPTED = {
    "nan": {"non_finite_loss"},
    "divergence": {"divergence", "learning_rate_too_high"},
    "overfitting": {"overfitting"},
    "plateau": {"plateau", "underfitting", "learning_rate_too_low"},
    "not_learning": {"not_learning", "plateau", "learning_rate_too_low"},
    "spikes": {"loss_spikes"},
    "rate_too_high": {"learning_rate_too_high", "oscillation"},
}


@dataclass(frozen=True)
class Curve:
    """Losses by epoch, and accuracies where they were logged."""

    train: np.ndarray
    val: np.ndarray
    train_accuracy: np.ndarray | None = None
    val_accuracy: np.ndarray | None = None


@dataclass(frozen=True)
class Scene:
    """What is common to a fault and to a healthy run: length, scale, noise."""

    epochs: int
    start: float
    classes: int | None
    noise: float


def scene(generator: np.random.Generator) -> Scene:
    classes = int(generator.choice([2, 3, 5, 10, 20, 100])) if generator.random() < 0.75 else None
    start = math.log(classes) if classes else float(10 ** generator.uniform(-1, 2))
    start *= float(generator.uniform(0.97, 1.12))
    return Scene(int(generator.integers(12, 61)), start, classes, float(generator.uniform(0.003, 0.05)))


def falling(here: Scene, generator: np.random.Generator, *, floor: tuple[float, float] = (0.03, 0.3)) -> np.ndarray:
    """A fall from the start towards a floor (shares of the start), exponential, by a power, or after a wait."""
    epoch = np.arange(here.epochs)
    low = generator.uniform(*floor)
    pace = here.epochs / generator.uniform(3.5, 9)
    kind = generator.integers(3)
    if kind == 0:
        share = np.exp(-epoch / pace)
    elif kind == 1:
        share = (1 + epoch / pace) ** -generator.uniform(1.3, 2.2)
    else:
        wait = generator.uniform(0, 0.12) * here.epochs
        share = np.exp(-np.clip(epoch - wait, 0, None) / pace)
    return here.start * (low + (1 - low) * share)


def rough(values: np.ndarray, noise: float, generator: np.random.Generator) -> np.ndarray:
    return values * np.exp(generator.normal(0, noise, len(values)))


def scores(losses: np.ndarray, here: Scene, generator: np.random.Generator) -> np.ndarray | None:
    """Accuracy that goes with a loss, in classes."""
    if here.classes is None:
        return None
    chance = 1 / here.classes
    known = np.clip(1 - losses / math.log(here.classes), 0, 1) ** 0.8
    right = chance + (1 - chance) * known + generator.normal(0, 0.006, len(losses))
    return np.clip(right, 0, 1)


def curve(train: np.ndarray, val: np.ndarray, here: Scene, generator: np.random.Generator) -> Curve:
    train, val = rough(train, here.noise / 2, generator), rough(val, here.noise, generator)
    if generator.random() < 0.5:
        return Curve(train, val)
    return Curve(train, val, scores(train, here, generator), scores(val, here, generator))


def healthy(generator: np.random.Generator) -> Curve:
    here = scene(generator)
    train = falling(here, generator)
    gap = 1 + generator.uniform(0, 0.15) * np.linspace(0, 1, here.epochs)
    kind = generator.integers(4)
    if kind == 0:  # a rate that drops once
        at = int(here.epochs * generator.uniform(0.4, 0.7))
        train = np.where(np.arange(here.epochs) >= at, train * 0.6, train)
    elif kind == 1:  # noisy, but fine
        here = replace(here, noise=float(generator.uniform(0.05, 0.1)))
    elif kind == 2:  # one small bump
        train = train.copy()
        train[int(generator.integers(here.epochs // 2, here.epochs - 1))] *= generator.uniform(1.05, 1.25)
    return curve(train, train * gap + 0.02 * here.start, here, generator)


def nan(generator: np.random.Generator) -> Curve:
    made = healthy(generator)
    train, val = made.train.copy(), made.val.copy()
    at = int(generator.integers(1, len(train)))
    if generator.random() < 0.4:
        grows = np.arange(max(0, at - 2), at)
        train[grows] *= generator.uniform(2, 50)
    bad = math.nan if generator.random() < 0.8 else math.inf
    only_val = generator.random() < 0.15
    val[at:] = bad
    if not only_val:
        train[at:] = bad
    return Curve(train, val)


def divergence(generator: np.random.Generator) -> Curve:
    here = scene(generator)
    train = falling(here, generator, floor=(0.15, 0.5))
    at = int(here.epochs * generator.uniform(0.25, 0.65))
    grown = np.exp(generator.uniform(0.12, 0.6) * np.arange(1, here.epochs - at + 1))
    top = here.start * generator.uniform(1.0, 8.0)
    low = train[at]
    train[at:] = np.maximum(np.minimum(low * grown, top), low)
    if train[-1] < 2.5 * low:
        train[at:] = np.linspace(low, max(2.5 * low, 0.9 * here.start), here.epochs - at)
    return curve(train, train * generator.uniform(1.0, 1.2), here, generator)


def overfitting(generator: np.random.Generator) -> Curve:
    here = scene(generator)
    train = falling(here, generator, floor=(0.01, 0.12))
    at = int(here.epochs * generator.uniform(0.2, 0.6))
    val = train * 1.1 + here.start * generator.uniform(0.1, 0.3)
    rise = generator.uniform(0.3, 1.5)
    val[at:] = val[at] * (1 + rise * np.linspace(0, 1, here.epochs - at))
    return curve(train, val, here, generator)


def plateau(generator: np.random.Generator) -> Curve:
    here = scene(generator)
    level = generator.uniform(0.55, 0.85)
    pace = generator.uniform(0.8, 3)
    train = here.start * (level + (1 - level) * np.exp(-np.arange(here.epochs) / pace))
    return curve(train, train * generator.uniform(1.0, 1.05), here, generator)


def not_learning(generator: np.random.Generator) -> Curve:
    here = replace(scene(generator), noise=float(generator.uniform(0.001, 0.015)))
    train = np.full(here.epochs, here.start) * (1 - generator.uniform(0, 0.05) * np.linspace(0, 1, here.epochs))
    return curve(train, train * generator.uniform(1.0, 1.02), here, generator)


def spikes(generator: np.random.Generator) -> Curve:
    here = replace(scene(generator), noise=float(generator.uniform(0.003, 0.03)))
    here = replace(here, epochs=max(here.epochs, 20))
    train = falling(here, generator, floor=(0.08, 0.3))
    count = int(generator.integers(2, 5))
    places = generator.choice(np.arange(3, here.epochs - 2), count, replace=False)
    for place in places:
        train[place] = train[place] * generator.uniform(2.5, 8)
    return curve(train, train * generator.uniform(1.0, 1.1), here, generator)


def rate_too_high(generator: np.random.Generator) -> Curve:
    here = scene(generator)
    level = here.start * generator.uniform(0.6, 1.3)
    kind = generator.integers(2)
    if kind == 0:  # bounces around a level
        train = level * np.exp(generator.normal(0, generator.uniform(0.25, 0.6), here.epochs))
        train[0] = here.start
    else:  # thrown up at once, then bounces high above guessing
        top = here.start * generator.uniform(2, 20)
        train = top * np.exp(generator.normal(0, 0.3, here.epochs))
        train[0] = here.start * generator.uniform(1.0, 1.5)
    return curve(train, train * np.exp(generator.normal(0, 0.1, here.epochs)), here, generator)


FAULTS: dict[str, Callable[[np.random.Generator], Curve]] = {
    "nan": nan,
    "divergence": divergence,
    "overfitting": overfitting,
    "plateau": plateau,
    "not_learning": not_learning,
    "spikes": spikes,
    "rate_too_high": rate_too_high,
}


def faulty(seed: int) -> list[tuple[str, Curve]]:
    """Twenty curves of each fault."""
    kinds = list(FAULTS)
    return [
        (kind, FAULTS[kind](np.random.default_rng([seed, number, kinds.index(kind)])))
        for kind in kinds
        for number in range(EACH)
    ]


def fine(seed: int) -> list[Curve]:
    """Sixty healthy curves."""
    return [healthy(np.random.default_rng([seed, number, len(FAULTS)])) for number in range(HEALTHY)]


def trace(made: Curve) -> Trace:
    """The curve as a stranger's run: numbers by epoch, nothing else."""
    columns = {"train_loss": made.train, "val_loss": made.val}
    if made.train_accuracy is not None and made.val_accuracy is not None:
        columns |= {"train_accuracy": made.train_accuracy, "val_accuracy": made.val_accuracy}
    rows = zip(*columns.values(), strict=True)
    return Trace(
        epochs=tuple(
            EpochRecord(number, number, **dict(zip(columns, map(float, row), strict=True)))
            for number, row in enumerate(rows, 1)
        )
    )
