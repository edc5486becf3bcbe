"""A stack of layers as the expressions that make it: what `build` made of an agent's list, written out."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from trainwell.architectures._entry import Flat, Normalise
from trainwell.architectures._layer_modules import (
    Branch,
    GlobalPool,
    PositionalEmbedding,
    Recurrent,
    Residual,
    SelfAttention,
)
from trainwell.architectures._stack import Stack
from trainwell.architectures.layers import Only
from trainwell.contract.errors import TrainwellError

if TYPE_CHECKING:
    from trainwell.evaluation.exporting.bundle import Bundle

_ROOM = "trainwell.architectures"
# What is made from the inputs that the program names.
_OF_INPUTS = {Normalise: "next(one for one in INPUTS if one.role == 'image')", Flat: "SimpleNamespace(inputs=INPUTS)"}


def written_out(bundle: Bundle, stack: nn.Module, init: str) -> str:
    """The body of a function that builds a stack with fresh weights.

    Args:
        bundle: Takes in what the layers are made of.
        stack: From `architectures.layers.build`.
        init: How its weights begin.
    """
    assert isinstance(stack, Stack)  # noqa: S101 - tells the type
    (_, entry), *layers = stack.named_children()
    bundle.imports.add("from collections import OrderedDict")
    lines = [f"        ({name!r}, {expression(bundle, layer)})," for name, layer in layers]
    initialise, kind = bundle.add(f"{_ROOM}._init", "initialise"), bundle.add(f"{_ROOM}._stack", "Stack")
    made = "\n".join(lines)
    return (
        f"    layers = OrderedDict([\n{made}\n    ])\n"
        f"    {initialise}(layers.values(), {init!r})\n"
        f"    return {kind}({expression(bundle, entry)}, layers)"
    )


def expression(bundle: Bundle, module: nn.Module) -> str:
    """What makes this module, with fresh weights.

    Raises:
        TrainwellError: `not_exportable`, for a module whose making is not known.
    """
    bundle.imports.add("from torch import nn")
    if isinstance(module, nn.Sequential):
        inner = ", ".join(f"({name!r}, {expression(bundle, one)})" for name, one in module.named_children())
        return f"nn.Sequential(OrderedDict([{inner}]))"
    kind = type(module)
    if kind.__module__.startswith("torch."):
        return f"nn.{kind.__name__}({_arguments(module)})"
    name = bundle.add(kind.__module__, kind.__name__)
    return f"{name}({_ours(bundle, module)})"


def _arguments(module: nn.Module) -> str:
    """What torch itself says of a layer, which is how it was made."""
    if isinstance(module, nn.RNNBase) and module.mode.startswith("RNN_"):
        return f"{module.extra_repr()}, nonlinearity={module.mode.removeprefix('RNN_').lower()!r}"
    if isinstance(module, nn.TransformerEncoderLayer):
        raise _unknown("TransformerEncoderLayer")
    if isinstance(module, nn.Unflatten):
        return f"dim={module.dim}, unflattened_size={tuple(module.unflattened_size)}"
    if isinstance(module, nn.Upsample):
        return f"scale_factor={module.scale_factor}, mode={module.mode!r}"
    return module.extra_repr()


def _ours(bundle: Bundle, module: nn.Module) -> str:
    """The arguments of a module of ours."""
    if isinstance(module, Residual):
        projection = "None" if module.projection is None else expression(bundle, module.projection)
        return f"{expression(bundle, module.body)}, {projection}"
    if isinstance(module, Branch):
        return f"[{', '.join(expression(bundle, way) for way in module.ways)}], {module.along}"
    if isinstance(module, Recurrent):
        return f"{expression(bundle, module.layer)}, last={module.last}"
    if isinstance(module, SelfAttention):
        inner = module.attention
        bias = inner.in_proj_bias is not None  # pyright: ignore[reportUnnecessaryComparison]
        return f"{inner.embed_dim}, {inner.num_heads}, dropout={inner.dropout}, bias={bias}"
    if isinstance(module, PositionalEmbedding):
        return ", ".join(map(str, module.weight.shape))
    if isinstance(module, Only):
        return f"{expression(bundle, module.input)}, {module.place}"
    if isinstance(module, GlobalPool):
        return repr(module.how)
    return next((text for kind, text in _OF_INPUTS.items() if isinstance(module, kind)), "")


def _unknown(name: str) -> TrainwellError:
    return TrainwellError(
        "not_exportable", f"A stack with {name} is not written out as a program.", argument="format", got=name,
        allowed=["safetensors", "torch_export", "onnx"],
    )  # fmt: skip
