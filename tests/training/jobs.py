"""Small trainings on real rows, for tests of the engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import nn

from tests.factories import prepared_data, run_spec, train_config
from trainwell.contract.specs import TensorSpec
from trainwell.training.fit import FitJob
from trainwell.training.seeding import seed_everything


@dataclass(frozen=True)
class Arrays:
    inputs: tuple[np.ndarray, ...]
    target: np.ndarray


def split(x, y, train, validation):
    order = np.random.default_rng(0).permutation(len(y))
    first, second = order[:train], order[train : train + validation]
    return Arrays((x[first],), y[first]), Arrays((x[second],), y[second])


def digits(train=600, validation=200):
    """Real handwritten digits as (train, validation)."""
    x, y = load_digits(return_X_y=True)
    return split(((x - 8) / 8).astype(np.float32), y.astype(np.int64), train, validation)


def diabetes():
    """A real regression table, target standardised, as (train, validation)."""
    x, y = load_diabetes(return_X_y=True)
    return split((20 * x).astype(np.float32), ((y - y.mean()) / y.std()).astype(np.float32), 300, 100)


def network(features=64, classes=10, *, width=32, dropout=0.0, batch_norm=False, seed=0):
    seed_everything(seed)
    layers = [nn.Linear(features, width)]
    layers += [nn.BatchNorm1d(width)] if batch_norm else []
    layers += [nn.ReLU()]
    layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(width, classes))


def spec(task="classification", classes=10, features=64, **config):
    names = tuple(str(number) for number in range(classes)) if task == "classification" else ()
    std = 77.0 if task == "regression" else 1.0
    data = prepared_data(
        task=task, classes=names, class_counts=(), inputs=(TensorSpec(name="x", shape=(features,)),), target_std=std
    )
    return run_spec(data=data, config=train_config(**{"batch_size": 64, **config}))


def job(folder, module, parts, run=None, **options):
    return FitJob(
        spec=run or spec(), module=module, train=parts[0], validation=parts[1], folder=folder / "checkpoints", **options
    )


def weights(module):
    return torch.cat([tensor.flatten().float() for tensor in module.state_dict().values()])
