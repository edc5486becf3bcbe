"""torch.export: the traced network as a .pt2 archive, which torch loads without any of our code."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

import torch

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain
from trainwell.evaluation import exporting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from trainwell.evaluation.exporting import Array, Trained


def write(trained: Trained, rows: Sequence[Array], path: Path) -> None:
    """Trace and save.

    Raises:
        TrainwellError: `not_exportable`.
    """
    torch.export.save(traced(trained.module, rows), str(path))


def run(path: Path, trained: Trained, inputs: Sequence[Array]) -> Array:
    """Load and run."""
    del trained
    module = torch.export.load(str(path)).module()
    with torch.inference_mode():
        return module(*exporting.tensors(inputs)).numpy()


def traced(module: nn.Module, rows: Sequence[Array]) -> torch.export.ExportedProgram:
    """The network as a graph with any number of rows.

    Raises:
        TrainwellError: `not_exportable`, when its forward does what depends on values or on Python.
    """
    given = exporting.tensors(rows)
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


def refusal(error: Exception) -> TrainwellError:
    """Why a network has no graph, in one sentence."""
    first = next(iter(str(error).strip().splitlines()), "")
    return TrainwellError(
        "not_exportable", "The forward pass of this network cannot be traced: it depends on the values of its inputs "
        "(rows of unequal length in a recurrent network do), or on Python code.", argument="format",
        got=plain(f"{type(error).__name__}: {first}", 200), allowed=["safetensors", "script"],
        hint="Take safetensors; for a graph, train on rows of equal length or with tcn or transformer.",
    )  # fmt: skip
