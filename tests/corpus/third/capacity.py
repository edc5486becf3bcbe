"""Faults of capacity."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from tests.corpus.cases import Collection
from tests.corpus.second.networks import dense
from tests.corpus.third import spoils
from tests.corpus.third.healthy import REST
from tests.corpus.third.networks import Blocks, Reads
from tests.corpus.third.sources import parts, pictures, speeches, tensors

LONG = {"early_stopping": 0, "weight_decay": 0.0}


def add(to: Collection) -> None:
    """All faults of capacity."""
    fault = partial(to.fault, group="capacity")
    _by_heart(fault)
    _too_small(fault)
    _too_short(fault)
    _held_back(fault)


def _by_heart(fault: Callable[..., None]) -> None:
    over = "overfitting"
    fault("carseats learnt by heart", twin="carseats", causes=over, options={"hidden_dims": [512, 512], "dropout": 0.0},
          metric="loss", train={"epochs": 80, **LONG})  # fmt: skip
    fault("credit learnt by heart", twin="credit", causes=over, options={"hidden_dims": [256, 256], "dropout": 0.0},
          metric="loss", train={"epochs": 50, **LONG})  # fmt: skip
    fault("two hundred speeches by transformer", twin="speeches by transformer", causes=over, data=speeches(rows=250),
          options={"width": 64, "depth": 2, "dropout": 0.0}, metric="loss", train={"epochs": 25, **LONG})  # fmt: skip
    fault("letters of which there are few", twin="letters", causes=over, data=pictures("letters", rows=150),
          options={"channels": [32, 64], "dropout": 0.0}, metric="loss",
          train={"epochs": 40, "augment": [], **LONG})  # fmt: skip
    fault("a hundred vehicles in Python", twin="vehicles in Python", causes=over, rows=tensors("vehicle", limit=100),
          network=partial(Blocks, 18, 4, width=128), metric="loss", train={"epochs": 60, **LONG})  # fmt: skip
    fault("loop over a hundred strokes", twin="loop over strokes", causes=over, rows=tensors("strokes", limit=100),
          network=partial(Reads, 10, cell=nn.LSTM, hidden=96), metric="loss",
          train={"epochs": 60, "batch_size": 16})  # fmt: skip
    fault("vowels named by dice", twin="vowels in parts", mends=False,
          causes="memorised_noise label_noise labels_misaligned", data=parts("vowel", train=(spoils.mistyped(0.91),)),
          options={"hidden_dims": [256, 256], "dropout": 0.0}, train={"epochs": 60, **LONG})  # fmt: skip


def _too_small(fault: Callable[..., None]) -> None:
    under = "underfitting"
    fault("segments through one unit", twin="segments", causes=under, options={"hidden_dims": [1]},
          train={"epochs": 30})  # fmt: skip
    fault("topics through one unit", twin="topics", causes=under, options={"hidden_dims": [1]}, train={"epochs": 30})
    fault("letters by one channel", twin="letters", causes=under, options={"channels": [1, 1], "head": "mean"})
    fault("strokes with a memory of one", twin="strokes by gru", causes=under, options={"hidden_size": 1},
          train={"epochs": 30})  # fmt: skip
    fault("strokes through a code of one", twin="strokes by autoencoder", causes=under, options={"bottleneck": 1})
    fault("loop over satellites through one unit", twin="loop over satellites by sgd", causes=under, mends=False,
          network=dense(36, 6, (1,), nn.Tanh))  # fmt: skip
    fault("bananas and straight lines", twin="bananas by layers", causes="no_nonlinearity underfitting", mends=False,
          layers=(REST, REST))  # fmt: skip
    fault("yes or no along a line", twin="loop over bananas, yes or no", causes="no_nonlinearity underfitting",
          mends=False, network=dense(2, 1, (32, 32), nn.Identity))  # fmt: skip


def _too_short(fault: Callable[..., None]) -> None:
    few = "too_few_epochs stopped_too_early"
    fault("two epochs over vowels", twin="vowels", causes=few, train={"epochs": 2})
    fault("one epoch over letters", twin="letters", causes=few, train={"epochs": 1})
    fault("all speeches in one batch", twin="speeches by transformer", causes=few,
          train={"batch_size": 1024, "epochs": 5})  # fmt: skip
    fault("two epochs over spectra", twin="spectra in Python", causes=few, train={"epochs": 2, "lr": 1e-3})
    fault("strokes without patience", twin="strokes by gru", causes=few,
          train={"early_stopping": 1, "scheduler": "constant", "lr": 5e-4, "epochs": 60})  # fmt: skip
    fault("carseats without patience", twin="carseats", causes=few,
          train={"early_stopping": 1, "scheduler": "constant", "lr": 2e-4, "epochs": 100})  # fmt: skip


def _held_back(fault: Callable[..., None]) -> None:
    strong = "dropout_too_strong"
    fault("vowels of which nine tenths drop", twin="vowels in parts", causes=strong,
          options={"hidden_dims": [48, 48], "dropout": 0.85})  # fmt: skip
    fault("letters of which nine tenths drop", twin="letters", causes=strong,
          options={"channels": [12, 24], "dropout": 0.9}, train={"epochs": 8})  # fmt: skip
    fault(
        "vehicles of which nine tenths drop",
        twin="vehicles in Python",
        causes=strong,
        mends=False,
        network=lambda: nn.Sequential(nn.Dropout(0.85), *dense(18, 4, (64, 64), nn.ReLU, dropout=0.85)()),
    )
