"""Faults of optimisation and of capacity."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from tests.corpus.cases import Collection
from tests.corpus.loops import adding_up, uphill
from tests.corpus.second import networks, sources
from tests.corpus.second.networks import HalfUsed, Steps, dense, flat, pixels
from tests.corpus.second.sources import tensors


def add(to: Collection) -> None:
    """All faults of optimisation, then of capacity."""
    fault = partial(to.fault, group="optimisation")
    _rates(fault)
    _signals(fault)
    _weights(fault)
    _capacity(partial(to.fault, group="capacity"))


def _rates(fault: Callable[..., None]) -> None:
    high = "learning_rate_too_high divergence"
    fault("digits at a rate of 0.08", twin="mnist by cnn", causes=high,
          train={"lr": 0.08, "scheduler": "constant", "warmup": 0.0})  # fmt: skip
    fault("digits in Python at a rate of 0.05", twin="mnist in Python", causes=high,
          train={"lr": 0.05, "scheduler": "constant", "warmup": 0.0})  # fmt: skip
    fault("houses at a rate of 0.3", twin="houses in Python", causes=f"{high} oscillation",
          train={"lr": 0.3, "scheduler": "constant", "warmup": 0.0})  # fmt: skip
    fault("sgd at a rate of 1", twin="loop over clusters by sgd", causes=high, train={"lr": 1.0})
    fault("series at a rate of 0.2", twin="oscillations by lstm", causes=high,
          train={"lr": 0.2, "scheduler": "constant", "warmup": 0.0})  # fmt: skip
    low = "learning_rate_too_low"
    fault("clusters at a rate of 2e-5", twin="clusters in Python", causes=low, train={"lr": 2e-5})
    fault("series at a rate of 1e-4", twin="oscillations by lstm", causes=low, train={"lr": 1e-4})
    fault("loop at a rate of 1e-5", twin="loop over mnist", causes=low, train={"lr": 1e-5})
    fault("attention without warm-up", twin="loop by attention with warm-up", causes="missing_warmup",
          train={"lr": 4e-3, "warmup": 0.0})  # fmt: skip
    fault("momentum of 0.995", twin="loop over clusters by sgd", causes="momentum_too_high", train={"momentum": 0.995})
    fault("a rate that falls by two thirds an epoch", twin="loop over mnist", causes="schedule_ends_too_early",
          mends=False, lost_rate=0.3, train={"lr": 3e-4})  # fmt: skip


def _signals(fault: Callable[..., None]) -> None:
    fault("twelve layers of sigmoids", twin="clusters in Python", causes="vanishing_gradients", mends=False,
          network=dense(20, 5, (48,) * 12, nn.Sigmoid))  # fmt: skip
    fault("loop through ten sigmoids", twin="loop over clusters by sgd", causes="vanishing_gradients", mends=False,
          network=dense(20, 5, (40,) * 10, nn.Sigmoid))  # fmt: skip
    fault("a memory that grows", twin="loop over oscillations", causes="exploding_gradients bad_initialisation",
          mends=False, network=_growing)  # fmt: skip
    start = "dead_units bad_initialisation"
    fault("convolutions that start below zero", twin="mnist in Python", causes=start, mends=False,
          network=pixels(change=networks.biases(-6.0)))  # fmt: skip
    fault("loop over units that start below zero", twin="loop over clusters by sgd", causes=start, mends=False,
          network=dense(20, 5, (64, 64), nn.ReLU, change=networks.biases(-4.0)))  # fmt: skip
    fault("tanh at its ends", twin="clusters in Python", causes="saturated_units bad_initialisation", mends=False,
          network=dense(20, 5, (64, 64, 64), nn.Tanh, change=networks.weights_times(12.0)))  # fmt: skip
    fault("all weights zero", twin="houses in Python", causes="bad_initialisation", mends=False,
          network=flat(dense(13, 1, (48, 24), nn.SiLU, change=networks.all_zero)))  # fmt: skip
    fault("weights ten times too large", twin="loop over mnist", causes="bad_initialisation", mends=False,
          network=pixels(change=networks.weights_times(8.0)))  # fmt: skip
    fault("batches of two under norms", twin="loop over photographs", causes="batch_norm_tiny_batches",
          train={"batch_size": 2, "epochs": 2})  # fmt: skip
    fault("batches of two under norms, in Python", twin="photographs in Python", causes="batch_norm_tiny_batches",
          train={"batch_size": 2, "epochs": 2})  # fmt: skip


def _weights(fault: Callable[..., None]) -> None:
    fault("weights pulled to zero", twin="loop over clusters by sgd", causes="weight_decay_too_strong",
          train={"weight_decay": 0.15})  # fmt: skip
    fault("convolutions frozen by mistake", twin="mnist in Python", causes="frozen_parameters", mends=False,
          network=pixels(change=networks.frozen_body))  # fmt: skip
    fault("an optimizer of the head alone", twin="loop over mnist", causes="parameters_not_optimised", mends=False,
          weights=lambda network: network[-2].parameters())  # fmt: skip
    fault("a branch that is not called", twin="loop over formulas", causes="unused_parameters", mends=False,
          network=lambda: HalfUsed(forgets=True))  # fmt: skip
    fault("gradients cut to nothing", twin="loop over clusters by sgd", causes="clip_too_small",
          train={"grad_clip": 1e-3})  # fmt: skip
    fault("cars with gradients cut to nothing", twin="cars in Python", causes="clip_too_small",
          train={"optimizer": "sgd", "lr": 0.02, "grad_clip": 1e-3})  # fmt: skip
    fault("gradients that add up", twin="loop over clusters by sgd", causes="missing_zero_grad", mends=False,
          step=adding_up)  # fmt: skip
    fault("gradients of pictures that add up", twin="loop over mnist", causes="missing_zero_grad", mends=False,
          step=adding_up)  # fmt: skip
    fault("uphill", twin="loop over oscillations", causes="wrong_sign", mends=False, step=uphill)


def _capacity(fault: Callable[..., None]) -> None:
    over = "overfitting"
    fault("fifty houses and a wide network", twin="houses in Python", causes=over, rows=tensors("houses", limit=50),
          network=flat(dense(13, 1, (512, 512))), metric="loss",
          train={"epochs": 150, "weight_decay": 0.0, "early_stopping": 0})  # fmt: skip
    fault("a hundred digits for long", twin="mnist in Python", causes=over, rows=tensors("mnist", limit=100),
          metric="loss", train={"epochs": 80, "weight_decay": 0.0, "early_stopping": 0})  # fmt: skip
    fault("loop that learns series by heart", twin="loop over oscillations", causes=over,
          rows=tensors("oscillations", limit=120), network=lambda: Steps(nn.GRU, 96), metric="loss",
          train={"epochs": 60, "batch_size": 32})  # fmt: skip
    under = "underfitting"
    fault("two units for five clusters", twin="clusters in Python", causes=under, mends=False,
          network=dense(20, 5, (1,), nn.Tanh), train={"epochs": 40})  # fmt: skip
    fault("a small table network", twin="clusters by tools", causes=under, options={"hidden_dims": [1]},
          train={"epochs": 30})  # fmt: skip
    straight = "no_nonlinearity underfitting"
    fault("rings and straight lines", twin="circles in Python", causes=straight, mends=False,
          network=dense(2, 2, (24, 24), nn.Identity))  # fmt: skip
    fault("loop over formulas without curves", twin="loop over formulas", causes=straight, mends=False,
          network=flat(dense(10, 1, (64, 64), nn.Identity)))  # fmt: skip
    few = "too_few_epochs stopped_too_early schedule_ends_too_early"
    fault("two epochs over pictures", twin="mnist by resnet", causes=few, train={"epochs": 2})
    fault("three epochs over houses", twin="houses in Python", causes=few, train={"epochs": 3})
    fault("nine tenths dropped", twin="clusters in Python", causes="dropout_too_strong", mends=False,
          network=dense(20, 5, (48, 48), dropout=0.88))  # fmt: skip
    fault("sentences of which nine tenths are dropped", twin="sentences by transformer", causes="dropout_too_strong",
          options={"dropout": 0.85})  # fmt: skip
    fault("noise learnt by heart in a loop", twin="loop over mnist", mends=False,
          causes="memorised_noise labels_misaligned label_noise",
          rows=tensors("mnist", train=[sources.mixed_up(1.0)], limit=400), train={"epochs": 40})  # fmt: skip


def _growing() -> nn.Module:
    network = Steps(nn.RNN, 24)
    network.cell.nonlinearity = "relu"
    network.cell.mode = "RNN_RELU"
    networks.large_memory(network)
    return network
