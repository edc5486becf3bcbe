"""What `trainwell.train` takes by name beside its own arguments; limits and defaults are the manifest's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from trainwell.contract.checking import check_arguments
from trainwell.contract.errors import TrainwellError
from trainwell.contract.specs import TrainConfig
from trainwell.training import recipes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainwell.contract.manifest import Manifest

# Arguments of the tool that a Python program says otherwise.
INSTEAD = {
    "batch_size": "The loader's batch_size is the batch size.",
    "checkpoint": "Load the weights into the module before, or pass resume.",
    "wait_seconds": "train comes back when the run has ended.",
    "idempotency_key": "Leave it out.",
}
MIXES = "mixup"


class Options(TypedDict, total=False):
    """The tool `train` has the same, with the same limits and defaults (see SKILL.md)."""

    optimizer: str
    weight_decay: float
    scheduler: str
    warmup: float
    precision: str
    grad_clip: float
    accumulate: int
    early_stopping: int
    class_weights: str
    label_smoothing: float
    augment: list[str]
    ema: float
    swa: float
    seed: int
    deterministic: bool
    max_minutes: float
    max_attempts: int
    on_finding: str
    name: str
    tags: list[str]


def checked(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `train`, held to the manifest by the code that holds agents to it, defaults filled in.

    Raises:
        TrainwellError: As for the tool; `not_from_python`.
    """
    for name, instead in INSTEAD.items():
        if name in given:
            raise TrainwellError("not_from_python", f"{name} is not for Python.", argument=name, hint=instead)
    whole = check_arguments(manifest.tools["train"], {"model": "given", "train_loader": "given", **given})
    if whole["on_finding"] == "repair":
        raise TrainwellError(
            "not_from_python", "Only a run in a process of its own can go back and repair itself.",
            argument="on_finding", got="repair", allowed=["report", "stop"],
        )  # fmt: skip
    augment = [name for name in whole.get("augment") or () if name != MIXES]
    if augment:
        raise TrainwellError(
            "augmentation_does_not_fit", f"{augment[0]} is for images that prepare_data made.", argument="augment",
            got=augment, allowed=[MIXES], hint="Augment in the dataset: its rows are then read anew each epoch.",
        )  # fmt: skip
    return whole


def config_of(whole: Mapping[str, Any], batch_size: int) -> TrainConfig:
    """The config, with the general rule for what was left open."""
    open_choices = {"weight_decay": recipes.WEIGHT_DECAY, "label_smoothing": 0.0, "augment": (), "ema": 0.0}
    fields = {name: whole.get(name) for name in TrainConfig.model_fields}
    closed = {name: value for name, value in open_choices.items() if fields.get(name) is None}
    return TrainConfig.model_validate({**fields, **closed, "batch_size": batch_size})
