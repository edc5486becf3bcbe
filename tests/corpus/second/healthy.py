"""Healthy runs of the second set: twins, and runs that look odd and are fine."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.corpus.cases import Collection, Job, Loop, Program
from tests.corpus.second import sources
from tests.corpus.second.networks import Attention, Dropping, HalfUsed, Steps, dense, flat, frozen_body, pixels
from tests.corpus.second.sources import houses_table, loans, pictures, read_anew, sentences, series, tensors
from tests.corpus.sources import shuffled


def add(to: Collection) -> None:
    """All healthy runs, twins first."""
    _by_tools(to)
    _by_python(to)
    _own_loops(to)
    _odd_by_tools(to)
    _odd_by_python(to)
    _odd_loops(to)


def _by_tools(to: Collection) -> None:
    to.healthy("mnist by cnn", Job(pictures(), "image", "cnn", {"channels": [8, 16]}, train={"epochs": 8}))
    to.healthy("mnist by resnet", Job(
        pictures(rows=600), "image", "resnet", {"depth": 8, "width": 8}, train={"epochs": 16}))  # fmt: skip
    to.healthy("oscillations by tcn", Job(series(), "series", "tcn", {"hidden_size": 16}, train={"epochs": 20}))
    to.healthy(
        "houses by tools", Job(houses_table(), "tabular", "mlp", {"hidden_dims": [32, 16]}, train={"epochs": 40})
    )
    to.healthy("clusters by tools", Job(houses_table(name="clusters"), "tabular", "mlp", train={"epochs": 15}))
    to.healthy("loans by tools", Job(loans, "tabular", "mlp", {"hidden_dims": [32]}, train={"epochs": 15}))
    to.healthy("sentences by bag", Job(sentences(), "text", "bag", train={"epochs": 15}))
    to.healthy("sentences by transformer", Job(
        sentences(), "text", "transformer", {"width": 32, "depth": 2}, train={"epochs": 10}))  # fmt: skip


def _by_python(to: Collection) -> None:
    to.healthy("mnist in Python", Program(
        tensors("mnist"), "image", "cnn", pixels(), shuffled, {"epochs": 8, "lr": 4e-3}))  # fmt: skip
    to.healthy(
        "photographs in Python",
        Program(tensors("photographs"), "image", "cnn", pixels(3, 4, norm=True), shuffled, {"epochs": 8, "lr": 4e-3}),
    )
    to.healthy("mnist read anew", Program(
        tensors("mnist"), "image", "cnn", pixels(), read_anew(_shifted), {"epochs": 8, "lr": 4e-3}))  # fmt: skip
    to.healthy("clusters in Python", Program(
        tensors("clusters"), "tabular", "mlp", dense(20, 5), shuffled, {"epochs": 15, "lr": 4e-3}))  # fmt: skip
    to.healthy("circles in Python", Program(
        tensors("circles"), "tabular", "mlp", dense(2, 2, (24, 24)), shuffled, {"epochs": 25, "lr": 0.01}))  # fmt: skip
    to.healthy("houses in Python", Program(
        tensors("houses"), "tabular", "mlp", flat(dense(13, 1, (48, 24), nn.SiLU)), shuffled,
        {"epochs": 40, "lr": 4e-3}))  # fmt: skip
    to.healthy("cars in Python", Program(
        tensors("cars"), "tabular", "mlp", flat(dense(7, 1, (32, 32), nn.ELU)), shuffled,
        {"epochs": 40, "lr": 4e-3}))  # fmt: skip
    to.healthy("oscillations by lstm", Program(
        tensors("oscillations"), "series", "lstm", Steps, shuffled, {"epochs": 20, "lr": 0.01}))  # fmt: skip


def _own_loops(to: Collection) -> None:
    to.healthy("loop over mnist", Loop(tensors("mnist"), "image", pixels(), settings={"lr": 2e-3, "epochs": 8}))
    to.healthy("loop over mnist with dropout", Loop(
        tensors("mnist"), "image", lambda: Dropping(always=False), settings={"lr": 2e-3, "epochs": 10}))  # fmt: skip
    to.healthy("loop over photographs", Loop(
        tensors("photographs"), "image", pixels(3, 4, norm=True), settings={"lr": 2e-3, "epochs": 8}))  # fmt: skip
    to.healthy("loop over clusters by sgd", Loop(
        tensors("clusters"), "tabular", dense(20, 5, (64, 64), nn.ReLU),
        settings={"optimizer": "sgd", "lr": 0.02, "momentum": 0.9, "epochs": 15}))  # fmt: skip
    to.healthy("loop over cars", Loop(
        tensors("cars", column=True), "tabular", dense(7, 1, (32, 32)), "MSELoss",
        settings={"lr": 4e-3, "epochs": 40, "batch_size": 32}))  # fmt: skip
    to.healthy("loop over formulas", Loop(
        tensors("friedman"), "tabular", lambda: HalfUsed(forgets=False), "MSELoss",
        settings={"lr": 3e-3, "epochs": 30}))  # fmt: skip
    to.healthy("loop over oscillations", Loop(
        tensors("oscillations"), "series", lambda: Steps(nn.GRU), settings={"lr": 5e-3, "epochs": 15}))  # fmt: skip
    to.healthy("loop by attention with warm-up", Loop(
        tensors("oscillations", limit=480), "series", Attention,
        settings={"lr": 1.5e-3, "epochs": 12, "warmup": 0.2, "batch_size": 32}))  # fmt: skip


def _shifted(picture: Tensor) -> Tensor:
    """A picture moved by up to two pixels."""
    down, right = torch.randint(-2, 3, (2,)).tolist()
    return picture.roll((down, right), (1, 2))


def _noisy(picture: Tensor) -> Tensor:
    """Moved, and with half of its pixels hidden and much noise: training is harder than validation."""
    return _shifted(picture) * (torch.rand_like(picture) > 0.5) + 0.5 * torch.randn_like(picture)


def _odd_by_tools(to: Collection) -> None:
    to.healthy(
        "one cycle to a high peak",
        Job(
            pictures(), "image", "cnn", {"channels": [8, 16]}, train={"epochs": 10, "lr": 0.02, "scheduler": "onecycle"}
        ),
    )
    to.healthy(
        "mixup and cutmix at once",
        Job(pictures(), "image", "cnn", {"channels": [8, 16]}, train={"epochs": 20, "augment": ["mixup", "cutmix"]}),
    )
    to.healthy("rare loans, weighted", Job(
        lambda root: loans(root, rare=-3.5), "tabular", "mlp", {"hidden_dims": [32]}, metric="recall",
        train={"epochs": 15, "class_weights": "balanced"}))  # fmt: skip
    to.healthy("half precision", Job(
        pictures(), "image", "cnn", {"channels": [8, 16]}, train={"epochs": 8, "precision": "bf16"}))  # fmt: skip
    to.healthy(
        "cosine to a high peak",
        Job(houses_table(name="clusters"), "tabular", "mlp", train={"epochs": 20, "lr": 0.01, "scheduler": "cosine"}),
    )
    to.healthy("houses by a tabular network", Job(houses_table(), "tabular", "tabular", train={"epochs": 30}))
    to.healthy("a hundred oscillations by gru", Job(
        series(rows=120), "series", "gru", {"hidden_size": 16}, train={"epochs": 40}))  # fmt: skip


def _odd_by_python(to: Collection) -> None:
    mlp = {"epochs": 15, "lr": 4e-3}
    to.healthy("much noise on pictures", Program(
        tensors("mnist"), "image", "cnn", pixels(), read_anew(_noisy), {"epochs": 10, "lr": 4e-3}))  # fmt: skip
    to.healthy("a body that is frozen on purpose", Program(
        tensors("clusters"), "tabular", "mlp", _random_features, shuffled, {"epochs": 25, "lr": 0.01}))  # fmt: skip
    to.healthy("dropout of a half", Program(
        tensors("clusters"), "tabular", "mlp", dense(20, 5, (256, 128), dropout=0.5), shuffled,
        {"epochs": 25, "lr": 4e-3}))  # fmt: skip
    to.healthy(
        "few large batches",
        Program(
            tensors("clusters"), "tabular", "mlp", dense(20, 5), shuffled, {"epochs": 40, "lr": 0.01, "batch_size": 750}
        ),
    )
    to.healthy("answers with heavy tails", Program(
        tensors("friedman", train=[sources.heavy_tails(0.03)]), "tabular", "mlp", flat(dense(10, 1, (32,))), shuffled,
        {"epochs": 30, "lr": 4e-3}))  # fmt: skip
    to.healthy("sparse columns", Program(
        tensors("houses", scaled=False, train=[sources.sparse], others=[sources.sparse]), "tabular", "mlp",
        flat(dense(156, 1, (16,))), shuffled, {"epochs": 20, "lr": 2e-3, "weight_decay": 0.1}))  # fmt: skip
    to.healthy(
        "a few labels are wrong",
        Program(
            tensors("clusters", train=[sources.mixed_up(0.03)]), "tabular", "mlp", dense(20, 5, (32,)), shuffled, mlp
        ),
    )
    to.healthy("two rare classes that are found", Program(
        tensors("clusters", train=[sources.thinned(1, 60), sources.thinned(3, 60)]), "tabular", "mlp", dense(20, 5),
        shuffled, {**mlp, "epochs": 25}))  # fmt: skip
    to.healthy("labels at their limit", Program(
        tensors("circles"), "tabular", "mlp", dense(2, 2, (16,)), shuffled, {"epochs": 60, "lr": 0.01}))  # fmt: skip
    to.healthy("a deep network with norms", Program(
        tensors("photographs"), "image", "cnn", pixels(3, 4, norm=True), shuffled,
        {"epochs": 10, "lr": 0.02, "optimizer": "sgd"}))  # fmt: skip

    to.healthy(
        "weights pulled to zero, which does no harm",
        Program(tensors("mnist"), "image", "cnn", pixels(), shuffled, {"epochs": 20, "lr": 0.02, "weight_decay": 1.0}),
    )


def _odd_loops(to: Collection) -> None:
    to.healthy("loop of batches of one", Loop(
        tensors("cars", column=True), "tabular", dense(7, 1, (24,)), "MSELoss",
        settings={"optimizer": "sgd", "lr": 2e-3, "epochs": 10, "batch_size": 1}))  # fmt: skip
    to.healthy("loop that waits, then learns", Loop(
        tensors("circles"), "tabular", dense(2, 2, (24, 24, 24), nn.Tanh),
        settings={"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "epochs": 40}))  # fmt: skip
    to.healthy("loop over a head alone", Loop(
        tensors("clusters"), "tabular", _random_features, settings={"lr": 0.01, "epochs": 25},
        weights=lambda network: [weight for weight in network.parameters() if weight.requires_grad]))  # fmt: skip
    to.healthy("loop with a rate that falls", Loop(
        tensors("mnist"), "image", pixels(), settings={"lr": 4e-3, "epochs": 12}, lost_rate=0.75))  # fmt: skip
    to.healthy("loop with clipping in most steps", Loop(
        tensors("oscillations"), "series", lambda: Steps(nn.GRU),
        settings={"lr": 5e-3, "epochs": 15, "grad_clip": 0.3}))  # fmt: skip
    to.healthy(
        "loop over 150 series",
        Loop(
            tensors("oscillations", limit=150), "series", lambda: Steps(nn.GRU, 16), settings={"lr": 0.01, "epochs": 25}
        ),
    )
    to.healthy("loop with norms and batches of eight", Loop(
        tensors("photographs", limit=800), "image", pixels(3, 4, norm=True),
        settings={"lr": 1e-3, "epochs": 5, "batch_size": 8}))  # fmt: skip


def _random_features() -> nn.Module:
    """Wide random features, frozen, under a head that learns."""
    network = dense(20, 5, (1500,), nn.ReLU)()
    frozen_body(network)
    return network
