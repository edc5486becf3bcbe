"""Faults of construction and of systems."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from tests.corpus.cases import Collection
from tests.corpus.second.construction import OverClasses
from tests.corpus.second.networks import dense, flat
from tests.corpus.second.sources import fetched, read_anew
from tests.corpus.third import spoils
from tests.corpus.third.networks import DropsAlways, Forgets, LooksBack, Reads, Remembers, Sees, dense_file, pixels_file
from tests.corpus.third.sources import tensors


def add(to: Collection) -> None:
    """All faults of construction, then of systems."""
    fault = partial(to.fault, group="construction", mends=False)
    _outputs(fault)
    _losses(fault)
    _modes(fault)
    _systems(partial(to.fault, group="systems", mends=False))


def _outputs(fault: Callable[..., None]) -> None:
    twice = "softmax_before_loss"
    fault("letters by shares, in a file", twin="letters by a file", causes=twice,
          network=pixels_file(10, last=".softmax(1)"))  # fmt: skip
    fault("strokes by shares", twin="strokes in Python", causes=twice, network=partial(Reads, 10, last=OverClasses))
    fault("loop over satellites by shares", twin="loop over satellites by sgd", causes=twice,
          network=dense(36, 6, (64, 32), nn.ReLU, last=OverClasses))  # fmt: skip
    wrong = "bad_output_activation"
    fault("vehicles whose classes lie between 0 and 1", twin="vehicles by a file", causes=wrong,
          network=dense_file(18, 4, depth=3, forward="return torch.sigmoid(self.layers(x))"))  # fmt: skip
    fault("spectra that cannot be below zero", twin="spectra in Python", causes=f"{wrong} dead_units",
          network=flat(dense(64, 1, (48, 24), nn.SiLU, last=nn.ReLU)))  # fmt: skip
    fault("gems between -1 and 1", twin="loop over gems", causes=wrong, network=dense(26, 1, (64, 32), last=nn.Tanh))
    fault("yes or no, squeezed twice", twin="loop over bananas, yes or no", causes=f"{wrong} {twice}",
          network=dense(2, 1, (32, 32), nn.ReLU, last=nn.Sigmoid), metric="loss")  # fmt: skip
    fault("bits through nothing but sums", twin="bits", causes="no_nonlinearity underfitting", family="module",
          network=dense_file(12, 2, depth=2, activation="nn.Identity()"))  # fmt: skip


def _losses(fault: Callable[..., None]) -> None:
    fault("each gem against all others", twin="loop over gems", causes="target_shape", rows=tensors("gems"))
    fault("each spectrum against all others", twin="loop over gems", causes="target_shape", rows=tensors("spectra"),
          network=dense(64, 1, (48, 24)))  # fmt: skip
    mismatch = "loss_output_mismatch"
    fault("yes or no without a sigmoid", twin="loop over bananas, yes or no", causes=mismatch, loss="BCELoss")
    fault("strokes whose loss wants logarithms", twin="loop over strokes", causes=mismatch, loss="NLLLoss")
    size = "wrong_output_size"
    fault("satellites counted from one", twin="loop over satellites by sgd", causes=f"{size} wrong_target_encoding",
          rows=tensors("satimage", train=[spoils.from_one], others=[spoils.from_one]))  # fmt: skip
    fault("four outputs for five forms", twin="loop over forms", causes=size, network=partial(Sees, 3, 4))


def _modes(fault: Callable[..., None]) -> None:
    fault("forms judged as they are learnt", twin="loop over forms", causes="train_mode_in_validation",
          network=partial(Sees, 3, 5, dropout=0.7), modes=(True, True))  # fmt: skip
    fault("forms learnt as they are judged", twin="loop over forms", causes="eval_mode_in_training",
          modes=(False, False), metric="loss")  # fmt: skip
    fault("vehicles through a function of dropout", twin="vehicles in Python", causes="dropout_always_on",
          network=partial(DropsAlways, 0.6))  # fmt: skip
    fault("vehicles through a function of dropout, in a file", twin="vehicles by a file", causes="dropout_always_on",
          network=dense_file(18, 4, depth=3, forward="return self.layers(F.dropout(x, 0.5))"))  # fmt: skip
    fault("features that nobody reads", twin="loop over strokes", causes="unused_parameters", network=Forgets)


def _systems(fault: Callable[..., None]) -> None:
    fault("a list of sums with all behind them", twin="forms in Python", causes="memory_leak", network=Remembers)
    fault("letters fetched one by one", twin="strokes read anew", causes="input_bound",
          loader=read_anew(partial(fetched, 1e-3, 0.05)), train={"epochs": 4})  # fmt: skip
    fault("a network that looks further and further back", twin="vehicles in Python", causes="slow_steps",
          network=LooksBack)  # fmt: skip
    memory = "out_of_memory host_out_of_memory"
    fault("all pairs of all letters", twin="letters by a file", causes=memory,
          network=pixels_file(10, after="self.calls = 0", first="self._paired(x)")
              + "\n    def _paired(self, x):\n        self.calls += 1\n"
              "        return x.float() / 255 + (self.calls > 40 and torch.zeros(10**13).sum())\n",
              train={"max_attempts": 1})  # fmt: skip
    fault("loop that keeps what no machine holds", twin="loop over forms", causes=memory, network=_Pairs)


class _Pairs(nn.Module):
    """Compares, after a while, everything with everything."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Sees(3, 5)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        if self.calls > 30:
            x = x + torch.empty(2 * 10**13).mean()
        return self.body(x)
