"""A stack as a tree: layers, shortcuts around layers, and branches of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Shape = tuple[int, ...]
Join = Literal["concat", "add"]


@dataclass(frozen=True)
class Layer:
    """One layer of a stack. Shapes are those of one row; () until they are planned.

    `path` is its place in the agent's list, None for a layer that was added.
    """

    name: str
    path: str | None
    type_name: str
    options: Any
    takes: Shape = ()
    gives: Shape = ()

    @property
    def where(self) -> str:
        """The layer in a sentence: `layers/2 (Conv2d)`."""
        return f"{self.path} ({self.type_name})" if self.path is not None else f"{self.name} (added)"

    def told(self) -> str:
        """Both its shapes."""
        return f"{shown(self.takes)} -> {shown(self.gives)}"


@dataclass(frozen=True)
class Projection:
    """What brings a shortcut to the shape behind its layers: a linear map of the channels, with strides over space."""

    takes: Shape
    gives: Shape
    stride: tuple[int, ...] | None

    def make(self) -> nn.Module:
        """The module."""
        if self.stride is None:
            return nn.Linear(self.takes[-1], self.gives[-1], bias=False)
        kind = nn.Conv1d if len(self.stride) == 1 else nn.Conv2d
        return kind(self.takes[0], self.gives[0], 1, stride=self.stride, bias=False)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Shortcut:
    """Layers whose input is added to their output."""

    name: str
    path: str
    body: tuple[Node, ...]
    projection: Projection | None = None
    gives: Shape = ()


@dataclass(frozen=True)
class Fork:
    """Ways side by side; `along` is the dimension of a batch over which they are joined, None when they are added."""

    name: str
    path: str
    ways: tuple[tuple[Node, ...], ...]
    join: Join
    along: int | None = None
    gives: Shape = ()


Node = Layer | Shortcut | Fork


def leaves(nodes: Sequence[Node]) -> Iterator[Layer]:
    """Every layer, those in shortcuts and branches included, in order."""
    for node in nodes:
        if isinstance(node, Layer):
            yield node
        elif isinstance(node, Shortcut):
            yield from leaves(node.body)
        else:
            for way in node.ways:
                yield from leaves(way)


def shortcuts(nodes: Sequence[Node]) -> Iterator[Shortcut]:
    """Every shortcut, in order."""
    for node in nodes:
        if isinstance(node, Shortcut):
            yield node
            yield from shortcuts(node.body)
        elif isinstance(node, Fork):
            for way in node.ways:
                yield from shortcuts(way)


def shown(shape: Shape) -> str:
    """The shape of a batch, with B for its rows."""
    return f"({', '.join(['B', *map(str, shape)])})"
