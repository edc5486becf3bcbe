"""Faults of capacity: too much of it, too little, too little time, too much held back."""

from __future__ import annotations

from tests.corpus import sources
from tests.corpus.cases import Collection
from tests.corpus.networks import convolutional, stack
from tests.corpus.sources import first_rows, noisy_labels, split_table, tensors, texts

GROUP = "capacity"


def add(to: Collection) -> None:
    """All faults of capacity."""
    _by_heart(to)
    _too_small(to)
    _too_short(to)
    _held_back(to)


def _by_heart(to: Collection) -> None:
    to.fault("few rows and a wide network", GROUP, "diabetes mlp", "overfitting",
             options={"hidden_dims": [256, 256], "dropout": 0.0}, train={"epochs": 60, "early_stopping": 0},
             metric="loss")  # fmt: skip
    to.fault("few texts and a transformer", GROUP, "texts transformer", "overfitting", data=texts(rows=200),
             options={"width": 64, "depth": 2, "dropout": 0.0}, train={"epochs": 25, "early_stopping": 0, "lr": 2e-3},
             metric="loss")  # fmt: skip
    to.fault("few rows in Python", GROUP, "python diabetes", "overfitting", network=stack(10, 1, (256, 256)),
             train={"epochs": 60, "early_stopping": 0}, metric="loss")  # fmt: skip
    noise = "memorised_noise label_noise overfitting"
    to.fault("noise learnt by heart", GROUP, "digits mlp split", noise,
             data=split_table("digits", train=[first_rows(400), noisy_labels(0.3)]),
             train={"epochs": 60, "early_stopping": 0}, options={"hidden_dims": [256, 256], "dropout": 0.0},
             mends=False)  # fmt: skip
    to.fault("noise learnt by heart, in Python", GROUP, "python cancer", noise,
             rows=tensors("breast_cancer", limit=200, train=[noisy_labels(0.25)]), network=stack(30, 2, (256, 256)),
             train={"epochs": 50, "early_stopping": 0}, mends=False)  # fmt: skip


def _too_small(to: Collection) -> None:
    to.fault("one hidden unit", GROUP, "digits mlp", "underfitting", options={"hidden_dims": [1]})
    to.fault("one channel", GROUP, "digits cnn", "underfitting", options={"channels": [1], "head": "mean"})
    to.fault("one unit of memory", GROUP, "shops gru", "underfitting", options={"hidden_size": 1})
    to.fault("two hidden units in Python", GROUP, "python digits", "underfitting", network=stack(64, 10, (2,)),
             mends=False)  # fmt: skip
    to.fault("a code of one number", GROUP, "digits autoencoder", "underfitting", options={"bottleneck": 1})
    to.fault("one channel in Python", GROUP, "python cnn", "underfitting", network=convolutional(channels=1),
             mends=False)  # fmt: skip


def _too_short(to: Collection) -> None:
    few = "too_few_epochs too_few_epochs"
    to.fault("one epoch", GROUP, "digits mlp", few, train={"epochs": 1, "lr": 5e-4})
    to.fault("two epochs of pictures", GROUP, "digits cnn", few, train={"epochs": 2, "lr": 1e-3})
    to.fault("all rows in one batch", GROUP, "cancer mlp", few, train={"epochs": 6, "batch_size": 4096, "lr": 1e-3})
    to.fault("two epochs of series", GROUP, "waves gru", few, train={"epochs": 2})
    to.fault("two epochs in Python", GROUP, "python digits", few, train={"epochs": 2, "lr": 5e-4})
    soon = "stopped_too_early too_few_epochs too_few_epochs"
    to.fault(
        "no patience",
        GROUP,
        "digits mlp",
        soon,
        train={"early_stopping": 1, "scheduler": "constant", "lr": 3e-4, "batch_size": 256, "epochs": 60},
    )
    to.fault("no patience with a noisy score", GROUP, "texts transformer", soon,
             train={"early_stopping": 1, "scheduler": "constant", "lr": 3e-4, "epochs": 30})  # fmt: skip
    to.fault("no time", GROUP, "digits mlp", soon, data=sources.table("digits", sources.repeated_rows(1)),
             train={"max_minutes": 0.01, "epochs": 600, "lr": 1e-3, "batch_size": 16})  # fmt: skip


def _held_back(to: Collection) -> None:
    to.fault("dropout 0.9", GROUP, "digits mlp", "dropout_too_strong",
             options={"hidden_dims": [32, 32], "dropout": 0.9})  # fmt: skip
    to.fault("dropout 0.9 in a transformer", GROUP, "texts transformer", "dropout_too_strong", options={"dropout": 0.9})
    to.fault("dropout 0.95 in Python", GROUP, "python digits", "dropout_too_strong",
             network=stack(64, 10, dropout=0.95), mends=False)  # fmt: skip
    to.fault("dropout 0.8 in a small network", GROUP, "cancer mlp", "dropout_too_strong",
             options={"hidden_dims": [8, 8], "dropout": 0.85})  # fmt: skip
