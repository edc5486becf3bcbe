"""Short work that needs torch or reads data, each a function from JSON to JSON; done by a child process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwell import architectures, data
from trainwell.architectures.check import check_model
from trainwell.contract.errors import TrainwellError
from trainwell.contract.findings import Finding
from trainwell.contract.specs import ModelSpec, PreparedData, RunSpec, Shapes
from trainwell.contract.text import finite
from trainwell.contract.trace import EpochRecord, SignalRecord
from trainwell.evaluation import exporting
from trainwell.evaluation.evaluate import evaluate
from trainwell.evaluation.explaining import explain
from trainwell.evaluation.pictures import Picture
from trainwell.evaluation.trees import trees_for
from trainwell.reports.comparison import draw_comparison
from trainwell.reports.curves import draw_curves
from trainwell.reports.diagnosis import draw_diagnosis
from trainwell.training import checkpoint, recipes
from trainwell.training.device import describe_devices
from trainwell.training.plan import plan
from trainwell.training.profiling import profile
from trainwell.training.range_test import find_lr
from trainwell.training.seeding import seed_everything
from trainwell.worker import spaces, weights
from trainwell.worker.backbones import check_tokenizer
from trainwell.worker.branching import branch
from trainwell.worker.predicting import predict_rows
from trainwell.worker.reproducing import compare_weights
from trainwell.worker.studies import require_optuna

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainwell.data import SplitArrays
    from trainwell.store.workspace import Workspace

Json = dict[str, Any]

# What the rows are, by the role of the first input.
_FITS = {
    "features": "rows of numbers", "categories": "tables", "image": "images", "sequence": "series", "tokens": "texts",
    "length": "series",
}  # fmt: skip


def _inspect(workspace: Workspace, arguments: Json) -> Json:
    return data.inspect(workspace, arguments)


def _prepare(workspace: Workspace, arguments: Json) -> Json:
    return data.prepare(workspace, arguments).model_dump(mode="json")


def _build(workspace: Workspace, arguments: Json) -> Json:
    """Resolve an architecture's options for prepared data, and prove that it learns: forward, backward."""
    prepared = PreparedData.model_validate(arguments["data"])
    shapes = Shapes(inputs=prepared.inputs, num_outputs=prepared.num_outputs, task=prepared.task)
    sized = shapes.model_copy(update={"rows": prepared.splits["train"]})  # widths may follow from how much there is
    name = architectures.choose(arguments["architecture"], sized)
    check_tokenizer(name, arguments["options"], prepared)
    seed_everything(0)
    if arguments["architecture"] == architectures.AUTO:
        what = "inputs to be given back" if prepared.task == "reconstruction" else _FITS[prepared.inputs[0].role]
        chosen = [f"auto took {name}: the first choice for {what}."]
    else:
        chosen = []
    report = check_model(
        name,
        arguments["options"],
        sized,
        prepared.task,
        max_parameters=arguments["max_parameters"],
    )
    report["notes"] = [*chosen, *report["notes"]]
    return {
        "architecture": name,
        "options": report.pop("options"),
        "report": report,
        "shapes": shapes.model_dump(mode="json"),
    }


def _plan(workspace: Workspace, arguments: Json) -> Json:
    """What a run will need and do, measured by two steps; refuses what cannot train.

    Returns: As `plan`, with `config` closed where the agent left choices open.
    """
    asked = arguments["spec"]
    model, prepared = ModelSpec.model_validate(asked["model"]), PreparedData.model_validate(asked["data"])
    config, chosen = recipes.resolve(asked["config"], model, prepared, asked["limits"])
    spec = RunSpec.model_validate({**asked, "config": config.model_dump(mode="json")})
    planned = plan(spec, weights.fresh(spec), data.load_split(workspace, prepared, "train"))
    planned["decisions"] = [*chosen, *planned["decisions"]]
    return {**planned, "config": spec.config.model_dump(mode="json")}


def _plan_search(workspace: Workspace, arguments: Json) -> Json:
    """What a search will try, and what one training of it needs; refuses values that no training could have.

    Returns: As `_plan`, and `space`: every name with its `Range`.
    """
    require_optuna()
    planned = _plan(workspace, arguments)
    spec = RunSpec.model_validate({**arguments["spec"], "config": planned["config"]})
    space = spaces.resolve(arguments["space"], spec)
    return {**planned, "space": {name: one.model_dump(mode="json") for name, one in space.items()}}


def _evaluate(workspace: Workspace, arguments: Json) -> Json:
    trained = _trained(workspace, arguments)
    split = arguments["split"]
    judged = PreparedData.model_validate(arguments["data"]) if arguments.get("data") else trained.data
    arrays = _rows_to_judge(workspace, trained.data, judged, split)
    raw = workspace.data_dir(judged.handle) / f"raw_{split}.parquet"
    asked: Json | None = arguments.get("picture")
    result = evaluate(
        trained.module,
        trained.data,
        arrays,
        split=split,
        raw=raw if raw.exists() else None,
        slices=arguments["slices"],
        picture=Picture(asked["kind"], Path(asked["path"]), asked["title"]) if asked else None,
        trees=trees_for(workspace, trained.data, judged, split, arrays),
    )
    result["notes"] = [*_trained_on(workspace, trained.data, judged, arrays), *result["notes"]]
    return {**result, "data": judged.handle, "model": trained.model.handle, "epoch": trained.epoch}


def _intervals(workspace: Workspace, arguments: Json) -> Json:
    """The metrics of a run on one of its own splits with their intervals, and nothing else that evaluate does."""
    trained = _trained(workspace, arguments)
    arrays = data.load_split(workspace, trained.data, arguments["split"])
    return evaluate(trained.module, trained.data, arrays, split=arguments["split"])["metrics"]


def _rows_to_judge(workspace: Workspace, own: PreparedData, judged: PreparedData, split: str) -> SplitArrays:
    """A split of the run's own data as it is, or of other data through the run's preprocessing."""
    if judged.handle == own.handle:
        return data.load_split(workspace, own, split)
    source = None if own.task == "forecasting" else data.raw_source(workspace, judged, split)
    if source is None:
        raise TrainwellError(
            "no_raw_rows",
            f"Of this data ({judged.kind}) the {split} part is not kept in a form that another run could read.",
            argument="data", got=judged.handle, hint="Train on data prepared with test_source: the rows to judge by.",
        )  # fmt: skip
    encoded = data.encode(own, source=source)
    if own.task == "reconstruction":
        return data.SplitArrays(inputs=encoded.inputs, target=encoded.inputs[0], rows=encoded.rows)
    if encoded.target is None:
        raise TrainwellError(
            "missing_column", "The data to judge by lacks the target column.", argument="data", allowed=own.target
        )
    return data.SplitArrays(inputs=encoded.inputs, target=encoded.target, rows=encoded.rows)


def _trained_on(workspace: Workspace, own: PreparedData, judged: PreparedData, arrays: SplitArrays) -> list[str]:
    """A warning where rows to judge by were trained on: another split of the same source."""
    if judged.handle == own.handle or judged.source != own.source:
        return []
    try:
        known = data.load_split(workspace, own, "train").rows
    except TrainwellError:
        return ["This data has the source of the training data, and rows of it may have been trained on."]
    shared = int(np.isin(arrays.rows, known).sum())
    return [f"{shared} of these {len(arrays.rows)} rows were trained on: the score is too good."] if shared else []


def _predict(workspace: Workspace, arguments: Json) -> Json:
    return predict_rows(workspace, _trained(workspace, arguments), arguments)


def _explain(workspace: Workspace, arguments: Json) -> Json:
    trained = _trained(workspace, arguments)
    split, asked = arguments["split"], arguments.get("picture")
    arrays = data.load_split(workspace, trained.data, split)
    raw = workspace.data_dir(trained.data.handle) / f"raw_{split}.parquet"
    picture = (Path(asked["path"]), asked["title"]) if asked else None
    found = explain(trained.module, trained.data, arrays, raw=raw, picture=picture, method=arguments["method"])
    return {**found.to_json(), "told": found.told(), "columns": found.columns and raw.is_file()}


def _trained(workspace: Workspace, arguments: Json) -> weights.Trained:
    """The trained network that the arguments name; see `tools.services.Services.trained`."""
    if arguments.get("file"):
        return weights.of_file(Path(arguments["file"]))[0]
    return weights.of_run(workspace, RunSpec.model_validate(arguments["spec"]))


def _card(spec: RunSpec, which: str, state: Json) -> Json:
    """What a portable file says of its weights."""
    return {
        "run": spec.run,
        "which": which,
        "epoch": state["epoch"],
        "step": state["step"],
        "metrics": finite(state["metrics"]),
        "model": spec.model.model_dump(mode="json"),
        "data": spec.data.model_dump(mode="json"),
        "config": spec.config.model_dump(mode="json"),
    }


def _save_checkpoint(workspace: Workspace, arguments: Json) -> Json:
    spec = RunSpec.model_validate(arguments["spec"])
    tensors, state = weights.read_run(workspace, spec, arguments["which"])
    card = _card(spec, arguments["which"], state)
    path = Path(arguments["path"])
    sha256 = checkpoint.export_file(path, tensors, card)
    return {"card": card, "sha256": sha256, "bytes": path.stat().st_size}


def _export(workspace: Workspace, arguments: Json) -> Json:
    """Write a network for others to read, checked on real rows where the data is here."""
    trained = _trained(workspace, arguments)
    card = arguments.get("card") or _card_of(workspace, RunSpec.model_validate(arguments["spec"]), arguments["which"])
    if arguments["which"] == "last" and not arguments.get("card"):
        trained = weights.of_run(workspace, RunSpec.model_validate(arguments["spec"]), "last")
    rows, report = _seen_rows(workspace, trained), None
    if rows is not None:
        report = evaluate(trained.module, trained.data, data.load_split(workspace, trained.data, "test"), split="test")
    what = exporting.Trained(
        trained.module, trained.model, trained.data, card, str(workspace.data_dir(trained.data.handle))
    )
    path = Path(arguments["path"])
    told = exporting.export(arguments["format"], what, rows, path, report=report)
    metrics = None if report is None else report["metrics"]
    return {**told, "epoch": trained.epoch, "bytes": path.stat().st_size, "metrics": metrics}


def _seen_rows(workspace: Workspace, trained: weights.Trained) -> data.SplitArrays | None:
    """Validation rows of the data that a network was trained on; None where it is not here, as with a foreign file."""
    try:
        return data.load_split(workspace, trained.data, "validation")
    except TrainwellError:
        return None


def _card_of(workspace: Workspace, spec: RunSpec, which: str) -> Json:
    _, state = weights.read_run(workspace, spec, which)
    return _card(spec, which, state) | ({"start_from": Path(spec.start_from).name} if spec.start_from else {})


def _load_checkpoint(workspace: Workspace, arguments: Json) -> Json:
    trained, card = weights.of_file(Path(arguments["path"]))
    return {"card": card, "parameters": sum(tensor.numel() for tensor in trained.module.parameters())}


def _plot(workspace: Workspace, arguments: Json) -> Json:
    records = [EpochRecord(**record) for record in arguments["epochs"]]
    path = Path(arguments["path"])
    findings = [Finding.model_validate(finding) for finding in arguments["findings"]]
    draw_curves(records, path, title=arguments["title"], score_name=arguments["score_name"], findings=findings)
    return {"bytes": path.stat().st_size}


def _plot_diagnosis(workspace: Workspace, arguments: Json) -> Json:
    path = Path(arguments["path"])
    draw_diagnosis(
        [EpochRecord(**record) for record in arguments["epochs"]],
        [SignalRecord(**record) for record in arguments["signals"]],
        [Finding.model_validate(finding) for finding in arguments["findings"]],
        path,
        title=arguments["title"],
        score_name=arguments["score_name"],
    )
    return {"bytes": path.stat().st_size}


def _plot_runs(workspace: Workspace, arguments: Json) -> Json:
    curves = [(name, [EpochRecord(**record) for record in records]) for name, records in arguments["curves"]]
    path = draw_comparison(curves, Path(arguments["path"]), metric=arguments["metric"])
    return {"bytes": path.stat().st_size}


def _devices(workspace: Workspace, arguments: Json) -> Json:
    return {"devices": describe_devices()}


WORK: dict[str, Callable[[Workspace, Json], Json]] = {
    "inspect": _inspect,
    "prepare": _prepare,
    "build": _build,
    "plan": _plan,
    "plan_search": _plan_search,
    "find_lr": find_lr,
    "profile": profile,
    "evaluate": _evaluate,
    "intervals": _intervals,
    "predict": _predict,
    "explain": _explain,
    "save_checkpoint": _save_checkpoint,
    "load_checkpoint": _load_checkpoint,
    "export": _export,
    "plot": _plot,
    "plot_runs": _plot_runs,
    "plot_diagnosis": _plot_diagnosis,
    "devices": _devices,
    "branch": branch,
    "compare_weights": compare_weights,
}
