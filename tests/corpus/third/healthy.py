"""Healthy runs that the faults of the third set are made from."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from tests.corpus.cases import Collection, Job, Loop, Program
from tests.corpus.second.networks import dense, flat
from tests.corpus.second.sources import read_anew
from tests.corpus.sources import shuffled
from tests.corpus.third import sources
from tests.corpus.third.networks import Attends, Blocks, OfLengthOne, Reads, Sees, dense_file, pixels_file, tower
from tests.corpus.third.sources import parts, pictures, series, speeches, table, tensors

REST = {"type": "Linear", "out_features": 24}


def add(to: Collection) -> None:
    """All twins."""
    _tables(to)
    _pictures(to)
    _series(to)
    _texts(to)
    _programs(to)
    _loops(to)


def _tables(to: Collection) -> None:
    def mlp(name: str, data: sources.Source, epochs: int, **fields: object) -> None:
        to.healthy(name, Job(data, "tabular", train={"epochs": epochs}, **fields))

    mlp("segments", table("segment", rows=1500), 15)
    mlp("vowels in parts", parts("vowel"), 50)
    mlp("satellites", table("satimage", rows=1800), 12)
    mlp("satellites in parts", parts("satimage", rows=1800), 12)
    mlp("carseats", table("carseats"), 50)
    mlp("colleges", table("colleges"), 40)
    mlp("credit", table("german"), 15)
    mlp("topics", sources.topics, 20)
    mlp("spectra", sources.arrays("spectra"), 40)
    mlp("bits", sources.bits, 30)
    mlp("strokes, deep", table("penbased", rows=1500), 20, options={"hidden_dims": [48] * 6, "batch_norm": False})
    to.healthy("vowels", Job(table("vowel"), "tabular", "tabular", train={"epochs": 25}))
    to.healthy("gems", Job(table("gems", rows=1500), "tabular", "tabular", train={"epochs": 20}))
    to.healthy("gems in parts", Job(parts("gems", rows=1500), "tabular", "mlp", train={"epochs": 30}))
    to.healthy("defaults, weighted", Job(
        table("defaults", rows=4000), "tabular", "mlp", metric="recall",
        train={"epochs": 10, "class_weights": "balanced"}))  # fmt: skip
    to.healthy(
        "bananas by layers",
        Job(table("banana", rows=1500), "tabular", "layers", layers=(REST, "Tanh", REST, "Tanh"), train={"epochs": 30}),
    )
    to.healthy("strokes by autoencoder", Job(
        table("penbased", rows=1500), "tabular", "autoencoder", {"bottleneck": 6}, train={"epochs": 25},
        prepare={"task": "reconstruction", "target": None, "drop_columns": ["class"]}))  # fmt: skip
    to.healthy("vehicles by a file", Job(
        table("vehicle"), "tabular", "module", network=dense_file(18, 4, depth=3), train={"epochs": 40}))  # fmt: skip


def _pictures(to: Collection) -> None:
    to.healthy("letters", Job(pictures("letters"), "image", "cnn", {"channels": [12, 24]}, train={"epochs": 12}))
    to.healthy("hues by resnet", Job(
        pictures("hues", rows=600), "image", "resnet", {"depth": 8, "width": 8}, train={"epochs": 6}))  # fmt: skip
    to.healthy("hues by vit", Job(
        pictures("hues", rows=700), "image", "vit", {"dim": 32, "depth": 2, "patch_size": 6},
        train={"epochs": 10}))  # fmt: skip
    to.healthy("hues", Job(pictures("hues", rows=700), "image", "cnn", {"channels": [8, 16]}, train={"epochs": 8}))
    to.healthy("radii", Job(pictures("radii", rows=800), "image", "cnn", {"channels": [8, 16]}, train={"epochs": 15}))
    to.healthy("letters by a file", Job(
        pictures("letters"), "image", "module", network=pixels_file(10), train={"epochs": 20}))  # fmt: skip


def _series(to: Collection) -> None:
    for cell in ("rnn", "gru", "lstm"):
        to.healthy(f"strokes by {cell}", Job(
            series("strokes"), "series", cell, {"hidden_size": 24}, train={"epochs": 20}))  # fmt: skip
    to.healthy("strokes by tcn", Job(series("strokes"), "series", "tcn", {"hidden_size": 24}, train={"epochs": 40}))
    to.healthy("homes by lstm", Job(sources.homes, "series", "lstm", {"hidden_size": 16}, train={"epochs": 15}))
    to.healthy("bicycles by tcn", Job(sources.bicycles, "series", "tcn", {"hidden_size": 12}, train={"epochs": 25}))


def _texts(to: Collection) -> None:
    to.healthy("speeches by bag", Job(speeches(), "text", "bag", train={"epochs": 20}))
    to.healthy("speeches by transformer", Job(
        speeches(), "text", "transformer", {"width": 32, "depth": 1}, train={"epochs": 25}))  # fmt: skip


def _programs(to: Collection) -> None:
    to.healthy(
        "vehicles in Python",
        Program(tensors("vehicle"), "tabular", "mlp", partial(Blocks, 18, 4), shuffled, {"epochs": 25, "lr": 2e-3}),
    )
    to.healthy("spectra in Python", Program(
        tensors("spectra"), "arrays", "mlp", flat(dense(64, 1, (48, 24), nn.SiLU)), shuffled,
        {"epochs": 30, "lr": 3e-3}))  # fmt: skip
    to.healthy("letters in Python", Program(
        tensors("letters"), "image", "cnn", partial(Sees, 1, 10), shuffled, {"epochs": 10, "lr": 3e-3}))  # fmt: skip
    to.healthy(
        "letters of length one",
        Program(tensors("letters", scaled=False), "image", "cnn", OfLengthOne, shuffled, {"epochs": 10, "lr": 3e-3}),
    )
    to.healthy("forms in Python", Program(
        tensors("forms"), "image", "cnn", partial(Sees, 3, 5), shuffled, {"epochs": 10, "lr": 3e-3}))  # fmt: skip
    to.healthy("strokes in Python", Program(
        tensors("strokes"), "series", "gru", partial(Reads, 10), shuffled, {"epochs": 20, "lr": 5e-3}))  # fmt: skip
    to.healthy("strokes read anew", Program(
        tensors("strokes"), "series", "gru", partial(Reads, 10), read_anew(_trembling),
        {"epochs": 20, "lr": 5e-3}))  # fmt: skip
    to.healthy(
        "a tower in Python",
        Program(tensors("segment"), "tabular", "mlp", tower(19, 7, nn.Tanh, 5), shuffled, {"epochs": 15, "lr": 3e-3}),
    )


def _loops(to: Collection) -> None:
    to.healthy("loop over satellites by sgd", Loop(
        tensors("satimage"), "tabular", dense(36, 6, (64, 32), nn.ReLU),
        settings={"optimizer": "sgd", "lr": 0.02, "momentum": 0.9, "epochs": 15}))  # fmt: skip
    to.healthy("loop over gems", Loop(
        tensors("gems", column=True), "tabular", dense(26, 1, (64, 32)), "MSELoss",
        settings={"lr": 2e-3, "epochs": 15}))  # fmt: skip
    to.healthy("loop over forms", Loop(
        tensors("forms"), "image", partial(Sees, 3, 5, dropout=0.3), settings={"lr": 2e-3, "epochs": 10}))  # fmt: skip
    to.healthy(
        "loop over letters",
        Loop(tensors("letters"), "image", partial(Sees, 1, 10, norm=False), settings={"lr": 2e-3, "epochs": 12}),
    )
    to.healthy(
        "loop over strokes",
        Loop(tensors("strokes"), "series", partial(Reads, 10, cell=nn.LSTM), settings={"lr": 5e-3, "epochs": 15}),
    )
    to.healthy("loop by attention", Loop(
        tensors("strokes"), "series", Attends, settings={"lr": 2e-3, "epochs": 10, "warmup": 0.25}))  # fmt: skip
    to.healthy("loop over bananas, yes or no", Loop(
        tensors("yes", column=True, raw_target=True), "tabular", dense(2, 1, (32, 32), nn.ReLU), "BCEWithLogitsLoss",
        settings={"lr": 5e-3, "epochs": 20}))  # fmt: skip


def _trembling(path: Tensor) -> Tensor:
    return path + 0.05 * torch.randn_like(path)
