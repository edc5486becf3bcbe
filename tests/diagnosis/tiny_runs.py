"""Real trainings, small enough to run inside a test: a plain torch loop that records what our engine records."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from torch import nn

from trainwell.contract.trace import EpochRecord, Trace

torch.set_num_threads(1)

LOADERS = {"digits": load_digits, "breast_cancer": load_breast_cancer, "diabetes": load_diabetes}


@dataclass(frozen=True)
class Case:
    """One training: the data and its faults, the network, the arguments of `train`."""

    data: str = "digits"
    rows: int | None = None
    label_noise: float = 0.0
    input_scale: float = 1.0
    hidden: tuple[int, ...] = (64, 64)
    dropout: float = 0.0
    lr: float = 2e-3
    epochs: int = 20
    batch_size: int = 64
    optimizer: str = "adamw"
    scheduler: str = "onecycle"
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    label_smoothing: float = 0.0
    seed: int = 0


@cache
def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    return LOADERS[name](return_X_y=True)


def split(case: Case) -> tuple[torch.Tensor, ...]:
    """Standardised training and validation tensors; label noise strikes the training rows alone."""
    inputs, target = load(case.data)
    regression = case.data == "diabetes"
    generator = np.random.default_rng(case.seed)
    order = generator.permutation(len(inputs))
    held_out = order[: len(order) // 4]
    train = order[len(order) // 4 :][: case.rows]
    mean, std = inputs[train].mean(0), inputs[train].std(0)
    x = torch.tensor((inputs - mean) / np.where(std > 0, std, 1.0) * case.input_scale, dtype=torch.float32).clamp(
        -1e6, 1e6
    )
    if regression:
        y = torch.tensor((target - target[train].mean()) / target[train].std(), dtype=torch.float32)
    else:
        y = torch.tensor(target, dtype=torch.int64)
        wrong = train[generator.random(len(train)) < case.label_noise]
        y[wrong] = torch.tensor(generator.integers(0, int(y.max()) + 1, len(wrong)))
    return x[train], y[train], x[held_out], y[held_out]


def network(case: Case, features: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in case.hidden:
        layers += [nn.Linear(features, width), nn.ReLU(), nn.Dropout(case.dropout)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, outputs))


def build_optimizer(case: Case, model: nn.Module) -> torch.optim.Optimizer:
    if case.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=case.lr, momentum=0.9, weight_decay=case.weight_decay)
    return torch.optim.AdamW(model.parameters(), lr=case.lr, weight_decay=case.weight_decay)


def schedule(case: Case, optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    if case.scheduler == "onecycle":
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=case.lr, total_steps=steps + 1)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


@cache
def fit(case: Case) -> Trace:
    """Train and record; goes on through NaN as a plain loop does."""
    torch.manual_seed(case.seed)
    x, y, x_val, y_val = split(case)
    regression = y.is_floating_point()
    outputs = 1 if regression else int(load(case.data)[1].max()) + 1
    model = network(case, x.shape[1], outputs)
    loss_of = nn.MSELoss() if regression else nn.CrossEntropyLoss(label_smoothing=case.label_smoothing)
    optimizer = build_optimizer(case, model)
    per_epoch = math.ceil(len(x) / case.batch_size)
    scheduler = schedule(case, optimizer, per_epoch * case.epochs)
    records = []
    for epoch in range(case.epochs):
        model.train()
        total, right, norms, ratios = 0.0, 0, [], []
        for index in torch.randperm(len(x)).split(case.batch_size):
            optimizer.zero_grad()
            output = model(x[index])
            loss = loss_of(output.squeeze(1) if regression else output, y[index])
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), case.grad_clip or math.inf, foreach=True)
            before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
            optimizer.step()
            scheduler.step()
            after = nn.utils.parameters_to_vector(model.parameters()).detach()
            ratios.append(float((after - before).norm() / before.norm()))
            norms.append(float(norm))
            total += loss.item() * len(index)
            right += 0 if regression else int((output.argmax(1) == y[index]).sum())
        model.eval()
        with torch.no_grad():
            output = model(x_val)
            error = loss_of(output.squeeze(1) if regression else output, y_val)
        records.append(
            EpochRecord(
                epoch=epoch + 1,
                step=per_epoch * (epoch + 1),
                train_loss=total / len(x),
                val_loss=float(error),
                train_accuracy=None if regression else right / len(x),
                val_accuracy=None if regression else float((output.argmax(1) == y_val).float().mean()),
                val_r2=float(1 - error / y_val.var(correction=0)) if regression else None,
                lr=scheduler.get_last_lr()[0],
                grad_norm=float(np.mean(norms)),
                grad_norm_max=float(np.max(norms)),
                update_ratio=float(np.mean(ratios)),
            )
        )
    return Trace(epochs=tuple(records), config=config(case), model=facts_of_model(case, model), data=facts(case, y))


def config(case: Case) -> dict:
    names = ("lr", "epochs", "batch_size", "optimizer", "scheduler", "weight_decay", "grad_clip", "label_smoothing")
    return {name: getattr(case, name) for name in names} | {"accumulate": 1, "early_stopping": 15}


def facts_of_model(case: Case, model: nn.Module) -> dict:
    parameters = sum(parameter.numel() for parameter in model.parameters())
    options = {"hidden_dims": list(case.hidden), "dropout": case.dropout}
    return {"architecture": "mlp", "parameters": parameters} | options


def facts(case: Case, y: torch.Tensor) -> dict:
    if y.is_floating_point():
        return {"task": "regression", "train_rows": len(y)}
    counts = torch.bincount(y).tolist()
    return {"task": "classification", "train_rows": len(y), "num_classes": len(counts), "class_counts": counts}


def metrics_alone(trace: Trace) -> Trace:
    """The same run as a stranger's: its numbers by epoch, nothing else."""
    return Trace(epochs=trace.epochs)


def as_recorded(trace: Trace) -> Trace:
    """The run as our engine records it: it measures no accuracy while it trains."""
    return replace(trace, epochs=tuple(replace(record, train_accuracy=None) for record in trace.epochs))


def repaired(case: Case, patch: dict) -> Case:
    """The case with a fix's patch applied, as an agent would apply it."""
    changes = dict(patch.get("train", {}))
    options = patch.get("build_model", {}).get("options", {})
    if "hidden_dims" in options:
        changes["hidden"] = tuple(options["hidden_dims"])
    if "dropout" in options:
        changes["dropout"] = options["dropout"]
    return replace(case, **changes)
