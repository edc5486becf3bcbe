"""How the units of a network behave for one batch: how many are dead, how many at the end of their range, how large."""

# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false, reportUnknownVariableType=false

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor
    from torch.utils.hooks import RemovableHandle

# Layers, and tensors, that are looked at: more say little more, and each costs.
MOST = 24
# What is nearer to zero than this is nothing; what is nearer to the end of its range than that is at the end.
NOTHING, AT_THE_END = 1e-7, 0.01
_PASSING = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.SELU, nn.CELU, nn.Mish, nn.Softplus,
            nn.Hardswish)  # fmt: skip
_BOUNDED = (nn.Tanh, nn.Sigmoid, nn.Hardtanh, nn.Hardsigmoid, nn.RNN, nn.GRU, nn.LSTM)
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

T = TypeVar("T")


def spread(things: Sequence[T], most: int = MOST) -> list[T]:
    """At most so many of them, evenly apart, the first and the last among them."""
    if len(things) <= most:
        return list(things)
    return [things[round(number * (len(things) - 1) / (most - 1))] for number in range(most)]


class Activations:
    """Listens to the layers with an activation while a batch passes.

    Where a network has none (it calls functions), it listens to what goes into its weighted layers, but the first.
    """

    def __init__(self, module: nn.Module) -> None:
        named: list[tuple[str, nn.Module]] = [
            (name or type(module).__name__, layer) for name, layer in module.named_modules()
        ]
        found: list[tuple[str, nn.Module]] = [
            (name, layer) for name, layer in named if isinstance(layer, (*_PASSING, *_BOUNDED))
        ]
        weighted: list[tuple[str, nn.Module]] = [(name, layer) for name, layer in named if isinstance(layer, _WEIGHTED)]
        self._before = not found
        self._layers = spread(found or weighted[1:])
        # In (B, C, T) the units of a convolution over time lie in front, those of all else at the end.
        self._units_in_front = any(isinstance(layer, nn.Conv1d) for _, layer in weighted)

    @contextmanager
    def listening(self, heard: dict[str, Tensor]) -> Generator[None]:
        """Within it, layers fill the dict: by name [dead, saturated, scale], (3,) on the device, NaN where unknown."""
        handles = [self._listen(name, layer, heard) for name, layer in self._layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _listen(self, name: str, layer: nn.Module, heard: dict[str, Tensor]) -> RemovableHandle:
        if self._before:
            return layer.register_forward_pre_hook(partial(self._came, name, heard))
        return layer.register_forward_hook(partial(self._went, name, heard))

    def _came(self, name: str, heard: dict[str, Tensor], _layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._note(name, heard, inputs[0], _saturated_somehow)

    def _went(self, name: str, heard: dict[str, Tensor], layer: nn.Module, _inputs: Any, output: Any) -> None:
        values = output[0] if isinstance(output, tuple) else output
        if isinstance(layer, _BOUNDED):
            low = 0.0 if isinstance(layer, nn.Sigmoid | nn.Hardsigmoid) else -1.0
            self._note(name, heard, values, partial(_saturated, low=low), passing=False)
        else:
            self._note(name, heard, values, None)

    @torch.no_grad()
    def _note(self, name: str, heard: dict[str, Tensor], values: Any, saturated: Any, *, passing: bool = True) -> None:
        """Measure at once: a later layer may write over the values. A layer that is called again keeps the worst."""
        if not isinstance(values, torch.Tensor) or not values.is_floating_point() or values.ndim < 2:
            return
        values = values.detach()
        unknown = torch.full((), torch.nan, device=values.device)
        found = torch.stack([
            self._dead(values) if passing else unknown,
            unknown if saturated is None else saturated(values),
            values.std(correction=min(1, values.numel() - 1)).float(),
        ])  # fmt: skip
        before = heard.get(name)
        heard[name] = found if before is None else torch.fmax(before, found)

    def _dead(self, values: Tensor) -> Tensor:
        """Share of the units that are zero for all rows, at all places."""
        unit = 1 if values.ndim > 3 or (values.ndim == 3 and self._units_in_front) else values.ndim - 1
        others = [number for number in range(values.ndim) if number != unit]
        return (values.abs().amax(others) <= NOTHING).float().mean()


def _saturated(values: Tensor, low: float) -> Tensor:
    """Share of the values that lie at an end of low .. 1."""
    middle = (1 + low) / 2
    return ((values - middle).abs() > (1 - middle) - AT_THE_END).float().mean()


def _saturated_somehow(values: Tensor) -> Tensor:
    """The same for a function that is not known: its range tells. Values beyond -1 .. 1 are not bounded."""
    least, most = values.amin(), values.amax()
    signed = (least < 0) & (least >= -1) & (most <= 1)
    positive = (least > 0) & (most <= 1)
    share = torch.where(signed, _saturated(values, -1.0), torch.where(positive, _saturated(values, 0.0), torch.nan))
    return share.float()
