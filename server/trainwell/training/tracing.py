"""The first tensor of a forward and backward pass that is not finite, and the layer that made it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from torch import nn
    from torch.utils.hooks import RemovableHandle


@dataclass(frozen=True)
class Place:
    """Where it went wrong: a module's name (or `loss`), and which of its tensors."""

    layer: str
    tensor: str


class Watch:
    """Looks at what every module of a network takes and gives while it is entered.

    Attributes:
        place: The first that was not finite; None when all is well.
        output: What the network gave.
    """

    def __init__(self, module: nn.Module) -> None:
        self.place: Place | None = None
        self.output: Tensor | None = None
        self._module = module
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Watch:
        for name, layer in self._module.named_modules():
            self._handles.append(layer.register_forward_hook(self._forward(name or "network")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def judge_loss(self, output: Tensor, loss: Tensor, target: Tensor) -> None:
        """Take in the end of the forward pass."""
        self.output = output.detach()
        if self.place is None and not is_finite(loss):
            self.place = Place("loss", "loss" if is_finite(target) else "target")

    def judge_gradients(self) -> None:
        """Take in the end of the backward pass: gradients that no layer's output had, its weights may have."""
        if self.place is not None:
            return
        for name, parameter in self._module.named_parameters():
            if parameter.grad is not None and not is_finite(parameter.grad):
                self.place = Place(name.rpartition(".")[0] or "network", "gradient")
                return

    def _forward(self, name: str) -> Any:
        def look(layer: nn.Module, taken: tuple[Any, ...], given: Any) -> None:
            if self.place is None and not all(is_finite(tensor) for tensor in _tensors(given)):
                self.place = Place(name, _guilty(layer, taken))
            for tensor in _tensors(given):
                if tensor.requires_grad:
                    tensor.register_hook(self._backward(name))

        return look

    def _backward(self, name: str) -> Any:
        def look(gradient: Tensor) -> None:
            if self.place is None and not is_finite(gradient):
                self.place = Place(name, "gradient")

        return look


def _guilty(layer: nn.Module, taken: tuple[Any, ...]) -> str:
    """Of a layer that gave what is not finite: what it took, what it holds, or what it made of them."""
    if not all(is_finite(tensor) for tensor in _tensors(taken)):
        return "input"
    held = (*layer.parameters(), *layer.buffers())
    return "activation" if all(is_finite(tensor) for tensor in held) else "weight"


def _tensors(value: Any) -> Iterable[Tensor]:
    """The tensors in what a module takes or gives."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(cast("dict[Any, Any]", value).values()))
    elif isinstance(value, list | tuple):
        for part in cast("list[Any]", value):
            yield from _tensors(part)


def is_finite(tensor: Tensor) -> bool:
    """Whether every number is finite; whole numbers always are."""
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def largest(tensors: Iterable[Tensor]) -> float | None:
    """The largest size of a finite number in floating-point tensors, to four digits; None without any."""
    sizes = [
        float(torch.where(torch.isfinite(tensor), tensor, 0.0).abs().max())
        for tensor in tensors
        if tensor.is_floating_point() and tensor.numel()
    ]
    most = max(sizes, default=None)
    return None if most is None or not math.isfinite(most) else float(f"{most:.4g}")
