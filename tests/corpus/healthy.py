"""Healthy runs of every kind: the twins of the faults, and runs that look odd and are fine."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.corpus import networks, sources
from tests.corpus.cases import Collection, Job, Program
from tests.corpus.networks import convolutional, file, stack, stack_file
from tests.corpus.sources import images, shops, shuffled, split_table, table, tensors, texts, waves

SHORT = {"epochs": 15}
IMAGE = (1, 8, 8)


def add(to: Collection) -> None:
    """All healthy runs, twins first."""
    _by_tools(to)
    _by_python(to)
    _odd_by_tools(to)
    _odd_by_python(to)


def _by_tools(to: Collection) -> None:
    to.healthy("digits mlp", Job(table("digits"), "tabular", train=SHORT))
    to.healthy("digits mlp split", Job(split_table("digits"), "tabular", train=SHORT))
    to.healthy("cancer mlp", Job(table("breast_cancer"), "tabular", train=SHORT))
    to.healthy("cancer mlp split", Job(split_table("breast_cancer"), "tabular", train=SHORT))
    to.healthy("diabetes mlp", Job(table("diabetes"), "tabular", options={"hidden_dims": [16]}, train=SHORT))
    to.healthy("wine tabular", Job(table("wine"), "tabular", "tabular", train=SHORT))
    to.healthy("moons mlp", Job(table("moons"), "tabular", options={"hidden_dims": [32, 32]}, train={"epochs": 30}))
    to.healthy("moons layers", Job(
        table("moons"), "tabular", "layers", train={"epochs": 30},
        layers=({"type": "Linear", "out_features": 32}, "ReLU", {"type": "Linear", "out_features": 32}, "ReLU"),
    ))  # fmt: skip
    to.healthy("digits module", Job(table("digits"), "tabular", "module", network=stack_file(61, 10), train=SHORT))
    to.healthy("digits cnn", Job(images(), "image", "cnn", {"channels": [8, 16]}, train={"epochs": 8}))
    to.healthy("digits image module", Job(images(), "image", "module", network=SEES_PIXELS, train=SHORT))
    to.healthy("digits autoencoder", Job(
        table("digits"), "tabular", "autoencoder", {"bottleneck": 16}, train={"epochs": 12},
        prepare={"task": "reconstruction", "target": None, "drop_columns": ["target"]},
    ))  # fmt: skip
    to.healthy("waves gru", Job(waves(), "series", "gru", {"hidden_size": 16}, train=SHORT))
    to.healthy("waves lstm", Job(waves(), "series", "lstm", {"hidden_size": 16}, train=SHORT))
    to.healthy("shops gru", Job(shops, "series", "gru", {"hidden_size": 16}, train={"epochs": 12}))
    to.healthy("texts bag", Job(texts(), "text", "bag", train={"epochs": 12}))
    to.healthy("texts transformer", Job(
        texts(), "text", "transformer", {"width": 32, "depth": 1}, train={"epochs": 8, "batch_size": 32},
    ))  # fmt: skip


SEES_PIXELS = file(
    "self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))",
    "return self.layers(x.float() / 127.5 - 1)",
)


def _by_python(to: Collection) -> None:
    def program(name: str, network: Any, **changes: Any) -> Program:
        made = {"rows": tensors(name), "kind": "tabular", "family": "mlp", "loader": shuffled,
                "train": {"epochs": 15, "lr": 2e-3}}  # fmt: skip
        return Program(**made | {"network": network} | changes)

    to.healthy("python digits", program("digits", stack(64, 10)))
    to.healthy(
        "python cancer", program("breast_cancer", stack(30, 2), train={"epochs": 15, "lr": 2e-3, "batch_size": 16})
    )
    to.healthy("python cancer with sgd", program(
        "breast_cancer", stack(30, 2), train={"epochs": 15, "lr": 0.05, "batch_size": 16, "optimizer": "sgd"}
    ))  # fmt: skip
    to.healthy("python diabetes", program(
        "diabetes", stack(10, 1, (32,)), train={"epochs": 20, "lr": 5e-3, "batch_size": 16}
    ))  # fmt: skip
    to.healthy("python wine", program("wine", stack(13, 3), train={"epochs": 20, "lr": 5e-3, "batch_size": 16}))
    to.healthy("python moons", program("moons", stack(2, 2, (32, 32)), train={"epochs": 30, "lr": 5e-3}))
    to.healthy("python cnn", program(
        "digits", convolutional(), rows=tensors("digits", shape=IMAGE), kind="image", family="cnn",
        train={"epochs": 8, "lr": 5e-3},
    ))  # fmt: skip
    to.healthy("python gru", program(
        "digits", networks.Recurrent, rows=tensors("digits", shape=(8, 8)), kind="series", family="gru",
        train={"epochs": 10, "lr": 5e-3},
    ))  # fmt: skip
    to.healthy("python deep tanh", program("digits", stack(64, 10, (32,) * 5, nn.Tanh)))
    to.healthy("python stream", program("digits", stack(64, 10), train={"epochs": 15, "lr": 2e-3, "stream": True}))


def _odd_by_tools(to: Collection) -> None:
    mlp = to.cases["digits mlp"].job
    cnn = to.cases["digits cnn"].job
    module = to.cases["digits module"].job
    assert isinstance(mlp, Job)
    assert isinstance(cnn, Job)
    assert isinstance(module, Job)
    to.healthy("small set", Job(table("iris"), "tabular", train={"epochs": 40}))
    to.healthy("tiny batches", Job(table("breast_cancer"), "tabular", train={"epochs": 6, "batch_size": 4}))
    to.healthy("sgd", mlp.changed(train={"optimizer": "sgd", "lr": 0.05}))
    to.healthy(
        "high rate that is fine", mlp.changed(train={"optimizer": "sgd", "lr": 0.4}, options={"batch_norm": True})
    )
    to.healthy("label smoothing", mlp.changed(train={"label_smoothing": 0.2}))
    to.healthy("strong dropout that works", mlp.changed(options={"hidden_dims": [512], "dropout": 0.6}))
    to.healthy("imbalanced but fine", Job(table("digits", sources.is_class(0)), "tabular", train=SHORT))
    to.healthy("muon", mlp.changed(train={"optimizer": "muon"}))
    to.healthy("schedule free", mlp.changed(train={"optimizer": "schedule_free"}))
    to.healthy("restarts", mlp.changed(train={"scheduler": "cosine_restarts", "epochs": 20}))
    to.healthy("long warm-up", mlp.changed(train={"warmup": 0.6}))
    to.healthy("averaged weights", mlp.changed(train={"swa": 0.3, "epochs": 20}))
    to.healthy("mild augmentation", cnn.changed(train={"augment": ["crop", "rotate"], "epochs": 12}))
    to.healthy("weight decay 1", mlp.changed(train={"weight_decay": 1.0}))
    to.healthy("no clipping", mlp.changed(train={"grad_clip": 0}))
    to.healthy("clipped in every step", mlp.changed(train={"grad_clip": 0.1}))
    to.healthy("constant rate", mlp.changed(train={"scheduler": "constant", "lr": 1e-3}))
    to.healthy("ended early", mlp.changed(train={"epochs": 60, "early_stopping": 5}))
    to.healthy("batch norm instead of scaling", module.changed(
        network=stack_file(61, 10, after="self.norm = nn.BatchNorm1d(61)", forward="return self.layers(self.norm(x))")
    ))  # fmt: skip
    to.healthy("frozen features that are good", module.changed(network=FROZEN_FEATURES, train={"lr": 0.01}))
    to.healthy("an unused branch", module.changed(network=stack_file(61, 10, after="self.spare = nn.Linear(4, 4)")))
    to.healthy("log softmax at the end", module.changed(
        network=stack_file(61, 10, forward="return F.log_softmax(self.layers(x), dim=1)")
    ))  # fmt: skip
    to.healthy("few epochs are enough", Job(table("breast_cancer"), "tabular", train={"epochs": 5, "batch_size": 8}))
    to.healthy("noisy target", Job(table("diabetes"), "tabular", train={"epochs": 10}, options={"hidden_dims": [8]}))
    to.healthy("copies within training", mlp.changed(
        data=split_table("digits", train=[sources.first_rows(700), sources.repeated_rows(2)])
    ))  # fmt: skip


FROZEN_FEATURES = file(
    "self.features = nn.Linear(61, 1024)\nself.head = nn.Linear(1024, 10)\n"
    "for parameter in self.features.parameters():\n    parameter.requires_grad_(False)",
    "return self.head(torch.relu(self.features(x)))",
)


def _odd_by_python(to: Collection) -> None:
    digits, cancer = to.cases["python digits"].job, to.cases["python cancer"].job
    assert isinstance(digits, Program)
    assert isinstance(cancer, Program)
    to.healthy("python raw with batch norm", cancer.changed(
        rows=tensors("breast_cancer", scaled=False), network=stack(30, 2, first=lambda: nn.BatchNorm1d(30))
    ))  # fmt: skip
    to.healthy("python raw small numbers", digits.changed(rows=tensors("digits", scaled=False)))
    to.healthy("python frozen features that are good", digits.changed(
        network=stack(64, 10, (1024,), after=networks.freeze_all_but_last), train={"lr": 1e-2}
    ))  # fmt: skip
    to.healthy("python a few blank columns", digits.changed(rows=tensors("digits", train=[sources.blank_columns(0.2)],
                                                            others=[sources.blank_columns(0.2)])))  # fmt: skip
    to.healthy("python one moved column", digits.changed(rows=tensors("digits", others=[_one_moved])))
    to.healthy("python a spike that passes", digits.changed(loader=_with_one_wild_batch))


def _one_moved(x: Any, y: Any, random: Any) -> tuple[Any, Any]:
    x[:, 20] += 1.5
    return x, y


def _with_one_wild_batch(x: torch.Tensor, y: torch.Tensor, batch_size: int) -> Any:
    """A few rows of the training set are far outside."""
    x = x.clone()
    x[5:9] *= 8
    return shuffled(x, y, batch_size)
