"""Shapes through a stack of layers, found on the meta device: nothing is allocated, however large the layers are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt, prod
from typing import TYPE_CHECKING, Any

import torch

from trainwell.architectures._entry import num_features
from trainwell.architectures._layer_types import (
    HARMLESS_BEHIND_LOGITS,
    LAYERS,
    LinearOptions,
    NoOptions,
    Shape,
)
from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import Shapes

# Keeps every size below what 64 bits count; what the machine can hold is checked later, with its memory.
MOST_VALUES_PER_ROW = 2**31


@dataclass(frozen=True)
class Layer:
    """One layer of a stack. Shapes are those of one row; () until they are planned.

    `index` is its place in the agent's list, None for a layer that was added.
    """

    name: str
    index: int | None
    type_name: str
    options: Any
    takes: Shape = ()
    gives: Shape = ()

    @property
    def where(self) -> str:
        """The layer in a sentence: `layers/2 (Conv2d)`."""
        return f"layers/{self.index} ({self.type_name})" if self.index is not None else f"{self.name} (added)"

    def told(self) -> str:
        """Both its shapes."""
        return f"{shown(self.takes)} -> {shown(self.gives)}"


def plan(given: Sequence[Layer], shapes: Shapes) -> list[Layer]:
    """All layers with their shapes, with the Flatten layers and the output layer that were missing.

    Raises:
        TrainwellError: `layer_shape_mismatch` with the layer and both shapes, or `model_too_large`.
    """
    features = num_features(shapes)
    single = len(shapes.inputs) == 1 and shapes.inputs[0].role not in {"categories", "tokens"}
    shape = shapes.inputs[0].shape or (1,) if single else (features,)
    planned: list[Layer] = []
    for layer in given:
        planned += _with_flatten(layer, shape)
        shape = planned[-1].gives
    if not _gives_logits(planned, shapes.num_outputs):
        output = Layer("output", None, "Linear", LinearOptions(out_features=shapes.num_outputs))
        planned += _with_flatten(output, shape)
    elif len(shape) > 1:
        planned.append(_placed(Layer("flatten_output", None, "Flatten", NoOptions()), shape))
    return planned


def shown(shape: Shape) -> str:
    """The shape of a batch, with B for its rows."""
    return f"({', '.join(['B', *map(str, shape)])})"


def _with_flatten(layer: Layer, shape: Shape) -> list[Layer]:
    if not LAYERS[layer.type_name].flat or len(shape) == 1:
        return [_placed(layer, shape)]
    flatten = _placed(Layer(f"flatten_before_{layer.name}", None, "Flatten", NoOptions()), shape)
    return [flatten, _placed(layer, flatten.gives)]


def _placed(layer: Layer, shape: Shape) -> Layer:
    """The layer with its shapes, after every check that can be told better than torch tells it."""
    _check_sizes(layer, shape)
    _check_window(layer, shape)
    try:
        with torch.device("meta"):
            rows = torch.empty((2, *shape))
            gives = tuple(LAYERS[layer.type_name].make(layer.options, shape)(rows).shape[1:])
    except (RuntimeError, ValueError) as error:
        if "overflow" in str(error).lower():
            raise _too_large(layer) from None
        raise _mismatch(layer, shape, f"PyTorch says: {str(error).splitlines()[0][:200]}") from None
    if prod(gives) > MOST_VALUES_PER_ROW:
        raise _too_large(layer, gives)
    return replace(layer, takes=shape, gives=gives)


def _check_sizes(layer: Layer, shape: Shape) -> None:
    kind = LAYERS[layer.type_name]
    if not kind.accepts(shape):
        takes = " or ".join(takes.replace("(", "(B, ") for takes in kind.takes).replace(",)", ")")
        raise _mismatch(layer, shape, f"it takes {takes}", _reshape_hint(layer, shape))
    said = layer.options.model_dump().get(kind.inferred)
    if said is not None and said != shape[0]:
        hint = f"Leave {kind.inferred} out; it is inferred."
        raise _mismatch(layer, shape, f"{kind.inferred} says {said}, so it takes (B, {said}, ...)", hint, kind.inferred)
    wanted: Shape | None = layer.options.model_dump().get("normalized_shape")
    if wanted is not None and shape[-len(wanted) :] != wanted:
        raise _mismatch(layer, shape, f"it takes (B, ..., {str(wanted)[1:]}", argument="normalized_shape")
    wanted = layer.options.model_dump().get("unflattened_size")
    if wanted is not None and prod(wanted) != prod(shape):
        raise _mismatch(layer, shape, f"{shown(wanted)} has {prod(wanted)} values per row, not {prod(shape)}")


def _check_window(layer: Layer, shape: Shape) -> None:
    """Kernels, padding and groups against the shape."""
    options: dict[str, Any] = layer.options.model_dump()
    if "kernel_size" in options:
        sides = shape[1:]
        kernel = _each(options["kernel_size"], sides)
        padding = _each(options["padding"], sides)
        dilation = _each(options.get("dilation", 1), sides)
        padded = tuple(size + 2 * pad for size, pad in zip(sides, padding, strict=True))
        window = tuple(step * (size - 1) + 1 for size, step in zip(kernel, dilation, strict=True))
        if any(inside > outside for inside, outside in zip(window, padded, strict=True)):
            what = f"its kernel covers {_by(window)}, but only {_by(padded)} comes in with padding"
            hint = "Take a smaller kernel, more padding, or pool less before."
            raise _mismatch(layer, shape, what, hint, "kernel_size")
        if "Pool" in layer.type_name and any(2 * pad > size for pad, size in zip(padding, kernel, strict=True)):
            raise _mismatch(layer, shape, "its padding is more than half of its kernel", argument="padding")
    groups = options.get("groups", 1)
    if shape[0] % groups or options.get("out_channels", groups) % groups:
        what = f"{groups} groups must divide both the channels that come in and out_channels"
        raise _mismatch(layer, shape, what, argument="groups")


def _each(value: int | tuple[int, ...], sides: Shape) -> tuple[int, ...]:
    return (value,) * len(sides) if isinstance(value, int) else value


def _by(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))


def _gives_logits(planned: Sequence[Layer], num_outputs: int) -> bool:
    """Whether the stack ends with a linear map to the outputs; behind an activation an output layer is still due."""
    last = next((layer for layer in reversed(planned) if layer.type_name not in HARMLESS_BEHIND_LOGITS), None)
    makes_logits = last is not None and last.type_name in {"Linear", "Conv1d", "Conv2d"}
    return makes_logits and prod(planned[-1].gives) == num_outputs


def _reshape_hint(layer: Layer, shape: Shape) -> str | None:
    if layer.type_name == "BatchNorm1d" and len(shape) == 3:
        return "Use BatchNorm2d."
    if layer.type_name == "BatchNorm2d" and len(shape) < 3:
        return "Use BatchNorm1d."
    wanted = 3 if layer.type_name.endswith("2d") else 2
    if len(shape) >= wanted:
        return None
    values = prod(shape)
    side = isqrt(values)
    square = [1, side, side] if side * side == values else [1, 1, values]
    sizes = [1, *shape] if len(shape) == wanted - 1 else square
    return f'Put {{"type": "Unflatten", "unflattened_size": {sizes}}} before it.'


def _mismatch(
    layer: Layer, shape: Shape, what: str, hint: str | None = None, argument: str | None = None
) -> TrainwellError:
    path = "layers" if layer.index is None else f"layers/{layer.index}"
    return TrainwellError(
        "layer_shape_mismatch",
        f"{layer.where} does not fit: {shown(shape)} comes in; {what}.",
        argument=path if argument is None else f"{path}/{argument}",
        got=list(shape),
        hint=hint,
    )


def _too_large(layer: Layer, gives: Shape | None = None) -> TrainwellError:
    what = "more weights than can be counted" if gives is None else f"{shown(gives)}, {prod(gives):.2g} values per row"
    return TrainwellError(
        "model_too_large",
        f"{layer.where} gives {what}." if gives else f"{layer.where} would have {what}.",
        argument="layers" if layer.index is None else f"layers/{layer.index}",
        allowed=f"at most {MOST_VALUES_PER_ROW:,} values per row",
        hint="Make this layer or the ones before it smaller.",
    )
