"""Loops that are not ours, watched with `trainwell.watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import trainwell
from tests.corpus.cases import Loop

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from trainwell.contract.trace import Trace

DEFAULTS: dict[str, Any] = {
    "optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "momentum": 0.0, "epochs": 12, "batch_size": 64,
    "grad_clip": 0.0, "warmup": 0.0,
}  # fmt: skip
SETTINGS = frozenset(DEFAULTS)


def trace_of_loop(loop: Loop) -> Trace:
    """Carry a loop out; what it raised is in its trace."""
    torch.manual_seed(0)
    settings = DEFAULTS | dict(loop.settings)
    x, y, x_val, y_val = loop.rows()
    network = loop.network()
    loss = getattr(nn, loop.loss)()
    optimizer = _optimizer(network, loop, settings)
    watch = trainwell.watch(network, optimizer, loss=loss, epochs=settings["epochs"])
    try:
        with watch:
            for epoch in range(settings["epochs"]):
                network.train(loop.modes[0])
                for batch in torch.randperm(len(x)).split(settings["batch_size"]):
                    _set_rate(optimizer, loop, settings, epoch, watch.looker.made * settings["batch_size"] / len(x))
                    of_batch = loss(network(x[batch]), y[batch])
                    if loop.step is None:
                        _step(optimizer, of_batch, settings["grad_clip"])
                    else:
                        loop.step(optimizer, of_batch)
                    watch.step(of_batch, batch=(x[batch], y[batch]))
                network.train(loop.modes[1])
                watch.epoch(**_judged(network, loss, x_val, y_val))
    except (RuntimeError, IndexError, ValueError):
        pass  # the traceback is in the trace, and that is what is judged
    return watch.trace()


def _optimizer(network: nn.Module, loop: Loop, settings: dict[str, Any]) -> Optimizer:
    weights = list((loop.weights or nn.Module.parameters)(network))
    shared = {"lr": settings["lr"], "weight_decay": settings["weight_decay"]}
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(weights, momentum=settings["momentum"], **shared)
    return torch.optim.AdamW(weights, **shared)


def _set_rate(optimizer: Optimizer, loop: Loop, settings: dict[str, Any], epoch: int, passed: float) -> None:
    rising = settings["warmup"] * settings["epochs"]
    share = min(1.0, (passed + 0.01) / rising) if rising else 1.0
    for group in optimizer.param_groups:
        group["lr"] = settings["lr"] * share * loop.lost_rate**epoch


def adding_up(optimizer: Optimizer, loss: Tensor) -> None:
    """A step that forgets to clear the gradients of the one before."""
    loss.backward()
    optimizer.step()


def uphill(optimizer: Optimizer, loss: Tensor) -> None:
    """A step that raises the loss."""
    optimizer.zero_grad()
    (-loss).backward()
    optimizer.step()


def _step(optimizer: Optimizer, loss: Tensor, clip: float) -> None:
    optimizer.zero_grad()
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_([weight for group in optimizer.param_groups for weight in group["params"]], clip)
    optimizer.step()


@torch.no_grad()
def _judged(network: nn.Module, loss: nn.Module, x: Tensor, y: Tensor) -> dict[str, Any]:
    outputs = network(x)
    measured = {"val_loss": float(loss(outputs, y))}
    if isinstance(loss, nn.BCELoss | nn.BCEWithLogitsLoss):
        shares = outputs if isinstance(loss, nn.BCELoss) else outputs.sigmoid()
        return measured | {"val_accuracy": float(((shares > 0.5) == (y > 0.5)).float().mean())}
    if y.is_floating_point():
        left = (outputs.reshape(len(y), -1) - y.reshape(len(y), -1)).square().sum()
        return measured | {"val_r2": float(1 - left / (y - y.mean()).square().sum())}
    named = outputs.argmax(1)
    counts = torch.bincount(named, minlength=outputs.shape[1]).tolist()
    return measured | {"val_accuracy": float((named == y).float().mean()), "predicted": counts}
