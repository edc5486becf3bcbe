"""The weights of two runs side by side: the same bit for bit, or by how much they differ, and on what they ran."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.specs import RunSpec
from trainwell.training.portable import hash_of
from trainwell.worker.weights import read_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from trainwell.store.workspace import Workspace

#: Of the state that is saved with the weights, what a run's numbers may hang on.
ENVIRONMENT = ("device", "threads", "precision", "compile", "torch", "environment")


def compare_weights(workspace: Workspace, arguments: dict[str, Any]) -> dict[str, Any]:
    """Compare the best and the last weights of two runs of one spec.

    Returns: `best` and `last`, each with `sha256` of both and `largest_difference` (of any weight; None where shapes
        differ); `environments` of both.
    """
    specs = [RunSpec.model_validate(arguments[name]) for name in ("original", "again")]
    told: dict[str, Any] = {}
    states: list[dict[str, Any]] = []
    for which in ("best", "last"):
        (one, _), (other, _) = found = [read_run(workspace, spec, which) for spec in specs]
        told[which] = {"sha256": [hash_of(one), hash_of(other)], "largest_difference": _largest(one, other)}
        states = [state for _, state in found]
    return {**told, "environments": [_environment(state) for state in states]}


def _largest(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float | None:
    if {name: tensor.shape for name, tensor in one.items()} != {name: tensor.shape for name, tensor in other.items()}:
        return None
    gaps = [(tensor.double() - other[name].double()).abs().max().item() for name, tensor in one.items()
            if tensor.numel()]  # fmt: skip
    return max(gaps, default=0.0)


def _environment(state: Mapping[str, Any]) -> dict[str, Any]:
    """Flat; a checkpoint of an older trainwell says less."""
    known = {name: state[name] for name in ENVIRONMENT if name in state}
    return {**known, **known.pop("environment", {})}
