"""Posts of Stack Overflow out of DeepLocalize's benchmark (Wardat et al., ICSE 2021), by their numbers.

A fault and its twin are what the asker ran and what the authors ran instead. Where their correction is itself a poor
training, the twin goes a step further, and a comment says which. Rows that lie in files of theirs are replaced, epochs
are cut so that a case takes less than 30 s on one core. Keras's softmax under its cross entropy is torch's cross
entropy on raw scores. The causes are those that the correction takes away.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.corpus.public import rows
from tests.corpus.public.retold import (
    Retold,
    Softmax,
    adam,
    dense,
    filled,
    glorot,
    nesterov,
    normal,
    rmsprop,
    sgd,
    uniform,
)

if TYPE_CHECKING:
    from tests.corpus.cases import Collection

# A softmax over one unit is always 1: another activation or two units are meant.
LONE_SOFTMAX = "bad_output_activation wrong_output_size"
XOR = ([[1, 1], [1, 0], [0, 0], [0, 1]], [[0.0], [1.0], [0.0], [1.0]])
SIX = ([[1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0]], [[0.0], [0.0], [1.0], [1.0], [0.0], [0.0]])


def add(to: Collection) -> None:
    """All posts."""
    _on_a_few_points(to)
    _on_values(to)
    _on_two_classes(to)
    _on_classes(to)
    _on_pictures(to)


def _pair(to: Collection, post: int, group: str, causes: str, corrected: Retold, **asked: Any) -> None:
    twin = f"SO {post} corrected"
    to.healthy(twin, corrected)
    to.fault(f"SO {post}", group, twin, causes, **asked, mends=False)


def _on_a_few_points(to: Collection) -> None:
    sigmoids = partial(dense, 2, (4, nn.Sigmoid))
    # The correction takes 10,000 epochs of Adam; at a rate of 0.05 it needs 300.
    _pair(to, 31556268, "construction", "loss_output_mismatch learning_rate_too_low too_few_epochs",
          Retold(lambda: rows.whole(*XOR), sigmoids((1, nn.Sigmoid)), nn.MSELoss(), partial(adam, lr=0.05), 300, 4,
                 scored="bits"),
          loss=nn.L1Loss(), optimizer=partial(nesterov, lr=0.05, momentum=0.11))  # fmt: skip
    three = partial(dense, 2, (2, nn.Sigmoid), (3, nn.Sigmoid))
    # The correction stays at one half in 10,000 epochs with weights within 0.05 of 0; the twin has Keras's usual ones,
    # Adam and wider layers.
    _pair(to, 34311586, "construction", f"{LONE_SOFTMAX} learning_rate_too_low too_few_epochs",
          Retold(lambda: rows.whole(*SIX), dense(2, (8, nn.Sigmoid), (8, nn.Sigmoid), (1, nn.Sigmoid)), nn.MSELoss(),
                 partial(adam, lr=0.05), 200, 4, scored=None),
          network=three((1, Softmax), fill=uniform), optimizer=partial(nesterov, lr=0.001), epochs=20,
          batch_size=32)  # fmt: skip
    # With weights near 0 and a rate of 0.01 the correction stays at one half for 100,000 steps; the twin takes Adam.
    _pair(to, 39217567, "construction",
          "labels_misaligned not_learning loss_output_mismatch vanishing_gradients",
          Retold(lambda: rows.bytes_of_bits(shuffled=False),
                 dense(8, (8, nn.ReLU), (8, nn.ReLU), (8, nn.Sigmoid)), nn.BCELoss(), partial(adam, lr=0.02), 30, 16,
                 scored="bits"),
          rows=lambda: rows.bytes_of_bits(shuffled=True), loss=nn.MSELoss(), optimizer=sgd, epochs=60, batch_size=50,
          network=dense(8, (8, nn.Sigmoid), (8, nn.Sigmoid), (8, nn.Sigmoid), fill=normal))  # fmt: skip


def _on_values(to: Collection) -> None:
    tanhs = partial(dense, 3, (3, nn.Tanh), 0.5, (2, nn.Tanh), 0.5)
    # The correction only takes the softmax out; on inputs up to 10,000 it still breaks. The twin standardises, drops
    # nothing and takes a tenth of the rate.
    _pair(to, 33969059, "construction", LONE_SOFTMAX,
          Retold(lambda: rows.plane(800, 1e4, rows.scaled), dense(3, (3, nn.Tanh), (2, nn.Tanh), (1, None)),
                 nn.MSELoss(), partial(nesterov, lr=0.01), 20, scored="values"),
          rows=lambda: rows.plane(800, 1e4), network=tanhs((1, Softmax), fill=uniform),
          optimizer=partial(nesterov, lr=0.1))  # fmt: skip
    curve = dense(1, (50, nn.ReLU), (30, nn.ReLU), (1, None))
    _pair(to, 48934338, "optimisation", "learning_rate_too_high non_finite_loss",
          Retold(rows.parabola, curve, nn.MSELoss(), partial(sgd, lr=0.001), 200, scored=None),
          optimizer=partial(sgd, lr=0.1))  # fmt: skip
    _pair(to, 52800582, "data", "target_not_normalised inputs_not_normalised saturated_units",
          Retold(lambda: rows.fourth_power(rows.scaled), dense(1, (50, nn.ReLU), (50, nn.ELU), (1, None)),
                 nn.MSELoss(), adam, 250, 400, scored=None),
          rows=rows.fourth_power, network=dense(1, (50, nn.Sigmoid), (50, nn.ELU), (1, None)))  # fmt: skip
    line = rows.whole(np.linspace(0, 10, 100)[:, None], 2 * np.linspace(0, 10, 100)[:, None] + 1)
    _pair(to, 48221692, "construction", "bad_output_activation",
          Retold(lambda: line, dense(1, (5, nn.Sigmoid), (1, None)), nn.MSELoss(), sgd, 250, 100, scored=None),
          network=dense(1, (5, nn.Sigmoid), (1, nn.Sigmoid)))  # fmt: skip
    _pair(to, 48251943, "construction", "bad_output_activation dead_units too_few_epochs",
          Retold(_waves, dense(2, (4, nn.ReLU), (1, nn.Tanh)), nn.MSELoss(), partial(sgd, lr=0.05), 40, 10,
                 scored=None),
          network=dense(2, (4, nn.ReLU), (1, nn.ReLU)), optimizer=sgd, epochs=20)  # fmt: skip


def _waves():
    """Two columns and a value between -1 and 1."""
    x = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    return rows.whole(x, np.tanh(x[:, :1] - 1.5 * x[:, 1:]))


class KerasBCE(nn.Module):
    """Binary cross entropy as Keras takes it: of whatever it gets, brought between 0 and 1."""

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        shares = outputs.clamp(1e-7, 1 - 1e-7)
        return -(target * shares.log() + (1 - target) * (1 - shares).log()).mean()


def _on_two_classes(to: Collection) -> None:
    ones = rows.whole(np.repeat([[1.0], [0.0]], 60, axis=0).repeat(128, axis=1),
                      np.repeat([[1.0], [0.0]], 60, axis=0))  # fmt: skip
    hidden = partial(dense, 128, (50, nn.ReLU), 0.2, (50, nn.ReLU), 0.2)
    _pair(to, 31880720, "construction", LONE_SOFTMAX,
          Retold(lambda: ones, hidden((1, nn.Sigmoid)), nn.BCELoss(), rmsprop, 3, 1, scored="bits", validated=True),
          network=hidden((1, Softmax)))  # fmt: skip
    _pair(to, 39525358, "data", "inputs_not_normalised",
          Retold(lambda: rows.tumours(3, rows.scaled), dense(3, (12, nn.ReLU), (3, nn.ReLU), (1, nn.Sigmoid)),
                 nn.BCELoss(), partial(adam, lr=0.005), 12, 10, scored="bits", validated=True),
          rows=lambda: rows.tumours(3), optimizer=adam, validated=False,
          network=dense(3, (12, nn.ReLU), (3, nn.ReLU), (1, nn.Sigmoid), fill=uniform))  # fmt: skip
    packets = partial(dense, 11, (12, nn.ReLU), (12, nn.ReLU), fill=normal)
    _pair(to, 44066044, "construction",
          "bad_output_activation loss_output_mismatch inputs_not_normalised dead_units",
          Retold(lambda: rows.tumours(11, rows.scaled), packets((1, nn.Sigmoid)), nn.BCELoss(), adam, 20, 20,
                 scored="bits"),
          rows=lambda: rows.tumours(11), network=packets((1, nn.ReLU)), loss=KerasBCE())  # fmt: skip
    _pair(to, 45442843, "construction", f"{LONE_SOFTMAX} loss_output_mismatch inputs_not_normalised",
          Retold(lambda: rows.tumours(1, rows.scaled), dense(1, (1, nn.Sigmoid), (1, nn.Sigmoid)), nn.BCELoss(),
                 partial(rmsprop, lr=0.03), 20, 20, scored="bits", validated=True),
          rows=lambda: rows.tumours(1), network=dense(1, (1, nn.Sigmoid), (1, Softmax)), loss=nn.L1Loss(),
          optimizer=rmsprop)  # fmt: skip


def _on_classes(to: Collection) -> None:
    x, y = rows.two_squares(100)
    wide, wide_y = rows.two_squares(200)
    # The correction's 50 epochs at Keras's rate end half-way; the twin takes twenty times that rate.
    _pair(to, 50306988, "capacity", "too_few_epochs learning_rate_too_low",
          Retold(lambda: rows.whole(wide, wide_y.astype(float)[:, None]), dense(2, (2, nn.Sigmoid), (1, nn.Sigmoid)),
                 nn.BCELoss(), partial(adam, lr=0.02), 40, scored="bits"),
          rows=lambda: rows.whole(x, y), network=dense(2, (2, nn.Sigmoid), (2, None)), loss=nn.CrossEntropyLoss(),
          optimizer=adam, epochs=5, scored="classes")  # fmt: skip
    # Four hidden units may die on iris; the twin has twelve, and takes ten times the rate (the same below).
    flowers = Retold(lambda: rows.iris(rows.scaled), dense(4, (12, nn.ReLU), (3, None)), nn.CrossEntropyLoss(),
                     partial(adam, lr=0.01), 30, 5, validated=True)  # fmt: skip
    sigmoids = dense(4, (4, nn.ReLU), (3, nn.Sigmoid), fill=normal)
    held = "bad_output_activation inputs_not_normalised"
    _pair(to, 51930566, "construction", held, flowers, rows=rows.iris, network=sigmoids, optimizer=adam)
    _pair(to, 59278771, "construction", held,
          Retold(lambda: rows.iris(rows.spread, 1.0), dense(4, (12, nn.ReLU), (8, nn.ReLU), (3, None)),
                 nn.CrossEntropyLoss(), partial(adam, lr=0.01), 80),
          rows=lambda: rows.iris(share=1.0), network=sigmoids, optimizer=adam, batch_size=5, epochs=15)  # fmt: skip
    tagged = partial(dense, 20, (20, nn.ReLU), 0.5, (20, nn.ReLU), 0.5)
    _pair(to, 38648195, "construction", "loss_output_mismatch bad_output_activation",
          Retold(rows.tags, tagged((3, nn.Sigmoid)), nn.BCELoss(), sgd, 12, 20, scored="bits", validated=True),
          network=tagged((3, Softmax)), loss=nn.MSELoss())  # fmt: skip
    counted = partial(dense, 1, fill=normal)
    # The correction stays near chance: nothing learns sums of digits from raw numbers in ten epochs. The twin learns
    # the thousands, which can be seen.
    _pair(to, 58609115, "construction", "too_few_epochs saturated_units vanishing_gradients loss_output_mismatch",
          Retold(_thousands, dense(1, (69, nn.ReLU), (69, nn.ReLU), (10, None)), nn.CrossEntropyLoss(),
                 partial(adam, lr=0.01), 12, 50),
          rows=rows.digit_sums, loss=nn.BCELoss(), optimizer=adam, epochs=1, scored="bits",
          network=counted((69, nn.Sigmoid), (69, nn.Sigmoid), (69, nn.Sigmoid)))  # fmt: skip


def _thousands():
    x = np.random.default_rng(0).integers(1, 10_000, (2200, 1))
    return rows.halves(rows.scaled(x.astype(float)), (x[:, 0] // 1000), 0.8)


class Pictures(nn.Module):
    """Two convolutions of five by five and a wide layer behind them."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, 10), last,
        )  # fmt: skip
        filled(self, glorot, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def _three_convolutions(outputs: int, last: type[nn.Module]) -> nn.Module:
    return filled(nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, outputs), last(),
    ), glorot)  # fmt: skip


def _on_pictures(to: Collection) -> None:
    _pair(to, 47352366, "construction", "bad_output_activation dead_units",
          Retold(rows.digits, lambda: Pictures(nn.Identity()), nn.CrossEntropyLoss(), adam, 6, 50),
          network=lambda: Pictures(nn.ReLU()))  # fmt: skip
    # The correction keeps a rate of 3, at which the loss jumps about; the twin takes 0.3.
    _pair(to, 48385830, "construction", "no_nonlinearity loss_output_mismatch",
          Retold(lambda: rows.digits(flat=True, count=600),
                 dense(64, (30, nn.Sigmoid), (10, None), fill=nn.init.normal_),
                 nn.CrossEntropyLoss(), partial(sgd, lr=0.3), 8, 10),
          rows=lambda: rows.digits(flat=True, one_hot=True, count=600), loss=nn.MSELoss(),
          optimizer=partial(sgd, lr=3.0),
          network=dense(64, (30, None), (10, None), fill=nn.init.normal_))  # fmt: skip
    _pair(to, 50079585, "construction", "wrong_output_size loss_output_mismatch wrong_target_encoding",
          Retold(_three_classes, lambda: _three_convolutions(3, nn.Identity), nn.CrossEntropyLoss(), rmsprop, 8, 16,
                 validated=True),
          rows=_three_classes_as_floats, network=lambda: _three_convolutions(1, nn.Sigmoid), loss=KerasBCE(),
          scored="bits")  # fmt: skip
    # At the rate of 0.0001 the correction has hardly begun after ten epochs; the twin takes 0.1.
    _pair(to, 55328966, "construction", "bad_output_activation inputs_not_normalised",
          Retold(lambda: rows.digits(flat=True), dense(64, (64, None), (50, nn.ReLU), (10, None)),
                 nn.CrossEntropyLoss(), partial(sgd, lr=0.1), 10),
          rows=lambda: rows.digits(255.0, flat=True), optimizer=partial(sgd, lr=1e-4),
          network=dense(64, (64, None), (50, nn.ReLU), (10, nn.Sigmoid)))  # fmt: skip
    _pair(to, 59325381, "data", "wrong_target_encoding labels_misaligned preprocessing_mismatch",
          Retold(rows.digits, _two_linear_convolutions, nn.CrossEntropyLoss(), adam, 6, validated=True),
          rows=_labels_over_255, epochs=2)  # fmt: skip


def _two_linear_convolutions() -> nn.Module:
    return filled(nn.Sequential(
        nn.Conv2d(1, 64, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(64, 32, 3, padding=1), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10),
    ), glorot)  # fmt: skip


def _three_classes():
    x, y, x_val, y_val = rows.digits()
    own, others = y < 3, y_val < 3
    return x[own], y[own], x_val[others], y_val[others]


def _three_classes_as_floats():
    x, y, x_val, y_val = _three_classes()
    return x, y.float()[:, None], x_val, y_val.float()[:, None]


def _labels_over_255():
    """Labels that were scaled like the pixels, so that all are class 0; the pictures of validation were not."""
    x, y, x_val, y_val = rows.digits()
    return x, torch.div(y, 255, rounding_mode="floor"), 255 * x_val, y_val
