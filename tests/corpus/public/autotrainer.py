"""Models of AUTOTRAINER (Zhang et al., ICSE 2021) on circles and blobs, as DeepDiagnosis (ICSE 2022) names them.

Layers and weights at the start are theirs; the settings of the training lie in pickles, which are not opened here:
taken are Adam at 0.01, batches of 32 and 20 epochs. The three demonstrations say their settings and have
them. The causes are the symptoms that AUTOTRAINER repairs in each, and what brings them about.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from tests.corpus.public import rows
from tests.corpus.public.retold import (
    Exponential,
    Fill,
    Layer,
    Retold,
    Softmax,
    adam,
    dense,
    filled,
    he_uniform,
    uniform,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.corpus.cases import Collection

EXPLODE = "exploding_gradients non_finite_loss bad_initialisation"
VANISH, DYING = "vanishing_gradients", "dead_units vanishing_gradients bad_initialisation"


def add(to: Collection) -> None:
    """Models and demonstrations."""
    _circles(to)
    _blobs(to)
    _demonstrations(to)


def _deep(outputs: int, depth: int, activation: Layer, last: Layer | None, fill: Fill = he_uniform, width: int = 5
          ) -> Callable[[], nn.Module]:  # fmt: skip
    return dense(2, *[(width, activation)] * depth, (outputs, last), fill=fill)


def _circles(to: Collection) -> None:
    tanh = partial(_deep, 1, last=nn.Sigmoid)
    to.healthy("AT circle simplednn", Retold(
        rows.circles, tanh(5, nn.Tanh), nn.BCELoss(), partial(adam, lr=0.01), 20, scored="bits", validated=True
    ))  # fmt: skip
    to.healthy("AT circle al_10", to.cases["AT circle simplednn"].job.changed(network=tanh(8, nn.Tanh)))
    models = {
        "model_0ae2cd88": (EXPLODE, tanh(8, Exponential)),
        "model_205c07d5": (EXPLODE, tanh(9, Exponential)),
        "model_01bb8f27": (EXPLODE, tanh(10, Exponential)),
        "model_5ab0aeda": (VANISH, tanh(11, nn.Sigmoid)),
        "model_8de47bdc": (f"{VANISH} bad_initialisation", tanh(8, nn.ReLU, fill=uniform)),
        "model_8e28bdef": (DYING, tanh(16, nn.ReLU)),
    }
    for name, (causes, network) in models.items():
        to.fault(f"AT circle {name}", "optimisation", "AT circle simplednn", causes, network=network, mends=False)


def _blobs(to: Collection) -> None:
    model = partial(_deep, 3, last=None)
    to.healthy("AT blob simplednn", Retold(
        rows.blobs, model(5, nn.Tanh), nn.CrossEntropyLoss(), partial(adam, lr=0.01), 20, validated=True
    ))  # fmt: skip
    models = {
        "model_0448d813": (EXPLODE, model(8, Exponential)),
        "model_0b6f114d": (EXPLODE, model(9, Exponential)),
        "model_2569b90f": (VANISH, model(10, nn.Sigmoid)),
        "model_84c77206": (DYING, model(15, nn.ReLU)),
    }
    for name, (causes, network) in models.items():
        to.fault(f"AT blob {name}", "optimisation", "AT blob simplednn", causes, network=network, mends=False)


def _demonstrations(to: Collection) -> None:
    # At a rate of 0.0001 three batches an epoch end early; the twin takes 0.001, as their other demonstration does.
    slow = partial(adam, lr=1e-4)
    wide = partial(_deep, 3, 4, nn.ReLU, width=50)
    to.healthy("AT demo on blobs", Retold(
        rows.blobs, wide(None), nn.CrossEntropyLoss(), adam, 100, 256, validated=True
    ))  # fmt: skip
    to.fault("AT demo: improper activation", "construction", "AT demo on blobs", "bad_output_activation dead_units",
             network=wide(nn.ReLU), optimizer=slow, mends=False)  # fmt: skip
    to.fault("AT demo: loss", "construction", "AT demo on blobs",
             "loss_output_mismatch bad_output_activation softmax_before_loss", rows=lambda: rows.blobs(one_hot=True),
             network=lambda: _twice_soft(wide(Softmax)), loss=nn.MSELoss(), optimizer=slow, mends=False)  # fmt: skip
    pictures = Retold(rows.digits, _small_pictures, nn.CrossEntropyLoss(), adam, 6, validated=True)
    to.healthy("AT demo on pictures", pictures)
    to.fault("AT demo: data", "data", "AT demo on pictures", "inputs_not_normalised", rows=lambda: rows.digits(255.0),
             mends=False)  # fmt: skip


def _twice_soft(network: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(network(), nn.Softmax(dim=1))


def _small_pictures() -> nn.Module:
    """Two convolutions of three by three and two hidden layers, dropout between them; for 8 x 8 in place of 32 x 32."""
    return filled(nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Conv2d(16, 36, 3, padding=1),
        nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(), nn.Linear(144, 256), nn.ReLU(),
        nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10),
    ), he_uniform)  # fmt: skip
