"""Programs that others wrote, retold: plain loops that `trainwell.watch` listens to, in the terms of Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import trainwell

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from tests.corpus.cases import Rows
    from trainwell.contract.trace import Trace

Layer = Callable[[], nn.Module]
Fill = Callable[[Tensor], object]

# Optimizers with the rates that Keras gives them where a program says none.
sgd = partial(torch.optim.SGD, lr=0.01)
adam = partial(torch.optim.Adam, lr=0.001, eps=1e-7)
rmsprop = partial(torch.optim.RMSprop, lr=0.001, alpha=0.9, eps=1e-7)
nesterov = partial(torch.optim.SGD, momentum=0.9, nesterov=True)

# Weights at the start, by Keras's names; biases begin at 0 there.
glorot: Fill = nn.init.xavier_uniform_
uniform: Fill = partial(nn.init.uniform_, a=-0.05, b=0.05)
normal: Fill = partial(nn.init.normal_, std=0.05)
he_uniform: Fill = partial(nn.init.kaiming_uniform_, nonlinearity="relu")
he_normal: Fill = partial(nn.init.kaiming_normal_, nonlinearity="relu")

Softmax: Layer = partial(nn.Softmax, dim=1)


@dataclass(frozen=True)
class Retold:
    """A loop with what its author chose.

    Attributes:
        rows: Training inputs and targets, then those of validation.
        network: Made anew, after torch's generator was seeded.
        loss: Module or function of outputs and targets.
        optimizer: Over the weights that it is given.
        scored: What the program looks at besides its loss: `classes`, `bits` (0 or 1 in each place), `values` or
            nothing.
        validated: Whether the program looks at validation rows after its epochs; else only at what it trains on.
        learns: The weights that the optimizer gets.
        clears: Whether gradients are set to zero between the steps.
        seen: What becomes of a batch of inputs before the network gets it.
    """

    rows: Callable[[], Rows]
    network: Callable[[], nn.Module]
    loss: Callable[..., Tensor]
    optimizer: Callable[[Iterable[Tensor]], Optimizer]
    epochs: int
    batch_size: int = 32
    scored: str | None = "classes"
    validated: bool = False
    learns: Callable[[nn.Module], Iterable[Tensor]] = field(default=nn.Module.parameters)
    clears: bool = True
    seen: Callable[[Tensor], Tensor] = field(default=lambda x: x)
    kind: str = "tabular"
    family: str = "loop"
    metric: str = "score"

    def changed(self, **fields: Any) -> Retold:
        """The program with some of its choices changed."""
        return replace(self, **fields)


def dense(inputs: int, *parts: tuple[int, Layer | None] | float, fill: Fill = glorot) -> Callable[[], nn.Module]:
    """Fully connected layers: (units, activation) or the share of a dropout."""

    def made() -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        width = inputs
        for part in parts:
            if isinstance(part, float):
                layers.append(nn.Dropout(part))
                continue
            layers.append(nn.Linear(width, part[0]))
            layers += [] if part[1] is None else [part[1]()]
            width = part[0]
        return filled(nn.Sequential(*layers), fill)

    return made


def filled(network: nn.Module, fill: Fill, bias: float = 0.0) -> nn.Module:
    """The network with its weights as they are at the start of a Keras program."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                fill(weight)
            else:
                weight.fill_(bias)
    return network


class Exponential(nn.Module):
    """What Keras calls the activation `exponential`."""

    def forward(self, x: Tensor) -> Tensor:
        return x.exp()


def trace_of_retold(program: Retold) -> Trace:
    """Carry a program out; what it raised is in its trace."""
    torch.manual_seed(0)
    x, y, x_val, y_val = program.rows()
    network = program.network()
    optimizer = program.optimizer(program.learns(network))
    known = program.loss if isinstance(program.loss, nn.Module) else None
    watch = trainwell.watch(network, optimizer, loss=known, epochs=program.epochs)
    try:
        with watch:
            for _ in range(program.epochs):
                measured = _epoch(program, network, optimizer, watch, x, y)
                if program.validated:
                    measured |= _judged(program, network, x_val, y_val)
                watch.epoch(**measured)
    except (RuntimeError, IndexError, ValueError):
        pass  # the traceback is in the trace, and that is what is judged
    return watch.trace()


def _epoch(
    program: Retold, network: nn.Module, optimizer: Optimizer, watch: trainwell.Watch, x: Tensor, y: Tensor
) -> dict[str, float]:
    """One pass, with the score as Keras shows it: of each batch before its step."""
    network.train()
    right = 0.0
    for batch in torch.randperm(len(x)).split(program.batch_size):
        inputs, target = program.seen(x[batch]), y[batch]
        outputs = network(inputs)
        loss = program.loss(outputs, target)
        if program.clears:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        watch.step(loss, batch=(inputs, target))
        right += _share_right(program, outputs, target) * len(batch)
    return {"train_accuracy": right / len(x)} if program.scored in ("classes", "bits") else {}


@torch.no_grad()
def _judged(program: Retold, network: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
    network.eval()
    outputs = network(x)
    measured = {"val_loss": float(program.loss(outputs, y))}
    if program.scored == "values":
        left = (outputs.reshape(len(y), -1) - y.reshape(len(y), -1)).square().sum()
        return measured | {"val_r2": float(1 - left / (y - y.mean(0)).square().sum())}
    return measured | ({"val_accuracy": _share_right(program, outputs, y)} if program.scored else {})


def _share_right(program: Retold, outputs: Tensor, target: Tensor) -> float:
    if program.scored == "classes":
        named = target.argmax(1) if target.ndim > 1 else target
        return float((outputs.detach().argmax(1) == named).float().mean())
    return float(((outputs.detach() > 0.5) == (target > 0.5)).float().mean()) if program.scored == "bits" else 0.0
