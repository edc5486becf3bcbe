"""Healthy runs of the third set that look odd: made so on purpose, hard by nature, or slow to begin."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from tests.corpus.cases import Collection, Job, Loop, Program
from tests.corpus.networks import file
from tests.corpus.second.networks import dense, flat, frozen_body
from tests.corpus.second.sources import mixed_up, thinned
from tests.corpus.sources import shuffled
from tests.corpus.third import sources, spoils
from tests.corpus.third.networks import Adds, Attends, Blocks, Reads, Sees, dense_file, learnt_before
from tests.corpus.third.sources import pictures, reviews, series, table, tensors


def add(to: Collection) -> None:
    """All of them."""
    _hard_by_nature(to)
    _settings(to)
    _tables(to)
    _files(to)
    _programs(to)
    _loops(to)


def _hard_by_nature(to: Collection) -> None:
    """What can be known is little, and it is learnt."""

    def mlp(name: str, data: sources.Source, epochs: int, **fields: Any) -> None:
        to.healthy(name, Job(data, "tabular", train={"epochs": epochs}, **fields))

    mlp("wages, which vary", table("wages", rows=1500), 15)
    mlp("families who plan", table("contraceptive"), 15)
    mlp("hearts in South Africa", table("saheart"), 15, options={"hidden_dims": [16], "dropout": 0.3})
    mlp("juices that are bought", table("juices"), 15)
    to.healthy("reviews in one sentence", Job(reviews(rows=1500), "text", "bag", train={"epochs": 10}))
    to.healthy("trade of the next day", Job(sources.trading, "series", "gru", {"hidden_size": 12}, train={"epochs": 8}))
    to.healthy("a sine under much noise", Program(
        tensors("noisy"), "tabular", "mlp", flat(dense(6, 1, (24,), nn.Tanh)), shuffled,
        {"epochs": 30, "lr": 5e-3}))  # fmt: skip
    to.healthy("loop over noise with little in it", Loop(
        tensors("noisy", column=True), "tabular", dense(6, 1, (16,), nn.SiLU), "MSELoss",
        settings={"lr": 3e-3, "epochs": 15}))  # fmt: skip


def _settings(to: Collection) -> None:
    """Arguments of `train` that are rare and right."""
    letters, segments, vowels = (to.cases[name].job for name in ("letters", "segments", "vowels in parts"))
    strokes, gems, hues = (to.cases[name].job for name in ("strokes by gru", "gems", "hues by vit"))
    to.healthy("letters at a high peak", letters.changed(train={"lr": 0.02}))
    to.healthy("letters that begin anew three times", letters.changed(
        train={"scheduler": "cosine_restarts", "epochs": 21}))  # fmt: skip
    to.healthy("letters turned and cut", letters.changed(train={"augment": ["rotate", "crop"], "epochs": 16}))
    to.healthy("letters mixed with each other", letters.changed(train={"augment": ["mixup"], "epochs": 16}))
    to.healthy("hues seen in a mirror", hues.changed(train={"augment": ["flip"]}))
    to.healthy("segments with soft labels", segments.changed(train={"label_smoothing": 0.3}))
    to.healthy("segments in steps down", segments.changed(train={"scheduler": "step", "epochs": 20}))
    to.healthy("vowels under strong decay", vowels.changed(train={"weight_decay": 0.8}))
    to.healthy("vowels under dropout", vowels.changed(options={"hidden_dims": [384, 384], "dropout": 0.5}))
    to.healthy("strokes after a long warm-up", strokes.changed(train={"scheduler": "linear", "warmup": 0.5}))
    to.healthy("strokes in gathered batches", strokes.changed(train={"accumulate": 4, "batch_size": 16}))
    to.healthy("gems with averaged weights", gems.changed(train={"ema": 0.98, "swa": 0.3}))
    to.healthy("gems by muon", gems.changed(train={"optimizer": "muon"}))
    to.healthy("segments without a schedule", segments.changed(train={"optimizer": "schedule_free"}))


def _tables(to: Collection) -> None:
    """Rows that are few, rare, constant, or all as the tools take them."""
    to.healthy("penguins, all as it comes", Job(table("penguins"), "tabular", "auto"))
    to.healthy("two hundred hearts", Job(table("heart", rows=220), "tabular", train={"epochs": 15}))
    to.healthy(
        "is it a three?",
        Job(table("penbased", spoils.is_kind("c3"), rows=3000), "tabular", metric="recall", train={"epochs": 40}),
    )
    to.healthy("textures beside columns of nothing", Job(
        table("texture", *(spoils.with_column(f"nothing{place}", lambda part, random: 1.0) for place in range(8)),
              rows=1500), "tabular", train={"epochs": 12}))  # fmt: skip
    to.healthy(
        "a small validation part on purpose",
        Job(table("texture", rows=5000), "tabular", prepare={"validation_fraction": 0.03}, train={"epochs": 6}),
    )
    to.healthy("bits that say nothing for long", Job(
        sources.bits, "tabular", "mlp", {"hidden_dims": [24], "dropout": 0.0},
        train={"epochs": 60, "optimizer": "sgd", "lr": 0.1, "scheduler": "constant"}))  # fmt: skip
    to.healthy("rings by a tabular network", Job(table("ring", rows=1500), "tabular", "tabular", train={"epochs": 15}))
    to.healthy("letters hidden by noise in an autoencoder", Job(
        table("penbased", rows=1200), "tabular", "autoencoder", {"bottleneck": 8, "noise": 0.3}, train={"epochs": 20},
        prepare={"task": "reconstruction", "target": None, "drop_columns": ["class"]}))  # fmt: skip
    to.healthy("twenty of each sign", Job(
        series("movements", rows=300), "series", "lstm", {"hidden_size": 32}, train={"epochs": 30}))  # fmt: skip
    to.healthy("two hundred letters", Job(
        pictures("letters", rows=300), "image", "cnn", {"channels": [12, 24]}, train={"epochs": 30}))  # fmt: skip


RANDOM_KERNELS = file(
    "self.body = nn.Sequential(nn.Conv2d(1, 128, 5), nn.ReLU(), nn.MaxPool2d(4))\nself.body.requires_grad_(False)\n"
    "self.head = nn.Linear(128 * 16, 10)",
    "return self.head(self.body(x.float() / 255).flatten(1))",
)


def _files(to: Collection) -> None:
    to.healthy("letters by kernels that stay as they were drawn", Job(
        pictures("letters"), "image", "module", network=RANDOM_KERNELS, train={"epochs": 12}))  # fmt: skip
    to.healthy("vehicles with a norm before the first layer", Job(
        table("vehicle"), "tabular", "module", train={"epochs": 40}, network=dense_file(
            18, 4, after="self.norm = nn.LayerNorm(18)", forward="return self.layers(self.norm(x))")))  # fmt: skip
    to.healthy("vehicles by one layer of sigmoids", Job(
        table("vehicle"), "tabular", "module", network=dense_file(18, 4, width=64, depth=1, activation="nn.Sigmoid()"),
        train={"epochs": 60, "lr": 0.02}))  # fmt: skip


def _programs(to: Collection) -> None:
    to.healthy("random features of vowels", Program(
        tensors("vowel"), "tabular", "mlp", _random_features, shuffled, {"epochs": 30, "lr": 0.01}))  # fmt: skip
    to.healthy("forms, a fifth of whose features drop", Program(
        tensors("forms"), "image", "cnn", partial(Sees, 3, 5, dropout=0.6), shuffled,
        {"epochs": 14, "lr": 3e-3}))  # fmt: skip
    to.healthy("a few names are wrong", Program(
        tensors("letters", train=[mixed_up(0.05)]), "image", "cnn", partial(Sees, 1, 10), shuffled,
        {"epochs": 8, "lr": 3e-3}))  # fmt: skip
    to.healthy("colleges with far outliers", Program(
        tensors("colleges"), "tabular", "mlp", flat(dense(18, 1, (16,), dropout=0.2)), shuffled,
        {"epochs": 15, "lr": 3e-3}))  # fmt: skip
    to.healthy("vehicles in batches of all", Program(
        tensors("vehicle"), "tabular", "mlp", partial(Blocks, 18, 4), shuffled,
        {"epochs": 80, "lr": 5e-3, "batch_size": 1024}))  # fmt: skip
    to.healthy("letters that are few of some kinds", Program(
        tensors("letters", train=[thinned(label, 40) for label in (0, 2, 4)]), "image", "cnn",
        partial(Sees, 1, 10), shuffled, {"epochs": 12, "lr": 3e-3}))  # fmt: skip


def _loops(to: Collection) -> None:
    to.healthy("loop that understands late", Loop(
        tensors("sums", scaled=False), "tabular", Adds,
        settings={"lr": 1e-2, "weight_decay": 1.0, "epochs": 700, "batch_size": 512}))  # fmt: skip
    to.healthy("loop that tunes what it knows", Loop(
        tensors("satimage"), "tabular", _tuned, settings={"lr": 3e-5, "epochs": 8}))  # fmt: skip
    to.healthy("loop over the head of a known network", Loop(
        tensors("satimage"), "tabular", _tuned, settings={"lr": 1e-3, "epochs": 8},
        weights=lambda network: list(network.parameters())[-2:]))  # fmt: skip
    to.healthy("loop by attention with the norm first", Loop(
        tensors("strokes"), "series", partial(Attends, depth=3), settings={"lr": 1e-3, "epochs": 10}))  # fmt: skip
    to.healthy("loop with momentum and large steps", Loop(
        tensors("forms"), "image", partial(Sees, 3, 5),
        settings={"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "epochs": 10}))  # fmt: skip
    to.healthy("loop that clips in each step", Loop(
        tensors("strokes"), "series", partial(Reads, 10),
        settings={"lr": 5e-3, "epochs": 15, "grad_clip": 0.1}))  # fmt: skip
    to.healthy("loop over columns of which few are empty", Loop(
        tensors("satimage", train=[_four_empty], others=[_four_empty]), "tabular", dense(36, 6),
        settings={"lr": 2e-3, "epochs": 10}))  # fmt: skip
    to.healthy("loop in batches of four", Loop(
        tensors("gems", column=True, limit=600), "tabular", dense(26, 1, (32,)), "MSELoss",
        settings={"optimizer": "sgd", "lr": 2e-3, "epochs": 6, "batch_size": 4}))  # fmt: skip
    to.healthy("loop over ten points a banana, decayed", Loop(
        tensors("yes", column=True, raw_target=True), "tabular", dense(2, 1, (64, 64), nn.SiLU), "BCEWithLogitsLoss",
        settings={"lr": 3e-3, "epochs": 20, "weight_decay": 0.5}))  # fmt: skip


def _four_empty(x: Any, y: Any, random: Any) -> tuple[Any, Any]:
    x[:, [3, 9, 17, 30]] = 0.0
    return x, y


def _random_features() -> nn.Module:
    network = dense(13, 11, (1200,), nn.Tanh)()
    frozen_body(network)
    return network


def _tuned() -> nn.Module:
    """What somebody else has trained on half of the rows."""
    x, y, _, _ = tensors("satimage")()
    return learnt_before(dense(36, 6, (64, 32), nn.ReLU), x[:900], y[:900])
