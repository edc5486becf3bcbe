"""Faults of construction and of systems."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from tests.corpus.cases import Collection
from tests.corpus.second.networks import Bursts, Dropping, Hoards, Steps, dense, flat, pixels
from tests.corpus.second.sources import fetched, read_anew, tensors


class OverClasses(nn.Softmax):
    """Shares of the classes."""

    def __init__(self) -> None:
        super().__init__(dim=1)


def add(to: Collection) -> None:
    """All faults of construction, then of systems."""
    fault = partial(to.fault, group="construction", mends=False)
    _outputs(fault)
    _modes(fault)
    _systems(partial(to.fault, group="systems", mends=False))


def _outputs(fault: Callable[..., None]) -> None:
    twice = "softmax_before_loss"
    fault("shares of digits before the loss", twin="mnist in Python", causes=twice, network=pixels(last=OverClasses))
    fault("loop over shares of clusters", twin="loop over clusters by sgd", causes=twice,
          network=dense(20, 5, (64, 64), nn.ReLU, last=OverClasses))  # fmt: skip
    wrong = "bad_output_activation"
    fault("series whose classes cannot be below zero", twin="oscillations by lstm", causes=wrong,
          network=lambda: Steps(last=nn.ReLU))  # fmt: skip
    fault("digits whose classes cannot be below zero", twin="loop over mnist", causes=wrong,
          network=pixels(last=nn.ReLU))  # fmt: skip
    fault("cars between 0 and 1", twin="cars in Python", causes=wrong,
          network=flat(dense(7, 1, (32, 32), nn.ELU, last=nn.Sigmoid)))  # fmt: skip
    fault("houses between -1 and 1", twin="houses in Python", causes=wrong,
          network=flat(dense(13, 1, (48, 24), last=nn.Tanh)))  # fmt: skip
    fault("every car against every other", twin="loop over cars", causes="target_shape", rows=tensors("cars"))
    fault("a loss for logarithms", twin="loop over clusters by sgd", causes="loss_output_mismatch", loss="NLLLoss")
    fault("three outputs for five clusters", twin="loop over clusters by sgd", causes="wrong_output_size",
          network=dense(20, 3, (64, 64), nn.ReLU))  # fmt: skip


def _modes(fault: Callable[..., None]) -> None:
    fault("loop that judges as it learns", twin="loop over mnist with dropout", causes="train_mode_in_validation",
          modes=(True, True))  # fmt: skip
    fault("loop that learns as it judges", twin="loop over photographs", causes="eval_mode_in_training",
          modes=(False, False))  # fmt: skip
    fault("features dropped for ever", twin="mnist in Python", causes="dropout_always_on",
          network=lambda: Dropping(0.8))  # fmt: skip
    fault("loop with features dropped for ever", twin="loop over mnist with dropout", causes="dropout_always_on",
          network=lambda: Dropping(0.7))  # fmt: skip


def _systems(fault: Callable[..., None]) -> None:
    fault("pictures kept for a plot", twin="mnist in Python", causes="memory_leak", network=Hoards)
    fault("pictures read from far away", twin="mnist read anew", causes="input_bound",
          loader=read_anew(partial(fetched, 0.002, 1e-5)), train={"epochs": 4})  # fmt: skip
    fault("more than there is", twin="mnist in Python", causes="out_of_memory host_out_of_memory", network=Bursts,
          train={"max_attempts": 1})  # fmt: skip
    fault("loop that asks for more than there is", twin="loop over mnist", causes="out_of_memory host_out_of_memory",
          network=Bursts)  # fmt: skip
