"""Faults of optimisation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from tests.corpus.cases import Collection
from tests.corpus.loops import adding_up, uphill
from tests.corpus.second.networks import biases, dense, flat, frozen_body, weights_times
from tests.corpus.third import spoils
from tests.corpus.third.networks import Detached, Sees, dense_file, drawn_weights, every_matrix, pixels_file, tower
from tests.corpus.third.sources import tensors


def add(to: Collection) -> None:
    """All faults of optimisation."""
    fault = partial(to.fault, group="optimisation")
    _high_rates(fault)
    _low_rates(fault)
    _settings(fault)
    _starts(partial(fault, mends=False))
    _signals(partial(fault, mends=False))
    _steps(partial(fault, mends=False))


def _high_rates(fault: Callable[..., None]) -> None:
    high = "learning_rate_too_high divergence"
    flat_out = {"scheduler": "constant", "warmup": 0.0}
    fault("segments at the rate of an old recipe", twin="segments", causes=high, train={"lr": 0.1, **flat_out})
    fault("hues by resnet at a rate of 0.2", twin="hues by resnet", causes=high, train={"lr": 0.2, **flat_out})
    fault("hues by vit at a rate of 0.3", twin="hues by vit", causes=high, train={"lr": 0.3, **flat_out})
    fault("strokes by gru at a rate of 0.5", twin="strokes by gru", causes=high, train={"lr": 0.5, **flat_out})
    fault("speeches by transformer at a rate of 0.3", twin="speeches by transformer", causes=high,
          train={"lr": 0.3, **flat_out})  # fmt: skip
    fault("homes by lstm at a rate of 0.2", twin="homes by lstm", causes=high, train={"lr": 0.2, **flat_out})
    fault("strokes by tcn at a rate of 0.5", twin="strokes by tcn", causes=high, train={"lr": 0.5, **flat_out})
    fault("letters in Python at a rate of 0.15", twin="letters in Python", causes=high, train={"lr": 0.15, **flat_out})
    fault("strokes by rnn at a rate of 0.1", twin="strokes by rnn", causes=high, train={"lr": 0.1, **flat_out})
    fault("loop over letters at a rate of 0.15", twin="loop over letters", causes=f"{high} dead_units",
          train={"lr": 0.15})  # fmt: skip
    fault("loop over gems by sgd that breaks", twin="loop over gems", causes=f"{high} non_finite_loss",
          train={"optimizer": "sgd", "lr": 0.8, "momentum": 0.9})  # fmt: skip
    fault("attention from the first step at full rate", twin="loop by attention", causes=f"missing_warmup {high}",
          train={"lr": 6e-3, "warmup": 0.0})  # fmt: skip


def _low_rates(fault: Callable[..., None]) -> None:
    low = "learning_rate_too_low"
    fault("satellites at a rate of 1e-5", twin="satellites", causes=low, train={"lr": 1e-5})
    fault("strokes by lstm with sgd at adam's rate", twin="strokes by lstm", causes=low,
          train={"optimizer": "sgd", "lr": 1e-3})  # fmt: skip
    fault("hues by vit at a rate for tuning", twin="hues by vit", causes=low, train={"lr": 2e-5})
    fault("speeches at a rate for tuning", twin="speeches by transformer", causes=low, train={"lr": 2e-5})
    fault("gems at a rate of 2e-5", twin="gems", causes=low, train={"lr": 2e-5})
    fault("bicycles at a rate of 1e-5", twin="bicycles by tcn", causes=low, train={"lr": 1e-5})
    fault("arrays of spectra at a rate of 1e-5", twin="spectra", causes=low, train={"lr": 1e-5})
    fault("forms in Python at a rate of 3e-6", twin="forms in Python", causes=low, train={"lr": 3e-6})
    fault("loop over satellites at a rate of 1e-4", twin="loop over satellites by sgd", causes=low, train={"lr": 1e-4})


def _settings(fault: Callable[..., None]) -> None:
    decay = "weight_decay_too_strong"
    fault("segments by sgd under decay", twin="segments", causes=decay,
          train={"optimizer": "sgd", "lr": 0.05, "weight_decay": 0.2, "scheduler": "constant"})  # fmt: skip
    fault("letters in Python under decay", twin="letters in Python", causes=decay,
          train={"optimizer": "sgd", "lr": 0.05, "weight_decay": 0.3, "scheduler": "constant"})  # fmt: skip
    fault("loop over strokes under decay", twin="loop over strokes", causes=decay, train={"weight_decay": 8.0})
    clip = "clip_too_small learning_rate_too_low"
    fault("strokes by gru, clipped at a thousandth", twin="strokes by gru", causes=clip,
          train={"optimizer": "sgd", "lr": 0.1, "grad_clip": 1e-3})  # fmt: skip
    fault("loop over satellites, clipped at a thousandth", twin="loop over satellites by sgd", causes=clip,
          train={"grad_clip": 2e-3})  # fmt: skip
    fault("loop with momentum of 0.99", twin="loop over satellites by sgd", causes="momentum_too_high",
          train={"momentum": 0.995, "lr": 0.03})  # fmt: skip
    fault("a rate that halves and halves", twin="loop over forms", causes="schedule_ends_too_early", mends=False,
          lost_rate=0.2, train={"lr": 4e-4})  # fmt: skip
    fault("strokes through seven sigmoids", twin="strokes, deep", causes="vanishing_gradients",
          options={"activation": "sigmoid"})  # fmt: skip


def _starts(fault: Callable[..., None]) -> None:
    start = "bad_initialisation"
    fault("vehicles with weights of deviation one", twin="vehicles by a file", causes=f"{start} exploding_gradients",
          network=dense_file(18, 4, depth=3, after=drawn_weights("normal_(weight, 0.0, 1.0)")))  # fmt: skip
    fault("vehicles with weights of zero", twin="vehicles by a file", causes=start,
          network=dense_file(18, 4, depth=3, after=drawn_weights("zeros_(weight)")))  # fmt: skip
    fault("letters with kernels from zero to one", twin="letters by a file", causes=f"{start} saturated_units",
          network=pixels_file(10, after=drawn_weights("uniform_(weight, 0.0, 1.0)")))  # fmt: skip
    fault(
        "loop over letters with weights alike",
        twin="loop over letters",
        causes=start,
        network=partial(Sees, 1, 10, norm=False, change=every_matrix(lambda w: nn.init.constant_(w, 0.02))),
    )
    fault("loop over letters with weights eight times too large", twin="loop over letters",
          causes=f"{start} exploding_gradients",
          network=partial(Sees, 1, 10, norm=False, change=weights_times(8.0)))  # fmt: skip
    fault("spectra through units that start below zero", twin="spectra in Python", causes=f"dead_units {start}",
          network=flat(dense(64, 1, (48, 24), nn.ReLU, change=biases(-12.0))))  # fmt: skip
    fault("a tower at its ends", twin="a tower in Python", causes=f"saturated_units {start}",
          network=tower(19, 7, nn.Tanh, 5, weights_times(8.0)))  # fmt: skip
    fault("a tower that fades", twin="a tower in Python", causes=f"vanishing_gradients {start}",
          network=tower(19, 7, nn.Tanh, 6, every_matrix(lambda w: nn.init.normal_(w, 0.0, 0.01))))  # fmt: skip


def _signals(fault: Callable[..., None]) -> None:
    fault("a tower of sigmoids", twin="a tower in Python", causes="vanishing_gradients",
          network=tower(19, 7, nn.Sigmoid, 9))  # fmt: skip
    fault("a tower that grows", twin="a tower in Python", causes="exploding_gradients bad_initialisation",
          network=tower(19, 7, nn.ReLU, 9, weights_times(6.0)))  # fmt: skip
    fault("two black letters, divided by their length", twin="letters of length one",
          causes="non_finite_loss non_finite_inputs", rows=tensors("letters", scaled=False, train=[spoils.empty(2)]),
          train={"max_attempts": 1})  # fmt: skip


def _steps(fault: Callable[..., None]) -> None:
    fault("loop over strokes that forgets to zero", twin="loop over strokes", causes="missing_zero_grad",
          step=adding_up)  # fmt: skip
    fault("loop over gems that forgets to zero", twin="loop over gems", causes="missing_zero_grad", step=adding_up)
    fault("loop that climbs", twin="loop over letters", causes="wrong_sign", step=uphill)
    fault("an optimizer from before the body was made", twin="loop over forms", causes="parameters_not_optimised",
          weights=lambda network: network.head.parameters())  # fmt: skip
    fault("a body frozen for a trial", twin="a tower in Python", causes="frozen_parameters",
          network=tower(19, 7, nn.Tanh, 5, frozen_body))  # fmt: skip
    fault("letters whose kernels were left frozen", twin="letters by a file", causes="frozen_parameters",
          network=pixels_file(10, after="self.body.requires_grad_(False)"))  # fmt: skip
    fault("features taken as numbers", twin="loop over strokes",
          causes="unused_parameters frozen_parameters parameters_not_optimised", network=Detached)  # fmt: skip
