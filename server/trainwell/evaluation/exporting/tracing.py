"""A network as a graph of torch operations, with any number of rows: what torch_export saves and onnx translates."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import nn


def traced(module: nn.Module, rows: Sequence[NDArray[Any]]) -> torch.export.ExportedProgram:
    """The graph of a network in evaluation mode.

    Args:
        module: Traced as it is.
        rows: One (B, ...) array for each input, B at least 2: a batch of one row would be taken for a constant.

    Raises:
        TrainwellError: `not_exportable`, when its forward does what depends on values or on Python.
    """
    given = tensors(rows)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # recurrent layers list their weights anew while they are traced
            return torch.export.export(module, given, dynamic_shapes=any_rows(module, len(given)))
    except Exception as error:
        raise refusal(error) from error


def any_rows(module: nn.Module, count: int) -> dict[str, Any]:
    """For each parameter of forward, that the first dimension of its tensors is free."""
    free = {0: torch.export.Dim("rows")}
    left = [free] * count
    shapes: dict[str, Any] = {}
    for parameter in inspect.signature(module.forward).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            shapes[parameter.name] = tuple(left)
            left = []
        elif left:
            shapes[parameter.name] = left.pop(0)
    return shapes


def tensors(rows: Sequence[NDArray[Any]]) -> tuple[torch.Tensor, ...]:
    """Arrays as tensors of their own: torch must not be handed read-only memory."""
    return tuple(torch.from_numpy(np.array(array)) for array in rows)


def refusal(error: Exception) -> TrainwellError:
    """Why a network has no graph, in one sentence."""
    first = next(iter(str(error).strip().splitlines()), "")
    return TrainwellError(
        "not_exportable", "The forward pass of this network cannot be traced: it depends on the values of its inputs "
        "(rows of unequal length in a recurrent network do), or on Python code.", argument="format",
        got=plain(f"{type(error).__name__}: {first}", 200), allowed=["safetensors", "script"],
        hint="Take safetensors; for a graph, train on rows of equal length or with tcn or transformer.",
    )  # fmt: skip
