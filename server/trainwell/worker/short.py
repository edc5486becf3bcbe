"""Short work that needs torch or reads data, each a function from JSON to JSON; done by a child process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell import architectures, data
from trainwell.architectures.check import check_model
from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import ModelSpec, PreparedData, RunSpec, Shapes
from trainwell.contract.trace import EpochRecord
from trainwell.evaluation.evaluate import evaluate
from trainwell.evaluation.predict import predict
from trainwell.reports.curves import draw_curves
from trainwell.reports.scores import draw_confusion, draw_regression
from trainwell.training import checkpoint
from trainwell.training.device import describe_devices
from trainwell.training.plan import plan
from trainwell.training.seeding import seed_everything
from trainwell.worker.output import preview, write_predictions
from trainwell.worker.training_process import build_module

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from trainwell.store.workspace import Workspace

Json = dict[str, Any]


def _inspect(workspace: Workspace, arguments: Json) -> Json:
    return data.inspect(workspace, arguments)


def _prepare(workspace: Workspace, arguments: Json) -> Json:
    return data.prepare(workspace, arguments).model_dump(mode="json")


def _build(workspace: Workspace, arguments: Json) -> Json:
    """Resolve an architecture's options for prepared data, and prove that it learns: forward, backward."""
    prepared = PreparedData.model_validate(arguments["data"])
    shapes = Shapes(inputs=prepared.inputs, num_outputs=prepared.num_outputs)
    options = architectures.resolve(arguments["architecture"], arguments["options"], shapes)
    seed_everything(0)
    report = check_model(
        arguments["architecture"], options, shapes, prepared.task, max_parameters=arguments["max_parameters"]
    )
    return {"options": options, "report": report, "shapes": shapes.model_dump(mode="json")}


def _plan(workspace: Workspace, arguments: Json) -> Json:
    """What a run will need and do, measured by two steps; refuses what cannot train."""
    spec = RunSpec.model_validate(arguments["spec"])
    return plan(spec, build_module(spec), data.load_split(workspace, spec.data, "train"))


def _evaluate(workspace: Workspace, arguments: Json) -> Json:
    module, model, prepared, card = _trained(workspace, arguments)
    judged = PreparedData.model_validate(arguments["data"]) if arguments.get("data") else prepared
    split = arguments["split"]
    raw = workspace.data_dir(judged.handle) / f"raw_{split}.parquet"
    if judged.handle == prepared.handle:
        arrays = data.load_split(workspace, prepared, split)
    else:
        arrays = data.reencode(workspace, prepared, judged, split)
    result = evaluate(
        module, prepared, arrays, split=split, raw=raw if raw.exists() else None, slices=arguments["slices"]
    )
    if arguments.get("picture"):
        target = Path(arguments["picture"])
        logits_owner = predict(module, prepared, arrays.inputs)
        _draw_scores(prepared, arrays.target, logits_owner, target, title=f"{model.name}: {split}")
    return {**result, "data": judged.handle, "epoch": card["epoch"], "model": model.handle}


def _draw_scores(prepared: PreparedData, target: np.ndarray, output: Json, path: Path, *, title: str) -> None:
    if prepared.task == "classification":
        numbers = {name: number for number, name in enumerate(prepared.classes)}
        predicted = np.asarray([numbers[str(name)] for name in output["predictions"]])
        matrix = np.zeros((len(prepared.classes),) * 2, dtype=np.int64)
        np.add.at(matrix, (np.asarray(target), predicted), 1)
        draw_confusion(matrix, list(prepared.classes), path, title=title)
    else:
        true = np.asarray(target) * prepared.target_std + prepared.target_mean
        draw_regression(true, np.asarray(output["predictions"]), path, title=title)


def _predict(workspace: Workspace, arguments: Json) -> Json:
    module, _, prepared, _ = _trained(workspace, arguments)
    source = data.open_source(workspace, arguments.get("source"), None) if arguments.get("source") else None
    encoded = data.encode(prepared, rows=arguments.get("rows"), source=source)
    output = predict(module, prepared, encoded.inputs)
    answer: Json = {"count": encoded.count, "notes": encoded.notes, **preview(prepared, output)}
    if arguments.get("output"):
        path = Path(arguments["output"])
        write_predictions(path, prepared, output)
        answer["output"] = workspace.shown(path)
    return answer


def _trained(workspace: Workspace, arguments: Json) -> tuple[torch.nn.Module, ModelSpec, PreparedData, Json]:
    """A network with its trained weights: of a run's best checkpoint, or of a file."""
    if arguments.get("file"):
        weights, card = checkpoint.read_file(Path(arguments["file"]))
        model, prepared = ModelSpec.model_validate(card["model"]), PreparedData.model_validate(card["data"])
    else:
        spec = RunSpec.model_validate(arguments["spec"])
        weights, card = _read(workspace, spec.run, arguments.get("which", "best"))
        model, prepared = spec.model, spec.data
    module = architectures.build(model.architecture, model.options, model.shapes)
    checkpoint.load_weights(module, weights)
    return module.eval(), model, prepared, card


def _read(workspace: Workspace, run: str, which: str) -> tuple[dict[str, torch.Tensor], Json]:
    folder = workspace.run_dir(run) / "checkpoints"
    found = checkpoint.read_best(folder) if which == "best" else checkpoint.read_last(folder)
    if found is None:
        raise TrainwellError(
            "no_checkpoint",
            "This run has no readable checkpoint yet.",
            argument="run",
            got=run,
            next_call=next_call("get_run", run=run, wait_seconds=20),
        )
    return found


def _save_checkpoint(workspace: Workspace, arguments: Json) -> Json:
    spec = RunSpec.model_validate(arguments["spec"])
    weights, state = _read(workspace, spec.run, arguments["which"])
    card = {
        "run": spec.run,
        "which": arguments["which"],
        "epoch": state["epoch"],
        "step": state["step"],
        "metrics": state["metrics"],
        "model": spec.model.model_dump(mode="json"),
        "data": spec.data.model_dump(mode="json"),
        "config": spec.config.model_dump(mode="json"),
    }
    path = Path(arguments["path"])
    sha256 = checkpoint.export_file(path, weights, card)
    return {"card": card, "sha256": sha256, "bytes": path.stat().st_size}


def _load_checkpoint(workspace: Workspace, arguments: Json) -> Json:
    """Read a file whole and build its network: only what loads here is given a handle."""
    weights, card, sha256 = checkpoint.read_verified(Path(arguments["path"]))
    model = ModelSpec.model_validate(card["model"])
    PreparedData.model_validate(card["data"])
    module = architectures.build(model.architecture, model.options, model.shapes)
    checkpoint.load_weights(module, weights)
    return {"card": card, "sha256": sha256, "parameters": sum(tensor.numel() for tensor in module.parameters())}


def _plot(workspace: Workspace, arguments: Json) -> Json:
    records = [EpochRecord(**record) for record in arguments["epochs"]]
    path = Path(arguments["path"])
    draw_curves(records, path, title=arguments["title"], score_name=arguments["score_name"])
    return {"bytes": path.stat().st_size}


def _devices(workspace: Workspace, arguments: Json) -> Json:
    return {**describe_devices(), "pid": os.getpid()}


WORK: dict[str, Callable[[Workspace, Json], Json]] = {
    "inspect": _inspect,
    "prepare": _prepare,
    "build": _build,
    "plan": _plan,
    "evaluate": _evaluate,
    "predict": _predict,
    "save_checkpoint": _save_checkpoint,
    "load_checkpoint": _load_checkpoint,
    "plot": _plot,
    "devices": _devices,
}
