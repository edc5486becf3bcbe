"""What a network shows before it has learnt anything: facts for the rules, from its first batch."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.nn.modules.conv import _ConvNd  # pyright: ignore[reportPrivateUsage]

from trainwell.training.losses import Classification, Multilabel
from trainwell.training.seeding import random_state, restore_random_state

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from torch import Tensor

    from trainwell.contract.trace import SignalRecord
    from trainwell.training.losses import Task

# Rows that the outputs are looked at for, and rows that tell whether a network is linear.
MOST_ROWS, LINEAR_ROWS = 256, 4
# How far outputs must be apart, over their size, to be more than rounding; and the largest deviation from linear of
# a network that is, over how far its outputs are apart.
ROUNDING, NOT_BENT = 1e-4, 1e-4
# Passes of the same rows differ by no more than this where nothing is drawn.
VARIES = 1e-3
# A sum of a row's outputs that is this near to 1 is meant to be 1.
NEAR_ONE = 1e-3
# Names of tensors that are told, at most.
MOST_NAMES = 8
# Functions behind which outputs lie within bounds, by autograd's names, and those that only change a shape.
_ENDS = {"Sigmoid": "sigmoid", "Softmax": "softmax", "Tanh": "tanh", "Relu": "relu", "Softplus": "softplus"}
_SHAPES = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "T", "Permute", "Alias", "Clone")
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


def facts_of(module: nn.Module, loss: str | None, inputs: Sequence[Tensor]) -> dict[str, Any]:
    """See `Trace.facts`. Neither weights, buffers, modes nor random numbers change.

    Args:
        module: Before its first step, on the device.
        loss: By its usual name, where that is known; see `loss_name`.
        inputs: The first batch, or a part of it that fits in memory.
    """
    some = [column[:MOST_ROWS] for column in inputs]
    with _as_judged(module, some[0].device):
        outputs = module(*some)
        varies = not torch.allclose(outputs, module(*some), rtol=VARIES, atol=VARIES, equal_nan=True)
        linear = _is_linear(module, some)
        ends = _last_activation(module, some)
    return {
        **_of_network(module),
        **_of_outputs(outputs),
        **({"loss_name": loss} if loss else {}),
        **({"output_activation": ends} if ends else {}),
        "inputs_finite": all(bool(torch.isfinite(column).all()) for column in some),
        "is_linear": linear,
        "eval_varies": varies,
    }


def opening_of(first: SignalRecord, no_gradient: list[str]) -> dict[str, Any]:
    """What the first step adds to the facts.

    Args:
        first: Of step 0.
        no_gradient: Tensors that took no part in the loss.
    """
    gradients = list(first.grad_norms.items())
    found: dict[str, Any] = {
        "loss0": first.loss,
        "no_gradient": no_gradient[:MOST_NAMES],
        "zero_gradient": [name for name, norm in gradients if norm == 0 and name not in no_gradient][:MOST_NAMES],
        "dead": first.dead,
        "saturated": first.saturated,
    }
    if gradients:
        found |= {"first_gradient": gradients[0][1], "last_gradient": gradients[-1][1]}
    return found


def loss_name(task: Task) -> str:
    """The loss of a task, by its usual name."""
    if isinstance(task, Classification):
        return "cross_entropy"
    return "bce_logits" if isinstance(task, Multilabel) else "mse"


@contextmanager
def _as_judged(module: nn.Module, device: torch.device) -> Generator[None]:
    """Within it the module is in evaluation mode, without gradients; behind it all is as it was."""
    modes = [(layer, layer.training) for layer in module.modules()]
    state = random_state(device)
    try:
        module.eval()
        with torch.no_grad():
            yield
    finally:
        for layer, mode in modes:
            layer.training = mode
        restore_random_state(state, device)


def _of_network(module: nn.Module) -> dict[str, Any]:
    named = list(module.named_parameters())
    frozen = [name for name, weight in named if not weight.requires_grad]
    total = sum(weight.numel() for _, weight in named)
    fixed = sum(weight.numel() for _, weight in named if not weight.requires_grad)
    layers = list(module.modules())
    return {
        "frozen": frozen[:MOST_NAMES],
        "frozen_share": fixed / total if total else 0.0,
        "symmetric": _symmetric(named)[:MOST_NAMES],
        "weight_types": sorted({str(weight.dtype).removeprefix("torch.") for _, weight in named}),
        "weight_layers": sum(weight.ndim > 1 for _, weight in named),
        "narrowest": min(_widths(layers)[:-1], default=None),
        "batch_norms": sum(isinstance(layer, _BatchNorm) for layer in layers),
        "recurrent": any(isinstance(layer, nn.RNNBase) for layer in layers),
        "largest_dropout": max((layer.p for layer in layers if isinstance(layer, _DROPOUTS)), default=0.0),
    }


def _widths(layers: list[nn.Module]) -> list[int]:
    """How many numbers leave each layer that has weights; the last one's are the outputs."""
    widths: list[int] = []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            widths.append(layer.out_features)
        elif isinstance(layer, _ConvNd):
            widths.append(layer.out_channels)
        elif isinstance(layer, nn.RNNBase):
            widths.append(layer.hidden_size)
    return widths


def _symmetric(named: list[tuple[str, nn.Parameter]]) -> list[str]:
    """Matrices with several rows that are all alike: their units would learn the same for ever."""
    matrices = [(name, weight.detach()) for name, weight in named if weight.ndim > 1 and len(weight) > 1]
    if not matrices:
        return []
    distances = torch.stack([(weight - weight[:1]).abs().amax().float() for _, weight in matrices])
    apart = cast("list[float]", distances.tolist())
    return [name for (name, _), distance in zip(matrices, apart, strict=True) if distance == 0]


def facts_of_target(target: Tensor) -> dict[str, Any]:
    """What the facts tell of the first batch's target."""
    goals = target[:MOST_ROWS].float()
    marks = (goals == 0) | (goals == 1)
    least, most = cast("list[float]", torch.stack([goals.amin(), goals.amax()]).tolist())
    return {
        "target_shape": list(target.shape[1:]),
        "target_min": least,
        "target_max": most,
        "target_whole": not target.is_floating_point(),
        "target_marks": bool(marks.all()),
    }


def _of_outputs(outputs: Tensor) -> dict[str, Any]:
    values = outputs.float()
    sums = values.flatten(1).sum(1) if values.ndim > 1 else values
    measured = torch.stack(
        [values.amin(), values.amax(), values.std(correction=min(1, values.numel() - 1)), (sums - 1).abs().amax()]
    )
    low, high, scale, off = cast("list[float]", measured.tolist())
    return {
        "output_min": low,
        "output_max": high,
        "output_scale": scale,
        "rows_sum_to_one": values.ndim > 1 and values.shape[1] > 1 and low >= 0 and off < NEAR_ONE,
        "output_shape": list(outputs.shape[1:]),
    }


def _last_activation(module: Callable[..., Any], inputs: Sequence[Tensor]) -> str | None:
    """What the outputs went through last, where that keeps them within bounds; None for all else."""
    with torch.enable_grad():
        node = module(*inputs).grad_fn
    while node is not None:
        name: str = node.name().partition("Backward")[0]
        if name not in _SHAPES or not node.next_functions:
            return _ENDS.get(name)
        node = node.next_functions[0][0]
    return None


def _is_linear(module: Callable[..., Any], inputs: Sequence[Tensor]) -> bool | None:
    """Whether f(a) - f(b) = f(c) - f(d) wherever a - b = c - d; None where the inputs are no numbers to add up."""
    if len(inputs) != 1 or not inputs[0].is_floating_point() or len(inputs[0]) < LINEAR_ROWS:
        return None
    a, b, c = (inputs[0][number : number + 1] for number in range(3))
    # Far from the rows too: a network may be linear near them, where no unit changes sides.
    points = [a, b, c, a - b + c]
    steps = [10 * points[0] - 10 * points[1] + points[2], 10 * points[0], 10 * points[1], points[2]]
    outputs = [module(point).float() for point in (*points, *steps)]
    scale = max(float(output.abs().amax()) for output in outputs)
    varied = max(float((one - two).abs().amax()) for one, two in pairwise(outputs))
    if varied <= ROUNDING * scale:
        return None
    near = outputs[0] - outputs[1] + outputs[2] - outputs[3]
    far = outputs[4] - outputs[5] + outputs[6] - outputs[7]
    off = max(float(near.abs().amax()), float(far.abs().amax()))
    return off <= NOT_BENT * varied
