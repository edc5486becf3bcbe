"""Faults of optimisation: rates, decay, clipping, weights at the start, gradients that vanish or explode."""

from __future__ import annotations

import torch
from torch import nn

from tests.corpus import networks
from tests.corpus.cases import Collection
from tests.corpus.networks import constant_weights, deep_file, low_biases, scale_weights, stack, stack_file
from tests.corpus.sources import shuffled

GROUP = "optimisation"


def add(to: Collection) -> None:
    """All faults of optimisation."""
    _rates(to)
    _other_settings(to)
    _starts(to)
    _gradients(to)


def _rates(to: Collection) -> None:
    high, low = "learning_rate_too_high", "learning_rate_too_low plateau"
    to.fault("rate 1", GROUP, "digits mlp", high, train={"lr": 1.0})
    to.fault("rate 0.5 for pictures", GROUP, "digits cnn", high, train={"lr": 0.5})
    to.fault("rate 0.5 for series", GROUP, "waves gru", high, train={"lr": 0.5})
    to.fault("rate 0.3 for a transformer", GROUP, "texts transformer", high, train={"lr": 0.3})
    to.fault(
        "SGD with rate 1",
        GROUP,
        "cancer mlp",
        f"{high} non_finite_loss",
        train={"optimizer": "sgd", "lr": 1.0, "scheduler": "constant", "grad_clip": 0, "max_attempts": 1},
    )
    to.fault("rate 0.3 in Python", GROUP, "python digits", high, train={"lr": 0.3, "scheduler": "constant"})
    to.fault("rate 0.2 for a forecast", GROUP, "shops gru", high, train={"lr": 0.5})
    to.fault("rate 0.000001", GROUP, "digits mlp", low, train={"lr": 1e-6})
    to.fault("rate 0.00001 for pictures", GROUP, "digits cnn", low, train={"lr": 1e-5})
    to.fault("rate 0.00001 for series", GROUP, "waves lstm", low, train={"lr": 1e-5})
    to.fault("SGD with rate 0.0001", GROUP, "wine tabular", low, train={"optimizer": "sgd", "lr": 1e-4})
    to.fault("rate 0.000001 in Python", GROUP, "python cnn", low, train={"lr": 1e-6})
    to.fault("rate 0.00001 for texts", GROUP, "texts bag", low, train={"lr": 1e-5})


def _other_settings(to: Collection) -> None:
    decay, clip = "weight_decay_too_strong", "clip_too_small"
    to.fault("SGD with weight decay 0.5", GROUP, "digits mlp", decay,
             train={"optimizer": "sgd", "lr": 0.05, "weight_decay": 0.5, "scheduler": "constant"})  # fmt: skip
    to.fault("SGD with weight decay 0.5 in a regression", GROUP, "diabetes mlp", decay,
             train={"optimizer": "sgd", "lr": 0.05, "weight_decay": 0.5, "scheduler": "constant"})  # fmt: skip
    to.fault("SGD with weight decay 1 in Python", GROUP, "python wine", decay,
             train={"optimizer": "sgd", "lr": 0.05, "weight_decay": 1.0, "scheduler": "constant"})  # fmt: skip
    low = f"{clip} learning_rate_too_low"
    to.fault("gradients clipped to nothing", GROUP, "digits mlp", low,
             train={"optimizer": "sgd", "lr": 0.05, "grad_clip": 1e-4})  # fmt: skip
    to.fault("gradients clipped to nothing, in Python", GROUP, "python moons", low,
             train={"optimizer": "sgd", "lr": 0.05, "grad_clip": 1e-3})  # fmt: skip
    to.fault("batches of two under batch norm", GROUP, "digits mlp", "batch_norm_tiny_batches",
             train={"batch_size": 2, "epochs": 2}, options={"batch_norm": True})  # fmt: skip
    to.fault("batches of two under batch norm, in Python", GROUP, "python digits", "batch_norm_tiny_batches",
             network=networks.normed(64, 10), train={"batch_size": 2, "epochs": 6})  # fmt: skip


def _starts(to: Collection) -> None:
    start = "bad_initialisation"
    alike, large = start, f"{start} exploding_gradients saturated_units"
    to.fault(
        "weights all alike",
        GROUP,
        "digits module",
        alike,
        network=stack_file(61, 10, after="for parameter in self.parameters():\n    nn.init.constant_(parameter, 0.05)"),
        mends=False,
    )
    to.fault("weights all alike, in Python", GROUP, "python digits", alike,
             network=stack(64, 10, after=constant_weights), mends=False)  # fmt: skip
    to.fault("weights thirty times too large", GROUP, "digits module", large,
             network=stack_file(61, 10, after="for parameter in self.parameters():\n    parameter.data *= 30"),
             mends=False)  # fmt: skip
    to.fault("weights fifty times too large, in Python", GROUP, "python cancer", large,
             network=stack(30, 2, after=scale_weights(50.0)), mends=False)  # fmt: skip
    dead = "dead_units"
    to.fault("units that never fire", GROUP, "digits module", f"{dead} {start}",
             network=stack_file(61, 10, after="nn.init.constant_(self.layers[0].bias, -30.0)"),
             mends=False)  # fmt: skip
    to.fault("units that never fire, in Python", GROUP, "python digits", f"{dead} {start}",
             network=stack(64, 10, after=low_biases(-20.0)), mends=False)  # fmt: skip
    to.fault(
        "saturated units",
        GROUP,
        "digits module",
        f"saturated_units {start}",
        network=deep_file(61, 10, "Tanh", 3, after="for parameter in self.parameters():\n    parameter.data *= 20"),
        mends=False,
    )
    to.fault("saturated units in Python", GROUP, "python deep tanh", f"saturated_units {start}",
             network=stack(64, 10, (32,) * 5, nn.Tanh, after=scale_weights(15.0)), mends=False)  # fmt: skip


def _gradients(to: Collection) -> None:
    vanish, explode = "vanishing_gradients", "exploding_gradients"
    nan = "non_finite_loss"
    to.fault("eight sigmoids", GROUP, "digits module", vanish, network=deep_file(61, 10, "Sigmoid"), mends=False)
    to.fault("ten sigmoids in Python", GROUP, "python cancer", vanish, network=stack(30, 2, (32,) * 10, nn.Sigmoid),
             mends=False)  # fmt: skip
    to.fault("tiny weights through many layers", GROUP, "python deep tanh", f"{vanish} bad_initialisation",
             network=stack(64, 10, (32,) * 6, nn.Tanh, after=scale_weights(0.05)), mends=False)  # fmt: skip
    to.fault("growing weights through many layers", GROUP, "python digits", f"{explode} bad_initialisation",
             network=stack(64, 10, (64,) * 8, after=scale_weights(6.0)), mends=False)  # fmt: skip
    to.fault("a logarithm of what may be negative", GROUP, "python digits", nan,
             network=lambda: networks.Ending(torch.log), train={"max_attempts": 1}, mends=False)  # fmt: skip
    to.fault("a rate that breaks a loss", GROUP, "python diabetes", "learning_rate_too_high non_finite_loss",
             train={"optimizer": "sgd", "lr": 1.0, "grad_clip": 0, "max_attempts": 1, "scheduler": "constant"},
             network=stack(10, 1, (64, 64, 64)))  # fmt: skip
    to.fault("a division by nearly nothing", GROUP, "python digits", nan,
             network=lambda: networks.Ending(lambda z: z / (z - z.detach()).abs().sqrt()), train={"max_attempts": 1},
             mends=False)  # fmt: skip
    to.fault("rows a thousand times too large", GROUP, "python digits", "loss_spikes inputs_not_normalised",
             loader=_with_wild_rows, train={"grad_clip": 0, "optimizer": "sgd", "lr": 0.05}, mends=False)  # fmt: skip


def _with_wild_rows(x, y, batch_size):
    x = x.clone()
    x[::200] *= 1000
    return shuffled(x, y, batch_size)
