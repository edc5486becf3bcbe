"""Real trainings of the engine with everything that it sees, as traces."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from tests.training import jobs
from trainwell.contract.trace import Trace
from trainwell.training.errors import NonFiniteLoss
from trainwell.training.fit import fit


def trained(module: nn.Module, *, task: str = "classification", model: dict | None = None, **config) -> Trace:
    """Train on handwritten digits (or the diabetes table), and put together what the record would hold."""
    regression = task == "regression"
    run = jobs.spec(task, features=10 if regression else 64, **{"epochs": 12, **config})
    parts = jobs.diabetes() if regression else jobs.digits()
    signals, epochs, facts, error = [], [], {}, None
    with TemporaryDirectory() as folder:
        try:
            fit(
                jobs.job(
                    Path(folder), module, parts, run,
                    on_signals=signals.extend, on_epoch=epochs.append, on_facts=facts.update,
                )
            )  # fmt: skip
        except NonFiniteLoss as broken:
            error = f"NonFiniteLoss: {broken}"
    data = {"task": task, "train_rows": len(parts[0].target), "validation_rows": len(parts[1].target)}
    if not regression:
        data |= {"num_classes": 10, "baseline": 0.1}
    return Trace(
        epochs=tuple(epochs),
        signals=tuple(signals),
        facts=facts,
        config=run.config.model_dump() | {"batch_size": run.config.batch_size},
        model={"architecture": "module", **(model or {})},
        data=data,
        error=error,
    )


def stack(*layers: nn.Module) -> nn.Sequential:
    """A network drawn anew from one seed."""
    return nn.Sequential(*layers)


def perceptron(activation=nn.ReLU, *, depth: int = 2, width: int = 32, outputs: int = 10, features: int = 64):
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(features, width), activation()]
        features = width
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def changed(module: nn.Module, change) -> nn.Module:
    with torch.no_grad():
        change(module)
    return module
