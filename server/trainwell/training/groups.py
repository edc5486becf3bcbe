"""Which parameters learn alike: decayed or not, at which share of the rate, and from which epoch on.

A network says what it wants in two plain attributes, both optional, whose keys are beginnings of parameter names (the
longest that fits holds): `rate_factors` (learning rate times this) and `learns_from` (first epoch, from 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _NormBase  # pyright: ignore[reportPrivateUsage]
from torch.nn.modules.conv import _ConvNd  # pyright: ignore[reportPrivateUsage]

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = TypeVar("Value", int, float)
# Tables of learnt vectors: decay would pull rows towards zero that no batch has touched.
_TABLES = (nn.Embedding, nn.EmbeddingBag)
_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, _NormBase)
# What a layer multiplies by is called so in torch; other plain parameters are positions, class tokens and the like.
_MATRIX = "weight"


@dataclass(frozen=True)
class Learning:
    """One parameter and how it learns.

    Attributes:
        decays: Whether weight decay pulls at it: a matrix that is neither a table nor the scale of a norm.
        hidden: Whether it is a matrix between hidden layers, or a kernel, which Muon may orthogonalise.
        factor: Its rate as a share of the schedule's.
        first: The first epoch in which it learns, from 1.
    """

    name: str
    parameter: nn.Parameter
    decays: bool
    hidden: bool
    factor: float = 1.0
    first: int = 1


@dataclass(frozen=True)
class Group:
    """Parameters that learn alike, as a part of an optimizer's lists."""

    part: slice
    weight_decay: float
    hidden: bool
    factor: float
    first: int


def learnings(module: nn.Module) -> list[Learning]:
    """How each parameter that needs a gradient learns, those that learn alike side by side, the earliest first."""
    owners: dict[str, nn.Module] = dict(module.named_modules())  # pyright: ignore[reportUnknownArgumentType]
    head = next((name for name, layer in reversed(owners.items()) if isinstance(layer, nn.Linear)), None)
    factors: Mapping[str, float] = getattr(module, "rate_factors", {})
    firsts: Mapping[str, int] = getattr(module, "learns_from", {})
    found: list[Learning] = []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        path, _, leaf = name.rpartition(".")
        decays = _decays(owners[path], leaf, parameter)
        hidden = decays and path != head and (parameter.ndim == 2 or isinstance(owners[path], _ConvNd))
        found.append(Learning(name, parameter, decays, hidden, _longest(factors, name, 1.0), _longest(firsts, name, 1)))
    return sorted(found, key=lambda one: (one.first, not one.decays, not one.hidden, -one.factor))


def grouped(learning: list[Learning], weight_decay: float, *, by_hidden: bool) -> list[Group]:
    """The groups of sorted parameters.

    Args:
        learning: From `learnings`.
        weight_decay: Of those that decay.
        by_hidden: Whether hidden matrices are a group of their own.
    """
    groups: list[Group] = []
    start = 0
    for key, members in groupby(learning, lambda one: (one.first, one.decays, by_hidden and one.hidden, one.factor)):
        first, decays, hidden, factor = key
        stop = start + len(list(members))
        groups.append(Group(slice(start, stop), weight_decay if decays else 0.0, hidden, factor, first))
        start = stop
    return groups


def _decays(owner: nn.Module, leaf: str, parameter: nn.Parameter) -> bool:
    if parameter.ndim < 2 or isinstance(owner, (*_TABLES, *_NORMS)):
        return False
    return _MATRIX in leaf


def _longest(values: Mapping[str, Value], name: str, otherwise: Value) -> Value:
    """The value of the longest key that the name begins with."""
    fitting = [key for key in values if name.startswith(key)]
    return values[max(fitting, key=len)] if fitting else otherwise
