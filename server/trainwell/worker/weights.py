"""Networks with weights: fresh from a seed, from a run's checkpoints, or from a portable file."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError

from trainwell import architectures
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import PYTHON, ModelSpec, PreparedData, RunSpec
from trainwell.training import checkpoint
from trainwell.training.seeding import seed_everything

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainwell.store.workspace import Workspace

MOST_NAMES = 5


@dataclass(frozen=True)
class Trained:
    """A network that has learnt, what it was built as and trained on, and the epoch its weights are from."""

    module: torch.nn.Module
    model: ModelSpec
    data: PreparedData
    epoch: int


def fresh(spec: RunSpec) -> torch.nn.Module:
    """The network with its first weights: from the run's seed, or from the checkpoint that it starts from."""
    _must_be_ours(spec.model)
    seed_everything(spec.config.seed)
    module = architectures.build(spec.model.architecture, spec.model.options, spec.model.shapes)
    if spec.start_from is not None:
        weights, _ = checkpoint.read_file(Path(spec.start_from))
        _load(module, weights, assign=False)
    return module


def of_run(workspace: Workspace, spec: RunSpec, which: str = "best") -> Trained:
    """The network of a run with its best or last weights.

    Raises:
        TrainwellError: There are none yet, or they are damaged.
    """
    weights, state = read_run(workspace, spec, which)
    return Trained(_with_weights(spec.model, weights), spec.model, spec.data, int(state["epoch"]))


def read_run(workspace: Workspace, spec: RunSpec, which: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The best or last weights of a run, and the state they were saved with."""
    folder = workspace.run_dir(spec.run) / "checkpoints"
    try:
        return checkpoint.read_best(folder) if which == "best" else checkpoint.read_last(folder)
    except TrainwellError as error:
        error.argument = error.argument or "run"
        error.got = error.got or spec.run
        error.next_call = error.next_call or next_call("get_run", run=spec.run, wait_seconds=20)
        raise


def of_file(path: Path) -> tuple[Trained, dict[str, Any]]:
    """The network in a portable file, and the file's card. Only what loads whole comes back.

    Raises:
        TrainwellError: It is no checkpoint of ours, is damaged, or its parts do not belong together.
    """
    weights, card = checkpoint.read_file(path)
    try:
        model, data = ModelSpec.model_validate(card["model"]), PreparedData.model_validate(card["data"])
        epoch, _ = int(card["epoch"]), str(card["run"])
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        raise TrainwellError(
            "checkpoint_damaged", f"{path.name} does not describe its network as this version writes it.",
            argument="path", hint="Save it again with save_checkpoint.",
        ) from error  # fmt: skip
    return Trained(_with_weights(model, weights), model, data, epoch), card


def _with_weights(model: ModelSpec, weights: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Build on the meta device where that is possible, so that a forged description allocates nothing; fill it."""
    _must_be_ours(model)
    meta = architectures.on_meta(model.architecture)
    with torch.device("meta") if meta else nullcontext():
        module = architectures.build(model.architecture, model.options, model.shapes)
    _load(module, weights, assign=meta)
    return module.eval()


def _must_be_ours(model: ModelSpec) -> None:
    if model.architecture == PYTHON:
        raise TrainwellError(
            "python_network", f"This network, {model.name}, lives in the Python program that trained it.",
            argument="run", hint="Ask trainwell.evaluate or trainwell.predict there; get_run and diagnose work here.",
        )  # fmt: skip


def _load(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], *, assign: bool) -> None:
    ours = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    theirs = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if ours != theirs:
        wrong = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))[:MOST_NAMES]
        raise TrainwellError(
            "weights_do_not_fit", "The weights are those of another network than the file describes.", argument="path",
            hint="Save it again with save_checkpoint.",
            got={name: theirs.get(name, "missing") for name in wrong},
            allowed={name: list(ours[name]) if name in ours else "nothing" for name in wrong},
        )  # fmt: skip
    module.load_state_dict(dict(weights), strict=True, assign=assign)
