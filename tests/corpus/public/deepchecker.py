"""Synthetic faults of TheDeepChecker (Braiek & Khomh, TOSEM 2023): one line each beside a clean program.

Its regression on auto-mpg is one on generated rows of the same sizes; its small network for MNIST is one for the 8 x 8
digits of scikit-learn. Double normalisation is left out on the regression (columns from 0 to 1 make one of it), as are
arbitrary weights (0.25 lies between the usual ones of its layers), a small epsilon and missing regularisation, which
make no difference to these rows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.corpus.public import rows
from tests.corpus.public.deeplocalize import LONE_SOFTMAX
from tests.corpus.public.retold import Retold, Softmax, adam, dense, filled, he_normal, sgd

if TYPE_CHECKING:
    from tests.corpus.cases import Collection

CARS, PICTURES = "DC regrNN", "DC baseCNN"
# Its L2 norm counts twice in the gradient.
DECAY, STRONG_DECAY = 2e-5, 0.2


def add(to: Collection) -> None:
    """Both programs with their faults."""
    _regression(to)
    _pictures(to)
    _losses_of_pictures(to)


def _fault(to: Collection, twin: str, name: str, group: str, causes: str, **asked: Any) -> None:
    to.fault(f"{twin}: {name}", group, twin, causes, **asked, mends=False)


def _regression(to: Collection) -> None:
    layers = partial(dense, 9, (64, nn.ReLU), (64, nn.ReLU), fill=he_normal)
    clean = partial(adam, lr=0.001, weight_decay=DECAY)
    to.healthy(CARS, Retold(rows.cars, layers((1, None)), nn.MSELoss(), clean, 50, scored="values", validated=True))
    fault = partial(_fault, to, CARS)
    fault("high rate", "optimisation", "learning_rate_too_high", optimizer=partial(adam, lr=0.1, weight_decay=DECAY))
    fault("low rate", "optimisation", "learning_rate_too_low plateau",
          optimizer=partial(adam, lr=1e-5, weight_decay=DECAY))  # fmt: skip
    fault("over-regularised", "optimisation", "weight_decay_too_strong",
          optimizer=partial(adam, lr=0.001, weight_decay=STRONG_DECAY))  # fmt: skip
    fault("sigmoid for -1 to 1", "construction", "bad_output_activation",
          rows=lambda: rows.cars(target=lambda y: 2 * rows.spread(y) - 1), network=layers((1, nn.Sigmoid)))  # fmt: skip
    fault("softmax of one", "construction", LONE_SOFTMAX, network=layers((1, Softmax)))
    fault("constant weights", "optimisation", "bad_initialisation",
          network=layers((1, None), fill=partial(nn.init.constant_, val=0.01)))  # fmt: skip
    fault("wrong labels", "data", "labels_misaligned not_learning", rows=lambda: rows.cars(apart=True))
    fault("target not scaled", "data", "target_not_normalised", rows=lambda: rows.cars(target=lambda y: 10 * y))
    fault("sum of squares", "construction", "target_not_normalised loss_output_mismatch exploding_gradients",
          rows=lambda: rows.cars(target=lambda y: 10 * y), loss=nn.MSELoss(reduction="sum"))  # fmt: skip
    fault("shapes that spread", "construction", "target_shape", rows=lambda: rows.cars(column=False))
    fault("inputs not scaled", "data", "inputs_not_normalised", rows=lambda: rows.cars(inputs=lambda x: x))
    fault("flipped sign", "construction", "wrong_sign", optimizer=partial(clean, maximize=True))


def _pictures(to: Collection) -> None:
    clean = partial(sgd, lr=0.1, weight_decay=DECAY)
    to.healthy(PICTURES, Retold(rows.digits, _lenet, nn.CrossEntropyLoss(), clean, 8, 64, validated=True))
    fault = partial(_fault, to, PICTURES)
    fault("high rate", "optimisation", "learning_rate_too_high", optimizer=partial(sgd, lr=0.5, weight_decay=DECAY))
    fault("over-regularised", "optimisation", "weight_decay_too_strong",
          optimizer=partial(sgd, lr=0.1, weight_decay=STRONG_DECAY))  # fmt: skip
    fault("constant weights", "optimisation", "bad_initialisation",
          network=lambda: filled(_lenet(), partial(nn.init.constant_, val=0.01)))  # fmt: skip
    fault("wrong labels", "data", "labels_misaligned not_learning",
          rows=lambda: rows.digits(labels=np.random.default_rng(0).permutation))  # fmt: skip
    fault("unbalanced", "data", "class_imbalance", rows=_unbalanced)
    fault("wrong augmentation", "data", "augmentation_too_strong distribution_shift", seen=_spoiled)
    fault("inputs not scaled", "data", "inputs_not_normalised", rows=lambda: rows.digits(255.0))
    fault("scaled twice", "data", "inputs_not_normalised", rows=lambda: rows.digits(1 / 255))
    fault("softmax between layers", "construction", "bad_output_activation vanishing_gradients",
          network=partial(_lenet, Softmax))  # fmt: skip
    fault("flipped sign", "construction", "wrong_sign", optimizer=partial(clean, maximize=True))


def _losses_of_pictures(to: Collection) -> None:
    fault = partial(_fault, to, PICTURES)
    softened = partial(_lenet, last=Softmax)
    fault("redundant softmax", "construction", "softmax_before_loss", network=softened)
    fault("squares for classes", "construction", "loss_output_mismatch", network=softened, loss=nn.MSELoss(),
          rows=lambda: rows.digits(one_hot=True))  # fmt: skip
    fault("missing softmax", "construction", "loss_output_mismatch bad_output_activation", loss=_own_cross_entropy,
          rows=lambda: rows.digits(one_hot=True))  # fmt: skip


def _lenet(first: Any = nn.ReLU, last: Any = nn.Identity) -> nn.Module:
    return filled(nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), first(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 10), last(),
    ), he_normal)  # fmt: skip


def _unbalanced():
    """Of the classes 0 to 5 hardly any rows are left: one of 0, two of 1, up to nine of 5."""
    x, y, x_val, y_val = rows.digits()
    left = [torch.nonzero(y == label)[:, 0][: None if label > 5 else (1, 2, 4, 5, 7, 9)[label]] for label in range(10)]
    kept = torch.cat(left)
    return x[kept], y[kept], x_val, y_val


def _spoiled(x: Tensor) -> Tensor:
    """Noise on half of the pixels, and in every other batch most of each picture painted over."""
    x = x + torch.where(torch.rand_like(x) < 0.5, torch.rand_like(x) - 0.5, torch.zeros_like(x))
    if torch.rand(()) < 0.5:
        top, left = torch.randint(0, 3, (2,)).tolist()
        x[:, :, top : top + 6, left : left + 6] = 1.0
    return x


def _own_cross_entropy(outputs: Tensor, target: Tensor) -> Tensor:
    """A cross entropy that somebody wrote, for shares that never come."""
    tiny = 1e-32
    return -(target * outputs.clamp(tiny, 1 - tiny).log()).sum(1).mean()
