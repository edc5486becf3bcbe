"""Shapes through a stack of layers, found on the meta device: nothing is allocated, however large the layers are.

A sequence comes in as steps (T, C). Layers of torch that want channels first, (C, T), such as Conv1d, get it so, and
recurrent layers and attention get (T, C): a Transpose is put between them where it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt, prod
from typing import TYPE_CHECKING, Any

import torch

from trainwell.architectures._entry import num_features
from trainwell.architectures._layer_options import LinearOptions, NoOptions
from trainwell.architectures._layer_types import HARMLESS_BEHIND_LOGITS, LAYERS, Layout, Shape
from trainwell.architectures._nodes import Fork, Layer, Node, Projection, Shortcut, shown
from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainwell.contract.specs import Shapes, TensorSpec

# Keeps every size below what 64 bits count; what the machine can hold is checked later, with its memory.
MOST_VALUES_PER_ROW = 2**31


@dataclass(frozen=True)
class Flow:
    """What stands between two layers: the shape of a row, and how its sizes lie where that is known."""

    shape: Shape
    layout: Layout = None
    vocabulary: int = 0  # how many tokens there are, where they come in


def only_input(shapes: Shapes) -> TensorSpec | None:
    """The one input whose shape the layers see, a length aside; None where all are put side by side as one vector."""
    told = [spec for spec in shapes.inputs if spec.role != "length"]
    return told[0] if len(told) == 1 and told[0].role != "categories" else None


def plan(given: Sequence[Node], shapes: Shapes) -> list[Node]:
    """All layers with their shapes, with the Flatten, Transpose and output layers that were missing.

    Raises:
        TrainwellError: `layer_shape_mismatch` with the layer and both shapes, or `model_too_large`.
    """
    features = num_features(shapes)
    single = only_input(shapes)
    if single is None:
        flow = Flow((features,))
    else:
        layout: Layout = "tokens" if single.role == "tokens" else "steps" if single.role == "sequence" else None
        flow = Flow(single.shape or (1,), layout, single.sizes[0] if layout == "tokens" else 0)
    planned, flow = _through(given, flow)
    if not _gives_logits(planned, shapes.num_outputs):
        output = Layer("output", None, "Linear", LinearOptions(out_features=shapes.num_outputs))
        planned += _fitted(output, flow)[0]
    elif len(flow.shape) > 1:
        planned.append(_placed(Layer("flatten_output", None, "Flatten", NoOptions()), flow)[0])
    return planned


def _through(nodes: Sequence[Node], flow: Flow) -> tuple[list[Node], Flow]:
    planned: list[Node] = []
    for node in nodes:
        if isinstance(node, Layer):
            placed, flow = _fitted(node, flow)
            planned += placed
        else:
            done, flow = _shortcut(node, flow) if isinstance(node, Shortcut) else _fork(node, flow)
            planned.append(done)
    return planned, flow


def _shortcut(node: Shortcut, flow: Flow) -> tuple[Shortcut, Flow]:
    body, behind = _turned(*_through(node.body, flow), flow.layout)
    projection = None
    if behind.shape != flow.shape:
        projection = _projection(flow, behind)
        if projection is None:
            what = f"{shown(flow.shape)} comes in and {shown(behind.shape)} comes out; no projection leads there"
            hint = "Let the layers keep the sizes behind the channels, or shrink them by a whole factor."
            raise _unlike(f"{node.path}/residual", what, flow.shape, hint)
    return replace(node, body=tuple(body), projection=projection, gives=behind.shape), behind


def _fork(node: Fork, flow: Flow) -> tuple[Fork, Flow]:
    ways: list[tuple[Node, ...]] = []
    first: Flow | None = None
    total = 0
    for number, way in enumerate(node.ways):
        made, behind = _through(way, flow)
        if first is None:
            first = behind
        made, behind = _turned(made, behind, first.layout)
        place = _channel_place(first)
        if not _joinable(first.shape, behind.shape, None if node.join == "add" else place):
            what = f"branch 0 gives {shown(first.shape)} and this one {shown(behind.shape)}; {node.join} needs "
            what += "the same shape" if node.join == "add" else "the same sizes apart from the channels"
            raise _unlike(f"{node.path}/branch/{number}", what, behind.shape)
        total += behind.shape[place]
        ways.append(tuple(made))
    if first is None:  # pragma: no cover - there are at least two ways
        raise AssertionError(node)
    if node.join == "add":
        return replace(node, ways=tuple(ways), gives=first.shape), first
    place = _channel_place(first)
    shape = (*first.shape[:place], total, *first.shape[place + 1 :])
    if prod(shape) > MOST_VALUES_PER_ROW:
        raise _too_large(node.path, node.path, shape)
    return replace(node, ways=tuple(ways), along=place + 1, gives=shape), Flow(shape, first.layout)


def _channel_place(flow: Flow) -> int:
    return len(flow.shape) - 1 if flow.layout == "steps" else 0


def _joinable(one: Shape, other: Shape, place: int | None) -> bool:
    if place is None:
        return one == other
    return len(one) == len(other) and all(
        a == b for at, (a, b) in enumerate(zip(one, other, strict=True)) if at != place
    )


def _turned(nodes: list[Node], flow: Flow, wanted: Layout) -> tuple[list[Node], Flow]:
    """A sequence that ends the other way round is turned back, so that it can be added or joined."""
    if not _differs(flow, wanted):
        return nodes, flow
    turn, flow = _placed(Layer("transpose_back", None, "Transpose", NoOptions()), flow)
    return [*nodes, turn], flow


def _differs(flow: Flow, wanted: Layout) -> bool:
    lies = {"steps", "channels"}
    return len(flow.shape) == 2 and flow.layout in lies and wanted in lies and flow.layout != wanted


def _projection(before: Flow, behind: Flow) -> Projection | None:
    one, other = before.shape, behind.shape
    if len(one) != len(other):
        return None
    if len(one) == 1 or (behind.layout == "steps" and one[0] == other[0]):
        return Projection(one, other, None)
    if len(one) not in {2, 3} or behind.layout == "steps":
        return None
    strides = [_stride(size, wanted) for size, wanted in zip(one[1:], other[1:], strict=True)]
    return None if None in strides else Projection(one, other, tuple(stride for stride in strides if stride))


def _stride(size: int, wanted: int) -> int | None:
    """The stride that makes `wanted` places of `size`; None when there is none."""
    candidates = {max(1, size // wanted), -(-size // wanted)}
    return next((stride for stride in sorted(candidates) if (size - 1) // stride + 1 == wanted), None)


def _unlike(path: str, what: str, got: Shape, hint: str | None = None) -> TrainwellError:
    return TrainwellError(
        "layer_shape_mismatch", f"{path} does not fit: {what}.", argument=path, got=list(got), hint=hint
    )


def _fitted(layer: Layer, flow: Flow) -> tuple[list[Node], Flow]:
    """The layer at its place, behind the Flatten or Transpose that it needs."""
    kind = LAYERS[layer.type_name]
    if (flow.layout == "tokens") != (kind.layout == "tokens"):
        hint = 'Put {"type": "Embedding", "embedding_dim": 64} first.' if flow.layout == "tokens" else None
        what = "only an Embedding takes tokens" if flow.layout == "tokens" else "it takes tokens, as text gives them"
        raise _mismatch(layer, flow.shape, what, hint)
    if kind.layout == "tokens":
        layer = _with_vocabulary(layer, flow)
    before: list[Node] = []
    helper = None
    if kind.flat and len(flow.shape) > 1:
        helper = Layer(f"flatten_before_{layer.name}", None, "Flatten", NoOptions())
    elif _differs(flow, kind.layout):
        helper = Layer(f"transpose_before_{layer.name}", None, "Transpose", NoOptions())
    if helper is not None:
        placed, flow = _placed(helper, flow)
        before.append(placed)
    placed, flow = _placed(layer, flow)
    return [*before, placed], flow


def _with_vocabulary(layer: Layer, flow: Flow) -> Layer:
    said = layer.options.num_embeddings
    if said is not None and said < flow.vocabulary:
        what = f"num_embeddings says {said}, and there are {flow.vocabulary} tokens"
        hint = "Leave num_embeddings out; it is inferred."
        raise _mismatch(layer, flow.shape, what, hint, "num_embeddings")
    return replace(layer, options=layer.options.model_copy(update={"num_embeddings": said or flow.vocabulary}))


def _placed(layer: Layer, flow: Flow) -> tuple[Layer, Flow]:
    """The layer with its shapes, after every check that can be told better than torch tells it."""
    shape = flow.shape
    _check_sizes(layer, shape)
    _check_window(layer, shape)
    try:
        with torch.device("meta"):
            rows = torch.empty((2, *shape), dtype=torch.long if flow.layout == "tokens" else None)
            gives = tuple(LAYERS[layer.type_name].make(layer.options, shape)(rows).shape[1:])
    except (RuntimeError, ValueError, AssertionError) as error:
        if "overflow" in str(error).lower():
            raise _too_large(layer.where, layer.path) from None
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _mismatch(layer, shape, f"PyTorch says: {reason[:200]}") from None
    if prod(gives) > MOST_VALUES_PER_ROW:
        raise _too_large(layer.where, layer.path, gives)
    return replace(layer, takes=shape, gives=gives), Flow(gives, _layout_behind(layer, flow, gives))


def _layout_behind(layer: Layer, flow: Flow, gives: Shape) -> Layout:
    if len(gives) != 2:
        return None
    if layer.type_name == "Transpose":
        return {"steps": "channels", "channels": "steps"}.get(flow.layout or "")  # pyright: ignore[reportReturnType]
    if layer.type_name in {"Flatten", "Unflatten"}:
        return None
    kind = LAYERS[layer.type_name]
    return "steps" if kind.layout == "tokens" else kind.layout or flow.layout


def _check_sizes(layer: Layer, shape: Shape) -> None:
    kind = LAYERS[layer.type_name]
    if not kind.accepts(shape):
        takes = " or ".join(takes.replace("(", "(B, ") for takes in kind.takes).replace(",)", ")")
        raise _mismatch(layer, shape, f"it takes {takes}", _reshape_hint(layer, shape))
    said = layer.options.model_dump().get(kind.inferred)
    if said is not None and said != kind.channels(shape):
        hint = f"Leave {kind.inferred} out; it is inferred."
        takes = f"(B, T, {said})" if kind.layout == "steps" else f"(B, {said}, ...)"
        raise _mismatch(layer, shape, f"{kind.inferred} says {said}, so it takes {takes}", hint, kind.inferred)
    wanted: Shape | None = layer.options.model_dump().get("normalized_shape")
    if wanted is not None and shape[-len(wanted) :] != wanted:
        raise _mismatch(layer, shape, f"it takes (B, ..., {str(wanted)[1:]}", argument="normalized_shape")
    wanted = layer.options.model_dump().get("unflattened_size")
    if wanted is not None and prod(wanted) != prod(shape):
        raise _mismatch(layer, shape, f"{shown(wanted)} has {prod(wanted)} values per row, not {prod(shape)}")


def _check_window(layer: Layer, shape: Shape) -> None:
    """Kernels, padding and groups against the shape."""
    options: dict[str, Any] = layer.options.model_dump()
    if "kernel_size" in options and "ConvTranspose" not in layer.type_name:
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


def _gives_logits(planned: Sequence[Node], num_outputs: int) -> bool:
    """Whether the stack ends with a linear map to the outputs; behind an activation an output layer is still due."""
    for node in reversed(planned):
        if not isinstance(node, Layer) or node.type_name not in HARMLESS_BEHIND_LOGITS:
            linear = isinstance(node, Layer) and node.type_name in {"Linear", "Conv1d", "Conv2d"}
            return linear and prod(planned[-1].gives) == num_outputs
    return False


def _reshape_hint(layer: Layer, shape: Shape) -> str | None:
    if layer.type_name == "BatchNorm1d" and len(shape) == 3:
        return "Use BatchNorm2d."
    if layer.type_name == "BatchNorm2d" and len(shape) < 3:
        return "Use BatchNorm1d."
    wanted = 3 if layer.type_name.endswith("2d") else 2
    if len(shape) >= wanted or LAYERS[layer.type_name].layout == "tokens":
        return None
    values = prod(shape)
    side = isqrt(values)
    square = [1, side, side] if side * side == values else [1, 1, values]
    sizes = [1, *shape] if len(shape) == wanted - 1 else square
    return f'Put {{"type": "Unflatten", "unflattened_size": {sizes}}} before it.'


def _mismatch(
    layer: Layer, shape: Shape, what: str, hint: str | None = None, argument: str | None = None
) -> TrainwellError:
    path = layer.path or "layers"
    return TrainwellError(
        "layer_shape_mismatch",
        f"{layer.where} does not fit: {shown(shape)} comes in; {what}.",
        argument=path if argument is None else f"{path}/{argument}",
        got=list(shape),
        hint=hint,
    )


def _too_large(where: str, path: str | None, gives: Shape | None = None) -> TrainwellError:
    what = "more weights than can be counted" if gives is None else f"{shown(gives)}, {prod(gives):.2g} values per row"
    return TrainwellError(
        "model_too_large",
        f"{where} gives {what}." if gives else f"{where} would have {what}.",
        argument=path or "layers",
        allowed=f"at most {MOST_VALUES_PER_ROW:,} values per row",
        hint="Make this layer or the ones before it smaller.",
    )
